//! The client at a terminal.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use portable_pty::CommandBuilder;

use crate::common::{Folder, Person, Server};
use crate::screen::{Sitter, signals};
use crate::server;

const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const PAGE_UP: &str = "\x1b[5~";
const PAGE_DOWN: &str = "\x1b[6~";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// A server, bob who came by `nc`, and alice at a terminal.
fn alice_and_bob(args: &[&str]) -> (Server, Person, Sitter) {
    let server = server(&["--flood", "0"]);
    let mut bob = Person::join(&server, "bob");
    let alice = Sitter::join(server.address("web"), "alice", args);
    bob.sees("* alice joined (2 here)");
    (server, bob, alice)
}

/// The status row, which is the last but one.
fn status(sitter: &Sitter) -> String {
    let rows = sitter.rows();
    rows[rows.len() - 2].clone()
}

/// A paste, as terminals bracket it.
fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

#[test]
fn what_is_typed_survives_what_arrives() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let mut typed = String::new();
    for (number, letter) in "slowly but surely".chars().enumerate() {
        for line in 0..20 {
            bob.says(&format!("{number} and {line}"));
        }
        alice.types(&letter.to_string());
        typed.push(letter);
        alice.sees(&format!("bob: {number} and 19"));
        alice.sees_input(format!("> {typed}").trim_end(), 2 + typed.len() as u16);
    }
    // Each line stands in a row of its own, in order, above the status and the one that is typed.
    let rows = alice.rows();
    let numbers = (0..).map(|line| (16 - (line / 20), 19 - line % 20)).take(22);
    let mut expected: Vec<_> = numbers.map(|(n, line)| format!("bob: {n} and {line}")).collect();
    expected.reverse();
    assert_eq!(rows[..22], expected);
    assert!(rows[22].starts_with(" alice · #lobby (2 here) · "), "{}", rows[22]);
    assert_eq!(rows[23], "> slowly but surely");
    alice.types(&format!("{LEFT}{LEFT}{LEFT}{LEFT}{LEFT}{LEFT}"));
    bob.says("again");
    alice.sees("bob: again");
    alice.says("very ");
    bob.sees("alice: slowly but very surely");
    alice.sees("alice: slowly but very surely");
    alice.sees_input(">", 2);
}

#[test]
fn tab_completes_names_commands_and_rooms_also_behind_signs() {
    let (server, mut bob, mut alice) = alice_and_bob(&[]);
    let _barbara = Person::join(&server, "Barbara");
    alice.sees("Barbara joined (3 here)");
    bob.says("hi");
    alice.sees("bob: hi");
    for (typed, row, column) in [
        ("b\t", "> bob:", 7),
        ("\t", "> Barbara:", 11),
        ("\t", "> bob:", 7),
        ("and BARB\t", "> bob: and Barbara", 19),
        ("\x03@b\t", "> @bob", 7),
        ("\x03see (b\t", "> see (bob", 10),
        ("\x03/m\t", "> /me", 6),
        ("\tb\t", "> /msg bob", 11),
        ("\x03/join #l\t", "> /join #lobby", 15),
    ] {
        alice.types(typed);
        alice.sees_input(row, column);
    }
}

#[test]
fn rooms_have_numbers_and_count_what_is_new() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    alice.says("/join ops");
    alice.sees("* You are alice, in #ops.");
    alice.sees("1:#lobby [2:#ops]");
    alice.types("a draft");
    bob.says("one");
    bob.says("two, Alice");
    alice.sees("1:#lobby(2!) [2:#ops]");
    assert_eq!(alice.bells(), 1);
    alice.types("\x1b1");
    alice.sees("[1:#lobby] 2:#ops");
    alice.sees_input(">", 2);
    let rows = alice.rows();
    let at = rows.iter().position(|row| row == "── new ──").expect("a divider");
    assert_eq!(rows[at + 1..at + 3], ["bob: one", "bob: two, Alice"]);
    alice.types("\x1b[1;3C");
    alice.sees("1:#lobby [2:#ops]");
    alice.sees_input("> a draft", 9);
    alice.types("\x1b[1;3D");
    alice.sees("[1:#lobby] 2:#ops");
    assert!(!alice.rows().contains(&"── new ──".to_owned()), "it has been seen");
    alice.says("/part #ops");
    alice.sees("* You have left #ops.");
}

