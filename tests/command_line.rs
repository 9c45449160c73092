//! What the operator sees: flags, variables of the environment, addresses, errors and exit codes.
//! What the limits set by flags do stands in `limits.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use common::{Person, Process, Server, WELCOME, chinwag, room};

/// Each flag that takes a value, something that cannot be its value, and its variable.
const FLAGS: &[(&str, &str, &str)] = &[
    ("--listen", "nonsense", "CHINWAG_LISTEN"),
    ("--max-clients", "many", "CHINWAG_MAX_CLIENTS"),
    ("--max-line", "long", "CHINWAG_MAX_LINE"),
    ("--nick-timeout", "soon", "CHINWAG_NICK_TIMEOUT"),
    ("--backlog", "far", "CHINWAG_BACKLOG"),
    ("--stall-timeout", "late", "CHINWAG_STALL_TIMEOUT"),
    ("--flood", "much", "CHINWAG_FLOOD"),
    ("--max-per-ip", "few", "CHINWAG_MAX_PER_IP"),
    ("--history", "none", "CHINWAG_HISTORY"),
    ("--drain", "quick", "CHINWAG_DRAIN"),
    ("--resume-grace", "mercy", "CHINWAG_RESUME_GRACE"),
    ("--log-level", "loud", "CHINWAG_LOG_LEVEL"),
    ("--log-format", "xml", "CHINWAG_LOG_FORMAT"),
    ("--log-addresses", "some", "CHINWAG_LOG_ADDRESSES"),
    #[cfg(feature = "web")]
    ("--metrics-from", "everywhere", "CHINWAG_METRICS_FROM"),
    ("--lang", "tlh", "CHINWAG_LANG"),
    ("--accounts", "some", "CHINWAG_ACCOUNTS"),
    ("--operator", "a b", "CHINWAG_OPERATOR"),
    #[cfg(feature = "web")]
    ("--allow-host", "not/a/name", "CHINWAG_ALLOW_HOST"),
    #[cfg(feature = "web")]
    ("--allow-origin", "ftp://nowhere", "CHINWAG_ALLOW_ORIGIN"),
];

/// How a run went that was over by itself.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Outcome {
    /// It failed with this exit code, and one sentence that holds these words.
    #[track_caller]
    fn is_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, [""; 0], "{self:#?}");
        let lines: Vec<_> = self.stderr.iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1, "not one sentence: {self:#?}");
        for word in words {
            assert!(lines[0].contains(word), "nothing of {word}: {self:#?}");
        }
    }
}

#[track_caller]
fn run(args: &[&str]) -> Outcome {
    let mut command = chinwag();
    command.args(args);
    outcome(command)
}

#[track_caller]
fn outcome(command: Command) -> Outcome {
    let mut process = Process::spawn(command);
    Outcome {
        code: process.wait(),
        stdout: process.stdout.lines_at_the_end(),
        stderr: process.stderr.lines_at_the_end(),
    }
}

// ---- Help -----------------------------------------------------------------------------------

#[test]
fn help_names_every_flag_and_variable() {
    let help = run(&["--help"]);
    assert_eq!((help.code, help.stderr.len()), (Some(0), 0), "{help:#?}");
    let text = help.stdout.join("\n");
    for (flag, _, variable) in FLAGS {
        assert!(text.contains(flag) && text.contains(variable), "{flag}, {variable}: {text}");
    }
    for word in ["-l", "--motd", "CHINWAG_MOTD", "--version", "127.0.0.1:7711", "30/3", "10000"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(run(&["-h"]).code, Some(0));
}

#[test]
fn the_version_is_the_packages() {
    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0), "{version:#?}");
    assert_eq!(version.stdout, [concat!("chinwag ", env!("CARGO_PKG_VERSION"))]);
}

// ---- Wrong usage ----------------------------------------------------------------------------

#[test]
fn a_bad_value_is_one_sentence_and_exit_code_2() {
    for (flag, value, _) in FLAGS {
        run(&[flag, value]).is_refused(2, &[flag, value]);
    }
}

#[test]
fn a_bad_variable_is_one_sentence_and_exit_code_2() {
    for (_, value, variable) in FLAGS {
        let mut command = chinwag();
        command.env(variable, value);
        outcome(command).is_refused(2, &[value]);
    }
}

