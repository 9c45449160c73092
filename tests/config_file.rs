//! The configuration file: what counts more than what, what is wrong with one, and what becomes of
//! it when it is read again. How it is parsed stands in `config/file.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Person, Process, chinwag};
#[cfg(unix)]
use common::{Server, WELCOME, room};

/// A file of this name with this text.
fn file(name: &str, text: &str) -> PathBuf {
    let path = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    fs::write(&path, text).unwrap();
    path.into()
}

/// The exit code, and all that was written.
#[track_caller]
fn run(args: &[&str]) -> (Option<i32>, String) {
    let mut command = chinwag();
    command.args(args);
    let mut process = Process::spawn(command);
    let code = process.wait();
    let written = [process.stdout.lines_at_the_end(), process.stderr.lines_at_the_end()];
    (code, written.concat().join("\n"))
}

/// How many lines of the history somebody is shown, of three that were said.
#[track_caller]
fn history([alice, bob]: &mut [Person; 2]) -> usize {
    for line in ["one", "two", "three"] {
        alice.says(line);
        bob.sees(&format!("alice: {line}"));
    }
    bob.answers_to("/history").len()
}

#[test]
fn flags_count_more_than_variables_and_those_more_than_the_file() {
    let path = file("order", "history = 1\nlisten = [\"lines=127.0.0.1:0\"]\nfixed-rooms = true\n");
    let path = path.to_str().unwrap();
    for (variable, flag, lines) in [("", None, 1), ("2", None, 2), ("2", Some("--history=3"), 3)] {
        let mut command = chinwag();
        command.env("CHINWAG_HISTORY", variable).env("CHINWAG_CONFIG", path).args(flag);
        let process = Process::spawn(command);
        let line = process.stderr.waits_for("listening: lines on 127.0.0.1:");
        let (_, address) = common::listener(&line).unwrap();
        assert_ne!(address.port(), 7711, "the file says so");
        let mut people = ["alice", "bob"].map(|name| Person::join_at(address, name));
        people[0].sees("* bob joined (2 here)");
        assert_eq!(history(&mut people), lines, "{variable}, {flag:?}");
        let [_, mut bob] = people;
        bob.says("/join elsewhere");
        bob.sees_prefix("! No other rooms can be made here.");
    }
}

