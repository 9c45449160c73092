//! The client at a terminal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{PATIENCE, Person, Server, WELCOME};
use crate::screen::Sitter;

const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// A server of which the test says each byte.
struct Puppet(BufReader<TcpStream>);

impl Puppet {
    /// The next client that comes to `listener`.
    fn accept(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(socket))
    }

    fn says(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{expected}\n"));
    }
}

fn puppet_theatre() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server, bob who came by `nc`, and alice at a terminal.
fn alice_and_bob(args: &[&str]) -> (Server, Person, Sitter) {
    let server = Server::start(&["--flood", "0"]);
    let mut bob = Person::join(&server, "bob");
    let alice = Sitter::join(server.address("lines"), "alice", args);
    bob.sees("* alice joined (2 here)");
    (server, bob, alice)
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
    // Each line stands in a row of its own, in order, above the one that is typed.
    let rows = alice.rows();
    let numbers = (0..).map(|line| (16 - (line / 20), 19 - line % 20)).take(23);
    let mut expected: Vec<_> = numbers.map(|(n, line)| format!("bob: {n} and {line}")).collect();
    expected.reverse();
    expected.push("> slowly but surely".to_owned());
    assert_eq!(rows, expected);
    alice.types(&format!("{LEFT}{LEFT}{LEFT}{LEFT}{LEFT}{LEFT}"));
    bob.says("again");
    alice.sees("bob: again");
    alice.sees_input("> slowly but surely", 13);
    alice.says("very ");
    bob.sees("alice: slowly but very surely");
    alice.sees("alice: slowly but very surely");
    alice.sees_input(">", 2);
}

#[test]
fn tab_completes_nicknames_and_commands() {
    let (server, mut bob, mut alice) = alice_and_bob(&[]);
    let _barbara = Person::join(&server, "Barbara");
    bob.sees("* Barbara joined (3 here)");
    alice.sees("* Barbara joined (3 here)");
    bob.says("hi");
    alice.sees("bob: hi");
    alice.types("b\t");
    alice.sees_input("> bob:", 7);
    alice.types("\t");
    alice.sees_input("> Barbara:", 11);
    alice.types("\t");
    alice.sees_input("> bob:", 7);
    alice.types("and BARB\t");
    alice.sees_input("> bob: and Barbara", 19);
    alice.types(&format!("{CTRL_C}/m\t"));
    alice.sees_input("> /me", 6);
    alice.types("\tb\t");
    alice.sees_input("> /msg bob", 11);
}

#[test]
fn tab_completes_in_a_chinese_room() {
    let server = Server::start(&["--lang", "zh"]);
    let mut alice = Sitter::start(server.address("lines"), &["--nick", "alice"], &[]);
    alice.sees("您的昵称是 alice");
    let mut wang = Person::connect(&server);
    wang.sees("* 欢迎来到 chinwag。请输入您的昵称:");
    wang.says("王芳");
    alice.sees("王芳 加入了聊天");
    alice.types("王\t");
    alice.sees_input("> 王芳:", 8);
    alice.says("你好");
    wang.sees_prefix("* ");
    wang.sees("alice: 王芳: 你好");
    wang.says("/msg alice 你好");
    alice.sees("[王芳 -> 你] 你好");
    assert!(alice.cell("[王芳 -> 你]").bold());
}

#[test]
fn what_was_typed_can_be_typed_again() {
    let (_server, mut bob, mut alice) = alice_and_bob(&[]);
    for line in ["one", "two"] {
        alice.says(line);
        bob.sees(&format!("alice: {line}"));
    }
    alice.types(&format!("half{UP}"));
    alice.sees_input("> two", 5);
    alice.types(UP);
    alice.sees_input("> one", 5);
    alice.types(&format!("{DOWN}{DOWN}"));
    alice.sees_input("> half", 6);
    alice.says(UP);
    bob.sees("alice: two");
}

#[test]
fn a_pasted_text_is_said_line_by_line_and_a_tab_in_it_completes_nothing() {
    let (_server, mut bob, mut alice) = alice_and_bob(&[]);
    alice.types("\x1b[200~if:\n\tx\r\n\x07y\x1b[201~");
    bob.sees("alice: if:");
    bob.sees("alice:  x");
    alice.sees_input(">  y", 4);
}

