//! Hazards of what is said: 19 to 25 and 29.

use super::crowd::{Sender, Stranger, TCP_DIALECTS};
use crate::common::{DIALECTS, Person, Server, WELCOME, room};

/// Every character that must reach nobody, but for LF.
fn forbidden() -> impl Iterator<Item = char> {
    ('\0'..='\u{10ffff}').filter(|c| is_forbidden(*c) && *c != '\n')
}

/// From the section "Text" of HAZARDS.md.
fn is_forbidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x08' | '\x0a'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// What came over a wire is UTF-8 and holds nothing that is forbidden but the ends of its lines.
#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = text.replace("\r\n", "\n");
    if let Some(at) = text.find(|c| is_forbidden(c) && c != '\n') {
        panic!("{what}: {:?}", text[at..].chars().take(40).collect::<String>());
    }
}

/// A room with somebody in each dialect, whose bytes are looked at in the end.
struct House {
    server: Server,
    /// In `lines`; she sees all that happens.
    alice: Person,
    /// With their dialects and their names.
    strangers: Vec<(&'static str, String, Stranger)>,
    sender: Sender,
}

impl House {
    #[track_caller]
    fn open() -> Self {
        let args = ["--flood=0", "--log-level=debug"];
        let server = Server::start_with_listeners(&DIALECTS, &args);
        let mut alice = Person::join(&server, "alice");
        let mut strangers = Vec::new();
        for dialect in TCP_DIALECTS {
            let (stranger, name) =
                Stranger::enters(&server, dialect, &format!("at_{dialect}"), &mut alice);
            strangers.push((dialect, name, stranger));
        }
        let sender = Sender::to(server.address("datagram"));
        sender.sends(b"dora");
        alice.sees("* dora joined (7 here)");
        Self { server, alice, strangers, sender }
    }

    /// Somebody in each dialect in turn says `text`, and alice sees it as `seen`.
    #[track_caller]
    fn everyone_says(&mut self, text: &[u8], seen: &str) {
        for (dialect, name, stranger) in &mut self.strangers {
            stranger.sends(&ended(dialect, text));
            self.alice.sees(&format!("{name}: {seen}"));
        }
        self.sender.sends(text);
        self.alice.sees(&format!("dora: {seen}"));
    }