#[test]
fn who_comes_and_goes_is_one_line_and_can_be_hidden() {
    let (server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let carol = Person::join(&server, "carol");
    alice.sees("* carol joined (3 here)");
    let _dave = Person::join(&server, "dave");
    alice.sees("* carol, dave joined (4 here)");
    drop(carol);
    bob.sees("* carol joined (3 here)");
    alice.sees("* dave joined; carol joined and left (3 here)");
    let about = |rows: Vec<String>| rows.iter().filter(|row| row.contains("dave")).count();
    assert_eq!(about(alice.rows()), 1);
    assert!(alice.cell("* dave joined").dim());
    alice.says("/set presence off");
    alice.sees("presence off");
    assert_eq!(about(alice.rows()), 0);
    alice.says("/set presence on");
    alice.sees("* dave joined; carol joined and left (3 here)");
}

#[test]
fn after_a_cut_what_was_missed_stands_once_below_a_rule() {
    let mut server = server(&["--flood", "0", "--resume-grace", "60"]);
    let (proxy, cut) = cutting_proxy(server.address("web"));
    let mut bob = Person::join(&server, "bob");
    let mut alice = Sitter::join(proxy, "alice", &["--no-time"]);
    bob.says("before");
    alice.sees("bob: before");
    alice.types("half a line");
    cut.close();
    alice.sees("* There is no connection. Next try in ");
    alice.sees_input("> half a line", 13);
    alice.says("");
    alice.sees("alice: half a line …");
    for line in ["one", "two", "three"] {
        bob.says(line);
    }
    cut.open();
    alice.sees("── 3 missed ──");
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: half a line");
    alice.waits_for("its confirmation", |seen| {
        seen.rows().contains(&"alice: half a line".to_owned()).then_some(())
    });
    let rows = alice.rows();
    let at = rows.iter().position(|row| row == "bob: before").unwrap();
    assert!(rows[at + 1].starts_with("* There was no connection from "), "{rows:#?}");
    let after = ["── 3 missed ──", "bob: one", "bob: two", "bob: three", "alice: half a line"];
    assert_eq!(rows[at + 2..at + 7], after);
    let twice = |text: &str| rows.iter().filter(|row| row.contains(text)).count();
    assert_eq!(twice("connection"), 1);
    server.kill();
    alice.sees("* There is no connection. Next try in ");
}

/// A server at the addresses of one that has gone.
fn in_place_of(gone: &Server) -> Server {
    let listen = ["lines", "web"].map(|name| format!("{name}={}", gone.address(name)));
    Server::start(&["--listen", &listen[0], "--listen", &listen[1]])
}

#[test]
fn what_is_typed_while_there_is_no_server_is_said_to_the_next() {
    let mut server = server(&[]);
    let mut alice = Sitter::join(server.address("web"), "alice", &["--no-time"]);
    server.kill();
    alice.sees("* There is no connection. Next try in ");
    alice.says("later");
    alice.sees("alice: later …");
    let _server = in_place_of(&server);
    alice.waits_for("its confirmation", |seen| {
        seen.rows().contains(&"alice: later".to_owned()).then_some(())
    });
    assert!(!alice.rows().iter().any(|row| row.starts_with('?')), "{:#?}", alice.rows());
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_lost_server_did_not_confirm_is_offered_again() {
    let mut server = server(&[]);
    let mut alice = Sitter::join(server.address("web"), "alice", &["--no-time"]);
    server.pause();
    alice.says("still there?");
    alice.sees("alice: still there? …");
    server.kill();
    let server = in_place_of(&server);
    alice.sees("? still there? (not confirmed; /again says it again)");
    alice.sees("* There was no connection from ");
    let mut carol = Person::join(&server, "carol");
    alice.says("/again");
    carol.sees("alice: still there?");
    alice.waits_for("its confirmation", |seen| {
        seen.rows().contains(&"alice: still there?".to_owned()).then_some(())
    });
    assert!(!alice.rows().iter().any(|row| row.starts_with('?')), "{:#?}", alice.rows());
}

#[cfg(feature = "data")]
#[test]
fn after_a_restart_what_the_archive_has_is_fetched() {
    let folder = Folder::new("client-restart");
    let data = format!("--data={}", folder.file("chat.db").display());
    let start = |lines: &str, web: &str| {
        let listen = [format!("--listen=lines={lines}"), format!("--listen=web={web}")];
        Server::start(&[&data, &listen[0], &listen[1], "--history=5", "--flood=0"])
    };
    let any = "127.0.0.1:0";
    let mut server = start(any, any);
    let web = server.address("web").to_string();
    let alice = Sitter::join(server.address("web"), "alice", &["--no-time"]);
    let mut bob = Person::join(&server, "bob");
    bob.says("before");
    alice.sees("bob: before");
    // A question is answered when all that was said before it is safe.
    bob.says("/search nowhere");
    bob.sees_until("* Nothing was found.");
    // She does not come back before all was said.
    alice.signals("STOP");
    server.kill();
    let server = start(any, &web);
    let mut bob = Person::join(&server, "bob");
    (1..=150).for_each(|number| bob.says(&format!("line {number}")));
    bob.says("/search nowhere");
    bob.sees_until("* Nothing was found.");
    alice.signals("CONT");
    alice.sees("bob: line 150");
    alice.resizes(170, 80);
    let lines = (1..=150).map(|number| format!("bob: line {number}"));
    let expected: Vec<_> = ["── 150 missed ──".to_owned()].into_iter().chain(lines).collect();
    alice.waits_for("all lines", |seen| {
        let rows = seen.rows();
        let at = rows.iter().position(|row| *row == expected[0])?;
        (rows.get(at..at + expected.len())? == expected).then_some(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_dead_link_is_noticed() {
    let (server, _bob, alice) = alice_and_bob(&[]);
    let start = std::time::Instant::now();
    server.pause();
    alice.sees("* There is no connection.");
    // The machine may be slow; that it is within 30 seconds is shown by a test of the pulse.
    assert!(start.elapsed().as_secs() >= 10, "a server may think for a while");
    server.resume();
    alice.sees("* There was no connection from ");
}

#[test]
fn a_paste_is_text_and_much_of_it_is_asked_about() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    alice.types(&paste("quit\n/quit\r\nif:\n\tx\x07\nend"));
    for line in ["quit", "/quit", "if:", "\tx"] {
        bob.sees(&format!("alice: {line}"));
    }
    alice.sees("alice: \u{20}       x".trim_end());
    alice.sees_input("> end", 5);
    alice.types(CTRL_C);
    alice.types(&paste("1\n2\n3\n4\n5\n6\n"));
    alice.sees_input("Say these 6 lines? y/n", 23);
    alice.types("n");
    alice.sees_input(">", 2);
    // What was typed before is not lost, and the last line counts though it stays.
    alice.types("half");
    alice.types(&paste("1\n2\n3\n4\n5\n6"));
    alice.sees_input("Say these 5 lines? y/n", 23);
    alice.types("n");
    alice.sees_input("> half", 6);
    alice.types(CTRL_C);
    alice.types(&paste("1\n2\n3\n4\n5\n6\n"));
    alice.sees_input("Say these 6 lines? y/n", 23);
    alice.types("y");
    for number in 1..=6 {
        bob.sees(&format!("alice: {number}"));
    }
    alice.types("/msg bob ");
    alice.types(&paste("a\nb\n"));
    alice.sees_input("> /msg bob a b", 14);
    alice.says("");
    bob.sees("[alice -> you] a b");
}

#[test]
fn only_quit_leaves_and_the_terminal_is_as_before() {
    for keys in ["/quit\r", "/quit see you\r", "SIGTERM"] {
        let (_server, mut bob, mut alice) = alice_and_bob(&[]);
        assert_ne!(alice.settings(), alice.settings_before, "keys come one by one");
        for others in ["quit\r", "exit\r"] {
            alice.types(others);
        }
        bob.sees("alice: quit");
        bob.sees("alice: exit");
        alice.types(&format!("half{CTRL_C}{CTRL_C}{CTRL_D}"));
        alice.sees("* /quit leaves.");
        if keys == "SIGTERM" {
            alice.signals("TERM");
        } else {
            alice.types(keys);
        }
        bob.sees_prefix("* alice left");
        assert_eq!(alice.ends(), 0, "{keys:?}");
        assert_eq!(alice.settings(), alice.settings_before, "{keys:?}");
        alice.waits_for("a clean row", |seen| seen.is_ready_for_others().then_some(()));
    }
}

#[test]
fn control_z_gives_the_terminal_back_and_comes_back_clean() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    let mut alice = Sitter::run(shell, &[("PS1", "shell$ ")]);
    alice.sees("shell$");
    let binary = env!("CARGO_BIN_EXE_chinwag");
    alice.says(&format!("{binary} join {} --nick alice --no-time", server.address("web")));
    alice.sees("* You are alice, in #lobby.");
    bob.sees("* alice joined (2 here)");
    alice.types("half a line\x1a");
    alice.sees("Stopped");
    alice.waits_for("the shell's screen", |seen| seen.is_plain().then_some(()));
    bob.says("meanwhile");
    alice.says("echo \"I am $((40 + 2))\"");
    alice.sees("I am 42");
    alice.says("fg");
    alice.sees("bob: meanwhile");
    alice.sees_input("> half a line", 13);
    alice.says("");
    bob.sees("alice: half a line");
    alice.says("/quit");
    bob.sees("* alice left (1 here)");
    // What is typed before the shell asks for it may still be read by the client.
    alice.sees_input("shell$", 7);
    alice.says("exit");
    alice.ends();
}

#[test]
fn a_signal_to_stop_gives_the_terminal_back_as_control_z_does() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let folder = Folder::new("client-stop");
    let file = folder.file("number");
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    let mut alice = Sitter::run(shell, &[("PS1", "shell$ ")]);
    alice.sees("shell$");
    let run = format!("{} join {}", env!("CARGO_BIN_EXE_chinwag"), server.address("web"));
    alice.says("clear");
    alice.says(&format!("(echo $BASHPID > {}; exec {run} --nick alice --no-time)", file.display()));
    alice.sees("* You are alice, in #lobby.");
    let number = std::fs::read_to_string(&file).unwrap();
    for round in ["once", "twice"] {
        alice.types(round);
        alice.sees_input(&format!("> {round}"), 2 + round.len() as u16);
        signals(number.trim(), "TSTP");
        alice.sees("Stopped");
        alice.waits_for("the shell's screen", |seen| seen.is_plain().then_some(()));
        bob.says(&format!("meanwhile {round}"));
        alice.says("clear; echo \"I am $((40 + 2))\"");
        alice.sees("I am 42");
        alice.says("fg");
        alice.sees(&format!("bob: meanwhile {round}"));
        alice.sees_input(&format!("> {round}"), 2 + round.len() as u16);
        alice.says("");
        bob.sees_until(&format!("alice: {round}"));
    }
    alice.says("/quit");
    bob.sees_until("* alice left (1 here)");
    alice.sees_input("shell$", 7);
    alice.says("exit");
    alice.ends();
}

#[test]
fn where_nobody_could_let_it_go_on_the_client_does_not_stop() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    alice.types("half\x1a");
    alice.signals("TSTP");
    alice.says(" and half");
    bob.sees("alice: half and half");
    assert_ne!(alice.settings(), alice.settings_before, "keys come one by one");
}

#[test]
fn what_was_typed_can_be_typed_again_and_is_found() {
    let (_server, mut bob, mut alice) = alice_and_bob(&[]);
    for line in ["one tea", "two"] {
        alice.says(line);
        bob.sees(&format!("alice: {line}"));
    }
    alice.types(&format!("half{UP}"));
    alice.sees_input("> two", 5);
    alice.types(UP);
    alice.sees_input("> one tea", 9);
    alice.types(&format!("{DOWN}{DOWN}"));
    alice.sees_input("> half", 6);
    alice.types("\x12tea");
    alice.sees_input("(search 'tea') one tea", 22);
    alice.says("");
    bob.sees("alice: one tea");
    alice.types("one two\x1bb\x17");
    alice.sees_input("> two", 2);
}

#[test]
fn a_resized_window_shows_the_typed_line_whole_and_words_hang() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let line: String = ('a'..='z').chain('A'..='Z').collect();
    alice.types(&line);
    alice.sees_input(&format!("> {line}"), 54);
    alice.resizes(10, 30);
    // The end of it, and one column for the cursor.
    alice.sees_input(&format!("> {}", &line[52 - 27..]), 29);
    bob.says("the quick brown fox leaps over the lazy dog");
    alice.sees("bob: the quick brown fox leaps");
    alice.sees("     over the lazy dog");
    // Many terminals would erase the last column of a full row if what is behind it were.
    let bytes = alice.bytes();
    assert!(!bytes.windows(8).any(|part| part == b"leaps\x1b[K"));
    for columns in [1, 2, 3, 4] {
        alice.resizes(5, columns);
    }
    alice.resizes(24, 80);
    alice.says("\x01x");
    bob.sees(&format!("alice: x{line}"));
}

#[test]
fn wide_and_combining_characters_take_the_columns_that_they_take() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    alice.types("你好e\u{301}🦀");
    bob.says("ÁÁ 你好 \u{1f469}\u{200d}\u{1f4bb} e\u{301}");
    alice.sees("bob: ÁÁ 你好");
    alice.sees_input("> 你好e\u{301}🦀", 9);
    alice.types(LEFT);
    alice.sees_input("> 你好e\u{301}🦀", 7);
    alice.types(&format!("{LEFT}\x7f"));
    alice.sees_input("> 你e\u{301}🦀", 4);
    // A wide character that fits into the row by half only is not shown.
    alice.types(CTRL_C);
    alice.resizes(24, 12);
    alice.types(&"好".repeat(9));
    alice.sees_input(&format!("> {}", "好".repeat(4)), 11);
    alice.says("");
    bob.sees(&format!("alice: {}", "好".repeat(9)));
}