#[test]
fn a_value_out_of_range_is_one_sentence_and_exit_code_2() {
    let huge = "99999999999999999999999";
    let too_large = format!("{huge}M");
    for args in [
        ["--max-clients", huge],
        ["--max-clients", "0"],
        ["--max-clients", "-1"],
        ["--max-line", "0"],
        ["--max-line", "12Q"],
        ["--max-line", "K"],
        ["--max-line", "-5"],
        ["--backlog", &too_large],
        ["--backlog", "1.5.5M"],
        ["--nick-timeout", "-1"],
        ["--nick-timeout", "nan"],
        ["--nick-timeout", "inf"],
        ["--nick-timeout", "1e300"],
        ["--stall-timeout", "-0.5"],
        ["--stall-timeout", "1e300"],
        ["--drain", "1e300"],
        ["--flood", "3"],
        ["--flood", "3/"],
        ["--flood", "/3"],
        ["--flood", "3/0"],
        ["--flood", "3/-1"],
        ["--flood", "3/nan"],
        ["--flood", "30/1e300"],
        ["--flood", "3/3/3"],
        ["--max-per-ip", "-1"],
        ["--history", huge],
        ["--listen", ""],
        ["--listen", "lines="],
        ["--listen", "lines=127.0.0.1"],
        ["--listen", "lines=127.0.0.1:99999"],
        ["--listen", "lines=:::7711"],
        ["--listen", "gopher=127.0.0.1:70"],
    ] {
        // As one word, since a value may begin with a dash.
        run(&[&args.join("=")]).is_refused(2, &[args[0]]);
    }
}

#[test]
fn an_unknown_flag_is_named_with_exit_code_2() {
    let outcome = run(&["--max-cleints", "3"]);
    assert_eq!(outcome.code, Some(2), "{outcome:#?}");
    assert!(outcome.stderr.join("\n").contains("--max-cleints"), "{outcome:#?}");
    assert_eq!(run(&["surplus"]).code, Some(2));
}

// ---- What cannot be opened ------------------------------------------------------------------

#[test]
fn a_port_in_use_is_one_sentence_and_exit_code_3() {
    let first = Server::start(&[]);
    let address = first.address("lines").to_string();
    // A number that no system's limit lowers, which the log would tell in another line.
    let args = ["--max-clients", "50", "--listen", &format!("lines={address}")];
    run(&args).is_refused(3, &[&address]);

    // And so if it is somebody else's.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let args = ["--max-clients", "50", "--listen", &format!("lines={address}")];
    run(&args).is_refused(3, &[&address]);
    let _still_there = Person::join(&first, "alice");
}

#[test]
fn the_sentence_about_a_port_in_use_is_a_command_that_works() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = first.local_addr().unwrap();
    let args = ["--max-clients=50", "-l", &format!("lines={taken}"), "-l", "nick=127.0.0.1:0"];
    let outcome = run(&args);
    outcome.is_refused(3, &[&format!("cannot listen on {taken}"), "-l nick=127.0.0.1:0"]);
    let sentence = outcome.stderr.join(" ");
    let (_, instead) = sentence.trim_end_matches('.').split_once("as in ").unwrap();
    assert!(!instead.contains(&taken.to_string()), "{sentence}");
    let args: Vec<_> = instead.split(' ').map(|word| word.replace("-l", "--listen")).collect();
    let args: Vec<_> = args.chunks(2).map(|pair| pair.join("=")).collect();
    let server = Server::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let address = server.address("lines");
    assert_eq!(address.ip(), taken.ip());
    assert!(address.port() > taken.port(), "one of those after it: {sentence}");
}

#[test]
fn an_address_of_another_machine_is_one_sentence_and_exit_code_3() {
    let args = ["--max-clients", "50", "--listen", "lines=192.0.2.1:7711"];
    run(&args).is_refused(3, &["192.0.2.1:7711"]);
}

#[test]
fn a_missing_motd_file_is_one_sentence_and_exit_code_3() {
    let path = format!("{}/no such file.txt", env!("CARGO_TARGET_TMPDIR"));
    let args = ["--max-clients", "50", "--listen", "lines=127.0.0.1:0", "--motd"];
    run(&[&args[..], &[&path]].concat()).is_refused(3, &[&path]);
    // A directory can be opened on some systems, and read on none.
    let path = env!("CARGO_TARGET_TMPDIR");
    run(&[&args[..], &[path]].concat()).is_refused(3, &[path]);

    let mut command = chinwag();
    command.args(["--max-clients", "50", "--listen", "lines=127.0.0.1:0"]);
    command.env("CHINWAG_MOTD", "also/missing.txt");
    outcome(command).is_refused(3, &["also/missing.txt"]);
}