#[test]
fn a_resized_window_shows_the_typed_line_whole() {
    let (_server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let line: String = ('a'..='z').chain('A'..='Z').collect();
    alice.types(&line);
    alice.sees_input(&format!("> {line}"), 54);
    alice.resizes(10, 30);
    // The end of it, and one column for the cursor.
    alice.sees_input(&format!("> {}", &line[52 - 27..]), 29);
    bob.says("hi");
    alice.sees("bob: hi");
    alice.sees_input(&format!("> {}", &line[52 - 27..]), 29);
    alice.types("\x01");
    alice.sees_input(&format!("> {}", &line[..27]), 2);
    alice.resizes(30, 100);
    alice.sees_input(&format!("> {line}"), 2);
    for columns in [1, 2, 3, 4] {
        alice.resizes(5, columns);
    }
    alice.resizes(24, 80);
    alice.says("x");
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
    alice.types(LEFT);
    alice.sees_input("> 你好e\u{301}🦀", 6);
    alice.types("\x7f");
    alice.sees_input("> 你e\u{301}🦀", 4);
    // A wide character that fits into the row by half only is not shown.
    alice.types(CTRL_C);
    alice.resizes(24, 12);
    alice.types(&"好".repeat(9));
    alice.sees_input(&format!("> {}", "好".repeat(4)), 10);
    alice.says("");
    bob.sees(&format!("alice: {}", "好".repeat(9)));
}

#[test]
fn nothing_from_the_server_steers_the_terminal() {
    let (listener, address) = puppet_theatre();
    let alice = Sitter::start(address, &["--no-time", "--no-color"], &[]);
    let mut server = Puppet::accept(&listener);
    server.says(b"bob: \x1b[2J\x1b]0;x\x07\xc2\x9b1mA\rB\x08\x00\xff\r\n\x1b[31m* x\n");
    alice.sees("bob: [2J]0;x1mAB");
    alice.sees("[31m* x");
    assert_eq!(alice.bells(), 0);
    let bytes = alice.bytes();
    for forbidden in [&b"\x1b[2J"[..], b"\x1b]0", b"\x1b[31m", b"A\rB", b"\xc2\x9b"] {
        assert!(!bytes.windows(forbidden.len()).any(|part| part == forbidden), "{forbidden:?}");
    }
}

#[test]
fn a_password_is_not_shown_and_is_given_again_after_a_lost_connection() {
    let (listener, address) = puppet_theatre();
    let mut alice = Sitter::start(address, &["--nick", "alice", "--no-time"], &[]);
    let mut server = Puppet::accept(&listener);
    server.says(b"* What is the password?\n");
    alice.sees("* What is the password?");
    alice.types(&format!("sesXme{LEFT}{LEFT}"));
    alice.sees_input("> ******", 6);
    alice.types("\x7fa\t");
    alice.says(UP);
    server.hears("sesame");
    server.says(b"! That is not the password. Try again.\n");
    alice.sees("! That is not the password.");
    alice.types(UP);
    alice.types("quit");
    alice.sees_input("> ****", 6);
    alice.says("");
    server.hears("quit");
    server.says(format!("* A word before.\n{WELCOME}\n").as_bytes());
    server.hears("alice");
    server.says(b"* You are alice. Here now: alice. Type /help for help.\n");
    alice.sees("* You are alice.");
    alice.types("half a line");
    alice.sees_input("> half a line", 13);
    drop(server);
    let mut server = Puppet::accept(&listener);
    server.says(b"* What is the password?\n");
    server.hears("quit");
    // It has been changed, and the connection is lost while the new one is typed.
    server.says(b"! That is not the password. Try again.\n");
    alice.sees_input("> ***********", 13);
    drop(server);
    alice.sees_input(">", 2);
    for secret in [&b"sesame"[..], b"sesXme", b"> quit"] {
        assert!(!alice.bytes().windows(secret.len()).any(|part| part == secret));
    }
}

#[test]
fn after_a_lost_connection_it_comes_back_with_its_name_and_the_typed_line() {
    let (mut server, _bob, mut alice) = alice_and_bob(&[]);
    let address = server.address("lines");
    alice.types("half a line");
    server.kill();
    alice.sees("* There is no connection. Next try in 1s.");
    alice.sees_input("> half a line", 13);
    alice.types("\r");
    alice.sees("* There is no connection. This is not sent yet.");
    alice.sees("* There is no connection. Next try in 2s.");
    let server = Server::start(&["--listen", &format!("lines={address}")]);
    // The first line of the new connection's.
    let in_again = |rows: Vec<String>| rows.iter().filter(|row| row.contains("* You are")).count();
    alice.waits_for("another welcome", |seen| (in_again(seen.rows()) == 2).then_some(()));
    alice.sees_input("> half a line", 13);
    let mut carol = Person::join(&server, "carol");
    alice.sees("* carol joined (2 here)");
    alice.types("\r");
    carol.sees("alice: half a line");
}

#[test]
fn a_nickname_that_the_lost_connection_still_has_is_tried_again() {
    let (listener, address) = puppet_theatre();
    let mut alice = Sitter::start(address, &["--nick", "alice"], &[]);
    let asks = |server: &mut Puppet| server.says(format!("{WELCOME}\n").as_bytes());
    let welcome = |server: &mut Puppet, name: &str| {
        server.says(format!("* You are {name}. Here now: {name}.").as_bytes());
        server.says(b" Type /help for help.\n");
    };
    let mut server = Puppet::accept(&listener);
    asks(&mut server);
    server.hears("alice");
    welcome(&mut server, "alice");
    server.says(b"* alice is now eve\n");
    alice.sees("* alice is now eve");
    drop(server);
    let mut server = Puppet::accept(&listener);
    asks(&mut server);
    server.hears("eve");
    alice.says("not a nickname");
    alice.sees("This is not sent yet.");
    server.says(b"! The nickname eve is taken. Try another.\n");
    let mut rest = String::new();
    server.0.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "a line must not be taken for a nickname");
    drop(server);
    let mut server = Puppet::accept(&listener);
    asks(&mut server);
    server.hears("eve");
    welcome(&mut server, "eve");
    alice.waits_for("two welcomes", |seen| {
        let welcomes = seen.rows().iter().filter(|row| row.contains("* You are")).count();
        (welcomes == 2).then_some(())
    });
    alice.sees_input("> not a nickname", 16);
    alice.says("");
    server.hears("not a nickname");
}