#[test]
fn a_log_is_gone_through_by_pages() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    for number in 0..80 {
        bob.says(&format!("line {number:02}"));
    }
    alice.sees("bob: line 79");
    alice.types(PAGE_UP);
    alice.sees("PageDown: more below");
    assert_eq!(alice.rows()[21], "bob: line 58");
    bob.says("line 80");
    alice.types(PAGE_UP);
    alice.waits_for("an earlier page", |seen| (seen.rows()[21] == "bob: line 37").then_some(()));
    alice.types(&format!("{PAGE_DOWN}{PAGE_DOWN}{PAGE_DOWN}"));
    alice.sees("bob: line 80");
    assert!(!status(&alice).contains("PageDown"));
}

#[test]
fn nothing_that_others_write_steers_the_terminal() {
    let (_server, mut bob, alice) = alice_and_bob(&["--no-time", "--no-color", "--notify", "off"]);
    bob.says("\x1b[2J\x1b]0;x\x07\u{9b}1mA\x08\0 \u{202e}B");
    bob.says("/topic \x1b]0;x\x07");
    alice.sees("bob: [2J]0;x1mA B");
    alice.sees("]0;x");
    assert_eq!(alice.bells(), 0);
    let bytes = alice.bytes();
    for forbidden in [&b"\x1b[2J]"[..], b"\x1b]0", b"\x1b[1m", b"\xc2\x9b", b"\x08"] {
        assert!(!bytes.windows(forbidden.len()).any(|part| part == forbidden), "{forbidden:?}");
    }
}