#[test]
fn a_motd_file_that_is_too_large_or_no_text_is_one_sentence_and_exit_code_3() {
    let cases: [(&str, &[u8], &str); 2] =
        [("large.txt", &[b'm'; 64 * 1024 + 1], "65536 bytes"), ("binary.txt", b"\xff", "UTF-8")];
    for (name, bytes, why) in cases {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, bytes).unwrap();
        let args = ["--max-clients", "50", "--listen", "lines=127.0.0.1:0", "--motd", &path];
        run(&args).is_refused(3, &[&path, why]);
    }
}

#[cfg(unix)]
#[test]
fn a_motd_that_is_no_regular_file_is_not_waited_for() {
    let fifo = format!("{}/fifo-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [&fifo, "/dev/zero"] {
        let args = ["--max-clients", "50", "--listen", "lines=127.0.0.1:0", "--motd", path];
        run(&args).is_refused(3, &[path, "not a regular file"]);
    }
    std::fs::remove_file(&fifo).unwrap();
}

#[test]
fn one_door_that_cannot_be_opened_is_too_few() {
    let first = Server::start(&[]);
    let address = first.address("lines").to_string();
    let taken = format!("lines={address}");
    let outcome = run(&["--listen", "lines=127.0.0.1:0", "--listen", &taken]);
    assert_eq!(outcome.code, Some(3), "{outcome:#?}");
    assert!(outcome.stderr.join("\n").contains(&address), "{outcome:#?}");
}

#[cfg(unix)]
#[test]
fn a_killed_server_can_be_started_again_at_once() {
    let mut first = Server::start(&[]);
    let address = first.address("lines");
    let [mut alice, bob] = room(&first, ["alice", "bob"]);
    first.kill();
    alice.sees_until_cut_off();
    let second = Server::start(&["--listen", &format!("lines={address}")]);
    assert_eq!(second.address("lines"), address);
    let _alice = Person::join(&second, "alice");
    drop(bob);
}

// ---- Listeners ------------------------------------------------------------------------------

#[test]
fn the_default_door_is_7711_on_the_machine_itself() {
    for args in [&[][..], &["-l", "lines"], &["--listen", "lines"]] {
        let mut command = chinwag();
        command.args(args);
        let process = Process::spawn(command);
        // Whether it is free here is not for this test to say, but which one it is.
        let line = process.stderr.waits_for("127.0.0.1:7711");
        let port_is_free = line.contains("listening: lines on 127.0.0.1:7711");
        assert!(port_is_free || TcpListener::bind("127.0.0.1:7711").is_err(), "{line}");
    }
}

#[test]
fn several_doors_lead_into_one_room() {
    let server = Server::start(&["--listen", "lines=127.0.0.1:0", "-l", "lines=127.0.0.1:0"]);
    let listeners = server.addresses("lines");
    assert_ne!(listeners[0], listeners[1]);
    let mut alice = Person::connect_to(listeners[0]);
    alice.sees(WELCOME);
    alice.takes_name("alice");
    let mut bob = Person::connect_to(listeners[1]);
    bob.sees(WELCOME);
    bob.says("alice");
    bob.sees("! The nickname alice is taken. Try another.");
    bob.takes_name("bob");
    alice.sees("* bob joined (2 here)");
    bob.says("hi");
    alice.sees("bob: hi");
    alice.says("/msg bob hi");
    bob.sees("[alice -> you] hi");
}

#[test]
fn a_door_may_have_an_ipv6_address() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = Server::start(&["--listen", "lines=[::1]:0"]);
    assert!(server.address("lines").is_ipv6());
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("hi");
    bob.sees("alice: hi");
}

#[test]
fn the_unspecified_ipv6_address_is_open_to_both() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = Server::start(&["--listen", "lines=[::]:0"]);
    let mut listener = server.address("lines");
    for ip in [std::net::Ipv6Addr::LOCALHOST.into(), std::net::Ipv4Addr::LOCALHOST.into()] {
        listener.set_ip(ip);
        Person::connect_to(listener).sees(WELCOME);
    }
}

// ---- Values ---------------------------------------------------------------------------------