    /// Nothing that is forbidden has come to anyone, nor to the log, and the server lives.
    #[track_caller]
    fn ends_clean(mut self) {
        self.alice.says("the end");
        for (dialect, _, mut stranger) in self.strangers {
            stranger.waits_for("the end");
            stranger.half_closes();
            assert_clean(dialect, &stranger.reads_to_the_end().0);
            self.alice.sees_prefix("* ");
        }
        let came = self.sender.has_received();
        assert!(!came.is_empty());
        for datagram in came {
            assert_clean("datagram", &datagram);
            assert!(!datagram.contains(&b'\n'));
        }
        self.alice.sees_nothing_more();
        #[cfg(unix)]
        {
            self.server.terminate();
            assert_eq!(self.server.wait(), Some(0));
            assert_clean("log", self.server.log().lines_at_the_end().join("\n").as_bytes());
        }
        drop(self.server);
    }
}

/// A message as it is sent in a dialect over TCP.
fn ended(dialect: &str, text: &[u8]) -> Vec<u8> {
    let end = match dialect {
        "lines" | "anonymous" => &b"\n"[..],
        _ => b"",
    };
    [text, end].concat()
}

/// 19, 29
#[test]
fn an_emoji_in_pieces_arrives_whole_at_every_door() {
    let mut house = House::open();
    let crab = "a crab: 🦀!".as_bytes();
    for (dialect, name, stranger) in &mut house.strangers {
        for split in 0..=crab.len() {
            let (first, rest) = crab.split_at(split);
            // Without an end, a message ends with its arrival, unless a character is cut.
            let unframed = !["lines", "anonymous"].contains(dialect);
            if unframed && (std::str::from_utf8(first).is_ok() || rest.is_empty()) {
                continue;
            }
            stranger.sends(first);
            // So the server has read it. (Alice is asked nothing that others receive.)
            house.alice.sees_nothing_more();
            stranger.sends(&ended(dialect, rest));
            house.alice.sees(&format!("{name}: a crab: 🦀!"));
        }
        if let "lines" | "anonymous" = *dialect {
            for byte in ended(dialect, crab) {
                house.alice.sees_nothing_more();
                stranger.sends(&[byte]);
            }
            house.alice.sees(&format!("{name}: a crab: 🦀!"));
        }
    }
    house.ends_clean();
}

/// 20
#[test]
fn what_is_not_utf8_is_refused_at_every_door_and_reaches_nobody() {
    let mut house = House::open();
    for bytes in [&b"hi\xfe"[..], b"\x80", b"\xed\xa0\x80 hi", b"\xc0\xaf", b"hi \xf5\x80\x80\x80"]
    {
        for (dialect, _, stranger) in &mut house.strangers {
            stranger.sends(&ended(dialect, bytes));
            stranger.waits_for("UTF-8");
            house.alice.sees_nothing_more();
        }
        // Over UDP there is no answer, for it could go to somebody else.
        house.sender.sends(bytes);
    }
    house.everyone_says(b"hi", "hi");
    house.ends_clean();
}

/// 21, 22, 23
#[test]
fn nothing_steers_a_terminal_or_breaks_or_turns_a_line_at_any_door() {
    let mut house = House::open();
    let all: String = forbidden().collect();
    let said = [
        ("\x1b[2J\x1b[31mred\x1b]52;c;aGk=\x07", "[2J[31mred]52;c;aGk="),
        ("\u{9b}31mred\u{9d}52;c;aGk=\u{9c}", "31mred52;c;aGk="),
        ("hi\ralice: hi", "hialice: hi"),
        ("hi\x0b\x0c\u{85}\u{2028}\u{2029}\0alice: hi", "hialice: hi"),
        ("\u{202e}txt.exe\u{202c} \u{2066}x\u{2069}", "txt.exe x"),
        ("a\tb", "a\tb"),
        ("\t\tif x {", "\t\tif x {"),
        ("👩‍👩‍👧 🏳️‍🌈 שלום مرحبا می‌خواهم é", "👩‍👩‍👧 🏳️‍🌈 שלום مرحبا می‌خواهم é"),
    ];
    for (text, seen) in said {
        house.everyone_says(text.as_bytes(), seen);
    }
    house.everyone_says(format!("a{all}b").as_bytes(), "ab");
    // What is empty after that says nothing; at `anonymous`, as any blank line, it leaves.
    for (dialect, _, stranger) in &mut house.strangers {
        if *dialect != "anonymous" {
            stranger.sends(&ended(dialect, "\x1b\u{202e}".as_bytes()));
        }
        house.alice.sees_nothing_more();
    }
    // Private messages and what is done; a refusal repeats what was refused.
    let (_, _, bob) = &mut house.strangers[0];
    for line in ["/me \x1b[2J", "/\x1b[2J", "/msg \x1b[2J hi", "/nick \x1b[2J", "/ignore \u{9b}"] {
        bob.sends(format!("{line}\n").as_bytes());
    }
    bob.sends(format!("/msg at_nick {all}psst\n").as_bytes());
    bob.waits_for("[you -> at_nick] psst\n");
    house.strangers[1].2.waits_for("psst");
    house.alice.sees("** at_lines [2J");
    house.everyone_says(b"hi", "hi");
    house.ends_clean();
}

/// 56: what ends a line stands in a row of its own nowhere, and covers no other line.
#[test]
fn no_line_has_a_gap_that_fills_a_row_nor_a_pile_of_marks_at_any_door() {
    let mut house = House::open();
    let indented = |indent: usize| format!("{}if x {{", " ".repeat(indent));
    house.everyone_says(indented(32).as_bytes(), &indented(32));
    house.everyone_says(indented(200).as_bytes(), &indented(32));
    let forged = "alice: I resign";
    for (blank, count) in [
        (" ", 8),
        ("\t", 1),
        ("\u{a0}", 8),
        ("\u{2003}", 8),
        ("\u{3000}", 4),
        ("\u{3164}", 4),
        ("\u{2800}", 8),
    ] {
        let gap = |count| format!("x{}{forged}", blank.repeat(count));
        house.everyone_says(gap(count).as_bytes(), &gap(count));
        house.everyone_says(gap(72).as_bytes(), &gap(count));
    }
    let unseen = format!("x{}{forged}", "        \u{200b}".repeat(9));
    let seen = format!("x        {}{forged}", "\u{200b}".repeat(4));
    house.everyone_says(unseen.as_bytes(), &seen);
    let piled = |count| format!("a{}b", "\u{301}".repeat(count));
    house.everyone_says(piled(4).as_bytes(), &piled(4));
    house.everyone_says(piled(99).as_bytes(), &piled(4));
    for blank in ["\u{3164}", "\u{2800} \u{200b}", "\t\u{115f}\u{ffa0}"] {
        for (dialect, _, stranger) in &mut house.strangers {
            if *dialect != "anonymous" {
                stranger.sends(&ended(dialect, blank.as_bytes()));
            }
            house.alice.sees_nothing_more();
        }
    }
    let mut bob = Person::join(&house.server, "bob");
    house.alice.sees_prefix("* bob joined");
    bob.says(&format!("/me x{}{forged}", " ".repeat(72)));
    house.alice.sees(&format!("** bob x        {forged}"));
    bob.says(&format!("/msg alice x{}{forged}", " ".repeat(72)));
    house.alice.sees(&format!("[bob -> you] x        {forged}"));
    bob.says(&format!("/quit x{}{forged}", " ".repeat(72)));
    house.alice.sees(&format!("* bob left: x        {forged} (7 here)"));
    let mut carol = Person::join(&house.server, "carol");
    house.alice.sees_prefix("* carol joined");
    carol.says("/quit \u{3164}");
    house.alice.sees("* carol left (7 here)");
    house.ends_clean();
}

/// 21, 22: a name is refused where it can be asked for again, and replaced elsewhere.
#[test]
fn nobody_is_called_by_what_steers_a_terminal_or_turns_a_line() {
    let mut house = House::open();
    let names = [
        "\x1b[31mmallory",
        "mal\u{9b}lory",
        "mal\u{7}lory",
        "mal\u{202e}lory",
        "mal\u{2066}lory",
        "mal\u{200b}lory",
        "mal\u{200d}lory",
        "\u{feff}mallory",
        "mal\u{e0041}lory",
        "mal\rlory",
        "mal\u{2028}lory",
        "mal\u{ad}lory",
        "mal lory",
    ];
    for name in names {
        let mut bob = Stranger::connect(house.server.address("lines"));
        bob.waits_for("nickname?\n");
        bob.sends(format!("{name}\n").as_bytes());
        bob.waits_for("Try another.\n");
        bob.half_closes();
        assert_clean(name, &bob.reads_to_the_end().0);
        let mut rosa = Stranger::connect(house.server.address("register"));
        rosa.waits_for("请输入昵称:");
        rosa.sends(name.as_bytes());
        rosa.waits_for("请输入昵称:");
        rosa.half_closes();
        assert_clean(name, &rosa.reads_to_the_end().0);
        house.alice.sees_nothing_more();
        for dialect in ["nick", "mention"] {
            let mut stranger = Stranger::connect(house.server.address(dialect));
            if dialect == "nick" {
                stranger.waits_for("NICK");
            }
            let mark = if dialect == "nick" { "" } else { "!" };
            stranger.sends(format!("{mark}{name}").as_bytes());
            house.alice.sees("* guest_1 joined (8 here)");
            stranger.half_closes();
            assert_clean(name, &stranger.reads_to_the_end().0);
            house.alice.sees("* guest_1 left (7 here)");
        }
        let sender = Sender::to(house.server.address("datagram"));
        sender.sends(name.as_bytes());
        house.alice.sees("* guest_1 joined (8 here)");
        sender.sends(b"exit");
        house.alice.sees("* guest_1 left (7 here)");
    }
    house.ends_clean();
}

/// 24
#[test]
fn telnet_may_interrupt_anything_anywhere() {
    let server = Server::start(&["--flood", "0", "--history", "0"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Person::connect(&server);
    bob.sees(WELCOME);
    // What a telnet client sends by itself comes even in the middle of a name, or of a character.
    let pieces: [&[u8]; 4] = [
        b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x0a\xff\xf0bo\xff\xfd\x01b\r\n",
        b"h\xff\xf4\xff\xfd\x06i \xf0\xff\xf1\x9f\xa6\xff\xfd\x01\x80\r\n",
        b"/me\xff\xf9 waves\xff\xfe\x0a\r\n",
        b"\xff\xff\r\n",
    ];
    let seen = ["* bob joined (2 here)", "bob: hi 🦀", "** bob waves"];
    for byte_by_byte in [false, true] {
        for (number, bytes) in pieces.iter().enumerate() {
            if byte_by_byte {
                bob.sends_byte_by_byte(bytes, &mut alice);
            } else {
                bob.sends(bytes);
            }
            match number {
                0 => {
                    bob.sees_prefix("* You are bob. ");
                    alice.sees(seen[0]);
                }
                3 => {
                    bob.sees("! That line is not UTF-8 text and was not sent.");
                }
                _ => {
                    alice.sees(seen[number]);
                }
            }
        }
        bob.half_closes();
        bob.sees_eof();
        alice.sees("* bob left (1 here)");
        bob = Person::connect(&server);
        bob.sees(WELCOME);
    }
}

/// 25
#[test]
fn a_browser_or_a_tls_client_is_closed_at_every_door_and_nothing_of_it_is_chat() {
    let hellos: [&[u8]; 4] = [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\nmallory\r\nhi\r\n",
        b"GET /?\nmallory\nhi HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nmallory\nhi\n",
        b"OPTIONS * HTTP/1.1\r\nOrigin: x\r\n\r\nmallory\nhi\n",
    ];
    let server = Server::start_with_listeners(&TCP_DIALECTS, &["--flood=0"]);
    let mut alice = Person::join(&server, "alice");
    for dialect in TCP_DIALECTS {
        for hello in hellos {
            let mut browser = Stranger::connect(server.address(dialect));
            // At `anonymous` whoever comes is in the room, whatever it turns out to be.
            if dialect == "anonymous" {
                alice.sees_prefix("* 127.0.0.1:");
            }
            browser.tries_to_send(hello);
            let (seen, _) = browser.reads_to_the_end();
            assert!(!String::from_utf8_lossy(&seen).contains("mallory"));
            if dialect == "anonymous" {
                let left = alice.sees_prefix("* 127.0.0.1:");
                assert!(left.contains(" left"), "{left:?}");
            }
            alice.sees_nothing_more();
        }
    }
}

/// 29: two messages in one arrival, and who speaks before it is asked to.
#[test]
fn unframed_messages_that_meet_are_two_and_one_that_is_cut_is_one() {
    let server = Server::start_with_listeners(&TCP_DIALECTS, &["--flood=0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let mut strangers = Vec::new();
    for dialect in ["nick", "register", "mention"] {
        let (mut stranger, name) =
            Stranger::enters(&server, dialect, &format!("at_{dialect}"), &mut alice);
        bob.sees_prefix(&format!("* {name} joined"));
        stranger.sends(b"one\ntwo\r\nthree");
        for text in ["one", "two", "three"] {
            alice.sees(&format!("{name}: {text}"));
            bob.sees(&format!("{name}: {text}"));
        }
        // Frames that go out together are apart, in whatever number of reads they come.
        alice.sends(b"four\nfive\n");
        bob.sees("alice: four");
        bob.sees("alice: five");
        stranger.waits_for("four\n");
        stranger.waits_for("five");
        let crab = "🦀".as_bytes();
        stranger.sends(&crab[..2]);
        bob.sees_nothing_more();
        stranger.sends(&crab[2..]);
        alice.sees(&format!("{name}: 🦀"));
        bob.sees(&format!("{name}: 🦀"));
        strangers.push(stranger);
    }
    alice.sees_nothing_more();
    bob.sees_nothing_more();
}