#[cfg(feature = "data")]
#[test]
fn the_password_of_an_account_is_asked_for_without_echo() {
    let folder = Folder::new("client-sits-account");
    let data = folder.file("chat.db");
    let server = server(&["--data", data.to_str().unwrap()]);
    let mut alice = Sitter::join(server.address("web"), "alice", &[]);
    alice.types("/register correct horse");
    alice.sees_input("> /register *************", 25);
    alice.says("");
    alice.sees("alice is your account now.");
    alice.says("/quit");
    alice.ends();
    let mut alice = Sitter::start(server.address("web"), &["--nick", "alice"], &[]);
    alice.sees_input("Password of alice:", 19);
    alice.says("wrong");
    alice.sees("! ");
    alice.sees_input("Password of alice:", 19);
    alice.types("correct horse\t");
    alice.says(UP);
    alice.sees("* You are alice, in #lobby.");
    alice.says("/search horse");
    alice.sees("* Nothing was found.");
    for secret in [&b"correct"[..], b"wrong"] {
        assert!(!alice.bytes().windows(secret.len()).any(|part| part == secret));
    }
}

#[test]
fn a_nickname_is_asked_for_and_asked_for_again() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let variables = [("CHINWAG_NICK", "bob")];
    let mut alice = Sitter::start(server.address("web"), &[], &variables);
    alice.sees("! The nickname bob is taken. Try another.");
    alice.sees_input("Nickname:", 10);
    alice.says("alice");
    bob.sees("* alice joined (2 here)");
    alice.sees("* You are alice, in #lobby. Here now: alice, bob.");
    let mut carol = Sitter::start(server.address("web"), &[], &[]);
    carol.sees_input("Nickname:", 10);
    carol.types(CTRL_C);
    assert_eq!(carol.ends(), 0, "who is not in yet can go");
}