#[test]
fn sizes_take_units() {
    for (flag, bytes) in [("1K", 1024), ("2K", 2048), ("100", 100)] {
        let server = Server::start(&["--max-line", flag, "--backlog", "2M"]);
        let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
        let longest = "x".repeat(bytes);
        alice.says(&longest);
        bob.sees(&format!("alice: {longest}"));
        alice.says(&(longest + "x"));
        alice.sees(&format!("! That line is longer than {bytes} bytes and was not sent."));
    }
}

#[test]
fn values_are_read_from_the_environment_and_flags_win() {
    for (args, lines) in [(&[][..], 1), (&["--history", "2"], 2)] {
        let mut command = chinwag();
        command.env("CHINWAG_HISTORY", "1").env("CHINWAG_MAX_LINE", "20");
        let server = Server::start_as(command, args);
        let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
        for line in ["one", "two", "three"] {
            alice.says(line);
            bob.sees(&format!("alice: {line}"));
        }
        assert_eq!(bob.answers_to("/history").len(), lines);
        bob.says("twenty-one characters");
        bob.sees("! That line is longer than 20 bytes and was not sent.");
    }
}

#[test]
fn doors_are_read_from_the_environment() {
    let mut command = chinwag();
    command.env("CHINWAG_LISTEN", "lines=127.0.0.1:0");
    let process = Process::spawn(command);
    let line = process.stderr.waits_for("listening: lines on 127.0.0.1:");
    let listener = common::listener(&line).map(|(_, address)| address);
    assert!(listener.is_some_and(|address| ![0, 7711].contains(&address.port())), "{line}");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let mut command = chinwag();
    command.env("CHINWAG_MAX_LINE", "").env("CHINWAG_FIXED_ROOMS", "").env("CHINWAG_MOTD", "");
    let server = Server::start_as(command, &[]);
    let mut alice = Person::join(&server, "alice");
    alice.says("/join ops");
    alice.sees("* You are in #ops. Here now: alice.");
}

#[test]
fn each_log_level_can_be_chosen() {
    for level in ["error", "warn", "info", "debug", "trace"] {
        let mut command = chinwag();
        command.args(["--listen", "lines=192.0.2.1:7711", "--log-level", level]);
        assert_eq!(outcome(command).code, Some(3), "{level}");
    }
}

// ---- The log --------------------------------------------------------------------------------

#[test]
fn the_log_can_be_for_programs_and_without_addresses() {
    let mut command = chinwag();
    command.args(["--listen=anonymous=127.0.0.1:0", "--log-format=json", "--log-addresses=off"]);
    command.arg("--log-level=debug");
    let mut process = Process::spawn(command);
    let line = process.stderr.waits_for("listening: anonymous on 127.0.0.1:");
    assert!(line.starts_with("{\"time\":\"") && line.ends_with("\"}"), "{line}");
    let address = line.rsplit_once(' ').unwrap().1.trim_end_matches("\"}");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("127.0.0.1"), "the name is an address");
    std::io::Write::write_all(&mut stream, b"he says \"hi\"\n\n").unwrap();
    process.stderr.waits_for("left: -: ");
    process.kill();
    let log = process.stderr.lines_at_the_end();
    for line in log.iter().filter(|line| !line.contains("listening: ")) {
        assert!(!line.contains("127.0.0.1"), "{line}");
    }
    assert!(log.iter().any(|line| line.contains(r#"said: -: he says \"hi\""}"#)), "{log:#?}");
}

// ---- A log that nobody reads ----------------------------------------------------------------

#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let mut command = chinwag();
    command.args(["--listen", "lines=127.0.0.1:0", "--log-level", "debug"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    // The log is closed as soon as it has been read that far.
    let listener = log.lines().map_while(Result::ok).find_map(|line| common::listener(&line));
    let (_, address) = listener.unwrap();
    let mut alice = Person::connect_to(address);
    alice.sees(WELCOME);
    alice.takes_name("alice");
    let mut bob = Person::connect_to(address);
    bob.sees(WELCOME);
    bob.takes_name("bob");
    alice.sees("* bob joined (2 here)");
    alice.says("hi");
    bob.sees("alice: hi");
    bob.says("/quit");
    bob.sees("* Goodbye.");
    alice.sees("* bob left (1 here)");
    assert_eq!(child.try_wait().unwrap(), None, "the server has ended");
    child.kill().unwrap();
    child.wait().unwrap();
}