#[test]
fn every_kind_of_flag_can_be_a_key() {
    let text = "\
        listen = [\"lines=127.0.0.1:0\", \"nick=127.0.0.1:0\"]\n\
        max-line = 100\nbacklog = \"64K\"\ndrain = 0.5\nflood = \"5/1\"\nclassic = false\n\
        fixed-rooms = true\nrooms = [\"ops\", \"help\"]\nconsole = true\nlang = \"en\"\n";
    let path = file("kinds", text);
    let (code, told) = run(&["check-config", "--config", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{told}");
    for words in [
        "lines on 127.0.0.1:0",
        "nick on 127.0.0.1:0",
        "--max-line",
        "--backlog",
        "--drain",
        "--flood",
        "--fixed-rooms",
        "--rooms",
        "--console",
        "The configuration is sound.",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("--lang"), "{told}");
}

#[test]
fn what_is_wrong_with_a_file_is_one_sentence_with_its_place() {
    for (text, code, words) in [
        ("history = 3\nmax-cleints = 5\n", 2, "line 2, column 1: there is no key max-cleints"),
        ("config = \"x\"\n", 2, "line 1, column 1: there is no key config"),
        ("\nmax-line = \"12Q\"\n", 2, "line 2, column 12: invalid value '12Q' for '--max-line"),
        ("rooms = [\"ops\", \"a b\"]\n", 2, "line 1, column 9: invalid value 'a b' for '--rooms"),
        ("history = [1, 2]\n", 2, "line 1, column 11: history takes one value"),
        ("history = true\n", 2, "line 1, column 11: history is neither"),
        ("classic = 1\n", 2, "line 1, column 11: classic is true or false"),
        ("history = \n", 2, "line 1, column "),
        ("history = 1\nhistory = 2\n", 2, "line 2, column 1: duplicate key"),
        ("[limits]\nhistory = 1\n", 2, "line 1, column "),
        ("listen = []\n", 2, "--listen must be given"),
        ("max-clients = 0\n", 2, "--max-clients must be"),
        ("motd = \"no such file\"\n", 3, "there is no such file"),
        (&format!("# {}\n", "x".repeat(10 << 20)), 3, "larger than 1048576 bytes"),
    ] {
        let path = file("wrong", text);
        for arguments in [&["--config"][..], &["check-config", "--config"]] {
            let (got, told) = run(&[arguments, &[path.to_str().unwrap()]].concat());
            assert_eq!(got, Some(code), "{text:.40}: {told}");
            assert!(told.contains(words) && told.lines().count() == 1, "{text:.40}: {told}");
        }
    }
    for (path, why) in
        [(env!("CARGO_TARGET_TMPDIR"), "not a regular file"), ("no such file", "no such file")]
    {
        let (code, told) = run(&["--config", path]);
        assert!(code == Some(3) && told.contains(why) && told.contains(path), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_has_the_file_read_again_and_all_of_it_counts_or_nothing() {
    let path = file("again", "history = 1\n");
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let mut people = room(&server, ["alice", "bob"]);
    assert_eq!(history(&mut people), 1);

    fs::write(&path, "history = 2\nmotd = \"no such file\"\n").unwrap();
    server.signal("HUP");
    server.log().waits_for("configuration not read again");
    assert_eq!(history(&mut people), 1);
    fs::write(&path, "history = 2\nmax-line = 50_00\nmax-clients = 0\n").unwrap();
    server.signal("HUP");
    server.log().waits_for("--max-clients must be between");
    assert_eq!(history(&mut people), 1);

    let (motd, password) = (file("again-motd", "Hello.\n"), file("again-password", "sesame\n"));
    let text = format!(
        "history = 2\nmax-line = 5000\nmotd = {motd:?}\npassword-file = {password:?}\n\
         listen = [\"lines=127.0.0.1:1\"]\n"
    );
    fs::write(&path, text).unwrap();
    server.signal("HUP");
    // The flag counts more than the file, so that the listeners are the same.
    server.log().waits_for(
        "configuration read again: --history, --motd, --password-file changed; --max-line only by \
         a restart",
    );
    assert_eq!(history(&mut people), 2);
    let mut carol = Person::connect(&server);
    carol.sees("* What is the password?");
    carol.says("sesame");
    carol.sees("* Hello.");
    carol.sees(WELCOME);
    carol.says("carol");
    carol.sees_prefix("* You are carol.");
    server.signal("HUP");
    server.log().waits_for("configuration read again: --max-line only by a restart");
}

#[cfg(unix)]
#[test]
fn a_password_does_not_leave_open_what_cannot_ask_for_it() {
    let path = file("strict", "");
    let args = ["--listen=lines=127.0.0.1:0", "--listen=nick=127.0.0.1:0", "--config"];
    let server = Server::start(&[&args[..], &[path.to_str().unwrap()]].concat());
    let password = file("strict-password", "sesame\n");
    fs::write(&path, format!("password-file = {password:?}\n")).unwrap();
    server.signal("HUP");
    let line = server.log().waits_for("configuration not read again");
    assert!(line.contains("--classic-open"), "{line}");
    Person::connect(&server).sees(WELCOME);
}

#[cfg(unix)]
#[test]
fn a_server_whose_terminal_goes_away_says_goodbye() {
    use std::io::{BufRead as _, BufReader};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["--listen=lines=127.0.0.1:0"]);
    let mut server = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let reader = BufReader::new(pair.master.try_clone_reader().unwrap());
    let mut lines = reader.lines().map_while(Result::ok);
    let address = lines.find_map(|line| common::listener(line.trim_end())).unwrap().1;
    let mut alice = Person::join_at(address, "alice");
    drop((lines, pair.master));
    alice.sees("* The server is stopping.");
    alice.sees_eof();
    assert!(server.wait().unwrap().success());
}