#[test]
fn what_cannot_be_joined_is_one_sentence() {
    let server = server(&[]);
    let alice = Sitter::start(server.address("lines"), &["--nick", "alice"], &[]);
    assert_eq!(alice.ends(), 1);
    alice.sees("that is the `lines` listener");
}

#[test]
fn colours_tell_people_and_kinds_of_lines_apart() {
    let (server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let mut carol = Person::join(&server, "carol");
    bob.says("one");
    carol.sees("bob: one");
    carol.says("two");
    alice.sees("carol: two");
    bob.says("hi Alice");
    bob.says("/msg alice psst");
    alice.says("/msg bob back");
    alice.says("/nope");
    alice.sees("! There is no command");
    let plain = vt100::Color::Default;
    let (of_bob, of_carol) = (alice.cell("bob: one"), alice.cell("carol: two"));
    assert_ne!(of_bob.fgcolor(), plain);
    assert_ne!(of_bob.fgcolor(), of_carol.fgcolor());
    assert_eq!(of_bob.fgcolor(), alice.cell("bob: hi Alice").fgcolor());
    assert_eq!(alice.cell("one").fgcolor(), plain);
    assert!(alice.cell("* carol joined").dim());
    assert!(alice.cell("hi Alice").bold() && !alice.cell("one").bold());
    assert!(alice.cell("[bob -> you] psst").bold());
    assert_eq!(alice.cell("! There is").fgcolor(), vt100::Color::Idx(1));
    alice.sees("[you -> bob] back");
    let private = alice.rows().iter().filter(|row| row.contains("back")).count();
    assert_eq!(private, 1, "a private message that was sent is one row");
}

#[test]
fn there_are_no_colours_if_none_are_wanted() {
    let server = server(&[]);
    let cases = [
        (Some("--no-color"), None, false),
        (None, Some(("NO_COLOR", "1")), false),
        (None, Some(("NO_COLOR", "")), true),
    ];
    for (option, variable, colourful) in cases {
        let args: Vec<_> = ["--nick", "alice"].into_iter().chain(option).collect();
        let mut alice = Sitter::start(server.address("web"), &args, variable.as_slice());
        alice.sees("* You are alice");
        let is_coloured = |bytes: &[u8]| {
            bytes.split(|byte| *byte == 0x1b).any(|after| {
                let end = after.iter().position(u8::is_ascii_alphabetic);
                after.first() == Some(&b'[') && end.is_some_and(|end| after[end] == b'm')
            })
        };
        assert_eq!(is_coloured(&alice.bytes()), colourful, "{args:?} {variable:?}");
        alice.says("/quit");
        assert_eq!(alice.ends(), 0);
    }
}

#[test]
fn the_bell_and_the_desktop_tell_of_what_they_are_to_tell() {
    for (bell, notify, rings, told) in [
        ("off", "off", 0, None),
        ("private", "osc9", 1, Some("\x1b]9;bob: hi alice\x07")),
        ("mention", "osc777", 2, Some("\x1b]777;notify;bob;hi alice\x07")),
    ] {
        let (_server, mut bob, mut alice) = alice_and_bob(&["--bell", bell, "--notify", notify]);
        for line in ["hi", "hi alice", "/msg alice psst", "malice"] {
            bob.says(line);
        }
        alice.sees("bob: malice");
        assert_eq!(alice.bells(), rings, "{bell}");
        let shown = String::from_utf8_lossy(&alice.bytes()).into_owned();
        assert_eq!(shown.contains("\x1b]"), told.is_some(), "{notify}");
        assert!(told.is_none_or(|told| shown.contains(told)), "{notify}");
        // Who looks at it needs no notification.
        alice.types("\x1b[Ix");
        alice.sees_input("> x", 3);
        let before = shown.matches("\x1b]").count();
        bob.says("alice again");
        alice.sees("bob: alice again");
        let shown = String::from_utf8_lossy(&alice.bytes()).into_owned();
        assert_eq!(shown.matches("\x1b]").count(), before);
    }
}

#[test]
fn a_line_stands_behind_the_local_time_and_a_day_has_a_rule() {
    let server = server(&[]);
    let mut bob = Person::join(&server, "bob");
    let minute = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60;
    let before = minute();
    bob.says("hi");
    let args = ["--nick", "alice"];
    let east = [("TZ", "<+0530>-5:30")];
    let alice = Sitter::start(server.address("web"), &args, &east);
    alice.sees("bob: hi");
    bob.sees("* alice joined (2 here)");
    bob.says("bye");
    alice.sees("bob: bye");
    let times: Vec<String> = (before..=minute())
        .map(|minute| (minute + 5 * 60 + 30) % (24 * 60))
        .map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60))
        .collect();
    for line in ["bob: hi", "* You are alice", "bob: bye"] {
        let rows = alice.rows();
        let row = rows.iter().find(|row| row.contains(line)).unwrap();
        let shown = times.iter().any(|time| row.starts_with(&format!("{time} {line}")));
        assert!(shown, "{row:?} stands behind none of {times:?}");
    }
}