#[test]
fn a_nickname_is_asked_for_and_asked_for_again() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let variables = [("CHINWAG_NICK", "bob")];
    let mut alice = Sitter::start(server.address("lines"), &[], &variables);
    alice.sees("! The nickname bob is taken. Try another.");
    alice.says("alice");
    bob.sees("* alice joined (2 here)");
    alice.sees("* You are alice. Here now: alice, bob.");
    let mut carol = Sitter::start(server.address("lines"), &[], &[]);
    carol.sees(WELCOME);
    carol.says("carol");
    bob.sees("* carol joined (3 here)");
}

#[test]
fn however_one_leaves_the_server_hears_it_and_the_terminal_is_as_before() {
    for keys in [CTRL_D, "half\x03\x03", "/quit\r", "exit\r", "SIGTERM"] {
        let server = Server::start(&[]);
        let mut bob = Person::join(&server, "bob");
        let mut alice = Sitter::start(server.address("lines"), &[], &[]);
        alice.sees(WELCOME);
        alice.says("alice");
        bob.sees("* alice joined (2 here)");
        alice.sees("* You are alice.");
        assert_ne!(alice.settings(), alice.settings_before, "keys come one by one");
        if keys == "SIGTERM" {
            alice.types("half");
            alice.sees_input("> half", 6);
            let kill = format!("kill -TERM {}", alice.process_id.unwrap());
            assert!(
                std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success()
            );
        } else {
            alice.types(keys);
        }
        bob.sees("* alice left (1 here)");
        assert_eq!(alice.ends(), 0, "{keys:?}");
        assert_eq!(alice.settings(), alice.settings_before, "{keys:?}");
        alice.waits_for("a clean row", |seen| seen.is_ready_for_others().then_some(()));
    }
}