#[test]
fn what_is_said_is_kept_in_a_file_for_each_room() {
    let folder = Folder::new("client-log");
    let log = folder.file("chat.log");
    let (_server, mut bob, mut alice) = alice_and_bob(&["--log", log.to_str().unwrap()]);
    bob.says("in the lobby");
    bob.says("/msg alice psst");
    alice.says("/join ops");
    alice.sees("* You are alice, in #ops.");
    alice.says("in ops");
    alice.says("/quit");
    alice.ends();
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.file(name)).unwrap();
        let without_time = |line: &str| line.splitn(3, ' ').nth(2).unwrap().to_owned();
        text.lines().map(without_time).collect::<Vec<_>>()
    };
    assert!(read("chat.lobby.log").contains(&"bob: in the lobby".to_owned()));
    assert!(read("chat.ops.log").contains(&"alice: in ops".to_owned()));
    assert_eq!(read("chat.log"), ["[bob -> you] psst"]);
}

#[test]
fn it_speaks_the_language_of_its_user() {
    let server = server(&[]);
    let args = ["--nick", "alice", "--lang", "zh"];
    let mut alice = Sitter::start(server.address("web"), &args, &[]);
    alice.sees("您是 alice,在 #lobby。");
    let mut wang = Person::join(&server, "王芳");
    alice.sees("王芳 加入了聊天 (2 人)");
    alice.types("王\t");
    alice.sees_input("> 王芳:", 8);
    alice.says("你好");
    wang.sees("alice: 王芳: 你好");
    wang.says("/msg alice 你好");
    alice.sees("[王芳 -> 你] 你好");
    assert!(alice.cell("[王芳 -> 你]").bold());
}

/// What cuts the connections through a proxy, and lets no new ones in until it is opened.
struct Cut(std::sync::Arc<std::sync::Mutex<(bool, Vec<std::net::TcpStream>)>>);

impl Cut {
    fn close(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = false;
        for socket in state.1.drain(..) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    fn open(&self) {
        self.0.lock().unwrap().0 = true;
    }
}

/// A proxy whose connections can be cut.
fn cutting_proxy(server: SocketAddr) -> (SocketAddr, Cut) {
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = std::sync::Arc::new(std::sync::Mutex::new((true, Vec::new())));
    let cut = Cut(std::sync::Arc::clone(&state));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut state = state.lock().unwrap();
            if !state.0 {
                continue;
            }
            let server = TcpStream::connect(server).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
            state.1.extend([client, server]);
        }
    });
    (address, cut)
}