#[test]
fn one_can_leave_while_there_is_no_connection_or_no_answer() {
    let (listener, address) = puppet_theatre();
    let mut alice = Sitter::start(address, &[], &[]);
    let mut server = Puppet::accept(&listener);
    server.says(b"* hi\n");
    alice.sees("* hi");
    alice.types(CTRL_C);
    alice.types(CTRL_C);
    assert_eq!(alice.ends(), 0, "the server does not answer");
    let mut alice = Sitter::start(address, &[], &[]);
    drop((Puppet::accept(&listener), server, listener));
    alice.sees("There is no connection.");
    alice.says("/quit");
    assert_eq!(alice.ends(), 0);
}

#[test]
fn colours_tell_people_and_kinds_of_lines_apart() {
    let (server, mut bob, mut alice) = alice_and_bob(&["--no-time"]);
    let mut carol = Person::join(&server, "carol");
    bob.sees("* carol joined (3 here)");
    bob.says("one");
    alice.sees("bob: one");
    carol.sees("bob: one");
    carol.says("two");
    alice.sees("carol: two");
    bob.sees("carol: two");
    bob.says("hi Alice");
    bob.says("/msg alice psst");
    alice.says("/nope");
    alice.sees("! There is no command");
    alice.sees("bob -> you] psst");
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
}

#[test]
fn there_are_no_colours_if_none_are_wanted() {
    let server = Server::start(&[]);
    let cases = [
        (Some("--no-color"), None, false),
        (None, Some(("NO_COLOR", "1")), false),
        (None, Some(("NO_COLOR", "")), true),
        (None, None, true),
    ];
    for (option, variable, colourful) in cases {
        let (args, variables) = (option.as_slice(), variable.as_slice());
        let mut alice = Sitter::start(server.address("lines"), args, variables);
        alice.sees(WELCOME);
        alice.says("alice");
        alice.sees("* You are alice.");
        let is_coloured = |bytes: &[u8]| {
            bytes.split(|byte| *byte == 0x1b).any(|after| {
                let end = after.iter().position(u8::is_ascii_alphabetic);
                after.first() == Some(&b'[') && end.is_some_and(|end| after[end] == b'm')
            })
        };
        assert_eq!(is_coloured(&alice.bytes()), colourful, "{args:?} {variables:?}");
        alice.types(CTRL_D);
        assert_eq!(alice.ends(), 0);
    }
}

#[test]
fn the_bell_rings_for_what_it_is_to_ring_for() {
    for (bell, rings) in [("off", 0), ("private", 1), ("mention", 2)] {
        let (_server, mut bob, alice) = alice_and_bob(&["--bell", bell]);
        for line in ["hi", "hi alice", "/msg alice psst", "malice"] {
            bob.says(line);
        }
        alice.sees("bob: malice");
        assert_eq!(alice.bells(), rings, "{bell}");
    }
}

#[test]
fn a_line_stands_behind_the_local_time_and_one_of_the_history_too() {
    let server = Server::start(&[]);
    let mut bob = Person::join(&server, "bob");
    let minute = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60;
    let before = minute();
    bob.says("hi");
    let args = ["--nick", "alice"];
    let east = [("TZ", "<+0530>-5:30")];
    let alice = Sitter::start(server.address("lines"), &args, &east);
    alice.sees("bob: hi");
    bob.sees("* alice joined (2 here)");
    bob.says("bye");
    alice.sees("bob: bye");
    let times: Vec<String> = (before..=minute())
        .map(|minute| (minute + 5 * 60 + 30) % (24 * 60))
        .map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60))
        .collect();
    for line in ["bob: hi", "* You are alice.", "bob: bye"] {
        let rows = alice.rows();
        let row = rows.iter().find(|row| row.contains(line)).unwrap();
        let shown = times.iter().any(|time| row.starts_with(&format!("{time} {line}")));
        assert!(shown, "{row:?} stands behind none of {times:?}");
    }
}
