//! The dialect `lines`, row by row of its table in WIRE.md, and the rules that hold in every
//! dialect, as transcripts of what people send to the real server and what they see. What happens
//! past a limit stands in `limits.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{Person, Server, WELCOME, left_by_reset, room};

// ---- Coming in ------------------------------------------------------------------------------

#[test]
fn a_newcomer_is_asked_for_a_name_and_told_who_is_there() {
    let server = Server::start(&[]);
    let mut alice = Person::connect(&server);
    alice.sees("* Welcome to chinwag. What is your nickname?");
    alice.says("alice");
    alice.sees("* You are alice. Here now: alice. Type /help for help.");
    alice.sees_nothing_more();

    let mut carol = Person::join(&server, "carol");
    let mut bob = Person::connect(&server);
    bob.sees(WELCOME);
    bob.says("bob");
    bob.sees("* You are bob. Here now: alice, bob, carol. Type /help for help.");
    bob.sees_nothing_more();

    alice.sees("* carol joined (2 here)");
    alice.sees("* bob joined (3 here)");
    carol.sees("* bob joined (3 here)");
    carol.sees_nothing_more();
}

#[test]
fn a_newcomer_is_told_the_first_twenty_names_and_how_many_more() {
    let server = Server::start(&[]);
    let names: Vec<String> = (0..21).map(|number| format!("member{number:02}")).collect();
    // The last one comes first, so that the order of coming is not the order of the names.
    let _crowd: Vec<Person> = names.iter().rev().map(|name| Person::join(&server, name)).collect();
    let mut zoe = Person::connect(&server);
    zoe.sees(WELCOME);
    zoe.says("zoe");
    let first_twenty = names[..20].join(", ");
    zoe.sees(&format!("* You are zoe. Here now: {first_twenty} and 2 more. Type /help for help."));
}

#[test]
fn the_message_of_the_day_comes_before_the_question() {
    let path = format!("{}/motd.txt", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "The kettle is on.\nMind the ☕ cat.\n").unwrap();
    let server = Server::start(&["--motd", &path]);
    let mut alice = Person::connect(&server);
    alice.sees("* The kettle is on.");
    alice.sees("* Mind the ☕ cat.");
    alice.sees(WELCOME);
    alice.takes_name("alice");
    alice.sees_nothing_more();
}

#[test]
fn whoever_has_not_given_a_name_is_not_in_the_room() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    alice.says("just between us");
    bob.sees("alice: just between us");
    bob.says("/who");
    bob.sees("* 2 here: alice, bob");

    newcomer.says("eve");
    newcomer.sees_prefix("* You are eve. Here now: alice, bob, eve.");
    newcomer.sees_a("the history", |line| without_time(line) == Some("alice: just between us"));
    newcomer.sees_nothing_more();

    // And nobody is told of one who leaves at the question.
    alice.sees("* eve joined (3 here)");
    let mut passer_by = Person::connect(&server);
    passer_by.sees(WELCOME);
    passer_by.half_closes();
    passer_by.sees_eof();
    alice.sees_nothing_more();
}

#[test]
fn telnet_may_negotiate_before_the_name() {
    let server = Server::start(&[]);
    let mut alice = Person::connect(&server);
    alice.sees(WELCOME);
    alice.sends(b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x18\x00xterm\xff\xf0alice\r\n");
    alice.sees("* You are alice. Here now: alice. Type /help for help.");
    alice.sees_nothing_more();
}

// ---- Names ----------------------------------------------------------------------------------

#[test]
fn a_taken_name_is_refused_and_the_question_stays() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    newcomer.says("alice");
    newcomer.sees("! The nickname alice is taken. Try another.");
    newcomer.says("alice");
    newcomer.sees("! The nickname alice is taken. Try another.");
    alice.sees_nothing_more();
    newcomer.takes_name("bob");
    alice.sees("* bob joined (2 here)");
}

#[test]
fn names_that_look_alike_are_one_name() {
    let server = Server::start(&[]);
    let pairs = [
        ("alice", "ALICE"),
        ("Boris", "bORIS"),
        ("ren\u{e9}", "rene\u{301}"),
        ("ΣΑΣ", "σας"),
        ("evan", "\u{435}van"),
        ("mary", "rnary"),
        ("straße", "STRASSE"),
    ];
    for (name, other) in pairs {
        let _first = Person::join(&server, name);
        let mut second = Person::connect(&server);
        second.sees(WELCOME);
        second.says(other);
        second.sees_a(&format!("that {other} is taken as {name} is"), |line| {
            line.starts_with("! The nickname ") && line.ends_with(" is taken. Try another.")
        });
    }
    // Wide letters are no letters of a name at all, so this one is refused whoever is here.
    let _alice = Person::join(&server, "alice");
    let mut wide = Person::connect(&server);
    wide.sees(WELCOME);
    wide.says("\u{ff21}lice");
    wide.sees_a("that it is refused", |line| line.ends_with(" Try another."));
}

#[test]
fn a_name_is_kept_in_its_composed_form() {
    let server = Server::start(&[]);
    let mut rene = Person::connect(&server);
    rene.sees(WELCOME);
    rene.says("rene\u{301}");
    rene.sees("* You are ren\u{e9}. Here now: ren\u{e9}. Type /help for help.");
}

#[test]
fn what_cannot_be_a_name_is_refused_and_the_question_stays() {
    let server = Server::start(&["--flood", "0"]);
    let mut bob = Person::join(&server, "bob");
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    let too_long = "a".repeat(33);
    let refused = [
        "",
        "  ",
        "\t",
        &too_long,
        "two words",
        "-dash",
        ".dot",
        "*",
        "!",
        "[eve]",
        "**eve",
        "eve:",
        "e/ve",
        "eve,",
        "🦀",
        "e\u{7}ve",
        "e\u{1b}[31mve",
        "e\u{85}ve",
        "e\u{200b}ve",
        "e\u{200d}ve",
        "e\u{2028}ve",
        "e\u{202e}ve",
        "e\u{2066}ve",
        "e\u{feff}ve",
        "e\u{e0041}ve",
        "e\u{0}ve",
        "\u{301}eve",
        "e\rve",
    ];
    for name in refused {
        newcomer.says(name);
        newcomer.sees_a(&format!("that {name:?} cannot be a name"), |line| {
            line.starts_with("! ") && line.ends_with("Try another.")
        });
    }
    newcomer.sends(b"e\xc3ve\n");
    newcomer.sees_prefix("! ");
    bob.sees_nothing_more();
    newcomer.takes_name("eve");
    bob.sees("* eve joined (2 here)");
}

#[test]
fn reserved_names_are_refused_in_any_case() {
    let server = Server::start(&[]);
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    for name in ["server", "SYSTEM", "Admin", "root", "You", "系统", "系统消息", "r00t", "server_"]
    {
        newcomer.says(name);
        newcomer.sees_a(&format!("that {name} is refused"), |line| {
            line.starts_with("! ") && line.ends_with("Try another.")
        });
    }
    newcomer.takes_name("servant");
}

#[test]
fn names_of_many_kinds_are_welcome() {
    let server = Server::start(&[]);
    let longest = "a".repeat(32);
    for name in
        ["a", "_eve", "7up", "anne-marie", "j.r.r", "Ελένη", "小明", "محمد", "दिनेश", &longest]
    {
        Person::join(&server, name).closes();
    }
}

#[test]
fn a_name_is_free_again_when_its_owner_has_left() {
    let server = Server::start(&[]);
    let [mut alice, bob] = room(&server, ["alice", "bob"]);
    bob.closes();
    alice.sees("* bob left (1 here)");
    let _bob = Person::join(&server, "Bob");
    alice.sees("* Bob joined (2 here)");
}

#[test]
fn a_new_name_is_told_to_everybody() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/nick eve");
    alice.sees("* alice is now eve");
    bob.sees("* alice is now eve");
    alice.says("hi");
    bob.sees("eve: hi");
    bob.says("/who");
    bob.sees("* 2 here: bob, eve");
    let _other = Person::join(&server, "alice");
    bob.sees("* alice joined (3 here)");
}

#[test]
fn a_new_name_is_judged_as_the_first_one_was() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/nick BOB");
    alice.sees_a("that the name is taken", |line| {
        line.starts_with("! The nickname ") && line.contains(" is taken.")
    });
    for name in ["-dash", "two words", "server", "e\u{202e}ve"] {
        alice.says(&format!("/nick {name}"));
        alice.sees_prefix("! ");
    }
    alice.says("/nick");
    alice.sees("! Usage: /nick NAME");
    alice.says("/nick alice");
    alice.sees("! You are already called alice.");
    bob.sees_nothing_more();
    // One's own name in another form is not taken by somebody else.
    alice.says("/nick Alice");
    alice.sees("* alice is now Alice");
    bob.sees("* alice is now Alice");
}

// ---- Talking --------------------------------------------------------------------------------

#[test]
fn a_line_is_heard_by_all_but_the_speaker() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("hi");
    bob.sees("alice: hi");
    carol.sees("alice: hi");
    bob.says("hi yourself");
    alice.sees("bob: hi yourself");
    carol.sees("bob: hi yourself");
    for person in [&mut alice, &mut bob, &mut carol] {
        person.sees_nothing_more();
    }
}

#[test]
fn everyone_sees_the_same_lines_in_the_same_order() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob, mut carol, mut dave] =
        room(&server, ["alice", "bob", "carol", "dave"]);
    for number in 0..300 {
        alice.says(&format!("{number}"));
        bob.says(&format!("{number}"));
    }
    let heard: Vec<String> = (0..600).map(|_| carol.sees_a_line()).collect();
    for line in &heard {
        dave.sees(line);
    }
    for (listener, talker) in [(&mut bob, "alice: "), (&mut alice, "bob: ")] {
        let lines: Vec<&String> = heard.iter().filter(|line| line.starts_with(talker)).collect();
        assert_eq!(lines.len(), 300);
        for (number, line) in lines.into_iter().enumerate() {
            assert_eq!(*line, format!("{talker}{number}"));
            listener.sees(line);
        }
        listener.sees_nothing_more();
    }
}

#[test]
fn ten_thousand_lines_in_one_write_all_arrive() {
    let server = Server::start(&["--flood", "0", "--backlog", "8M"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let filling = "x".repeat(90);
    let lines: Vec<String> = (0..10_000).map(|number| format!("{number} {filling}")).collect();
    alice.sends(format!("{}\n", lines.join("\n")).as_bytes());
    for line in &lines {
        bob.sees(&format!("alice: {line}"));
    }
    bob.sees_nothing_more();
}

#[test]
fn a_line_is_what_ends_with_a_line_end_however_it_is_sent() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.sends(b"one\ntwo\r\nthr");
    bob.sees("alice: one");
    bob.sees("alice: two");
    bob.sees_nothing_more();
    alice.sends(b"ee\r");
    bob.sees_nothing_more();
    alice.sends(b"\n");
    bob.sees("alice: three");
    alice.sends_byte_by_byte("🦀 says ßö\r\n".as_bytes(), &mut bob);
    bob.sees("alice: 🦀 says ßö");
    bob.sees_nothing_more();
}

#[test]
fn an_empty_or_blank_line_says_nothing() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    for line in ["", "\r", "   ", "\t", "\u{7}", "\u{202e}", "\u{3000}", "\u{3164}", "\u{2800}"] {
        alice.says(line);
    }
    alice.sees_nothing_more();
    bob.sees_nothing_more();
}

#[test]
fn a_line_that_is_heard_is_one_line_in_its_senders_name() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let heard = [
        ("hi\rbob: hi", "hibob: hi"),
        ("hi\u{85}bob: hi", "hibob: hi"),
        ("hi\u{2028}bob: hi", "hibob: hi"),
        ("hi\u{2029}bob: hi", "hibob: hi"),
        ("hi\0bob: hi", "hibob: hi"),
        ("hi\u{b}bob: hi\u{c}", "hibob: hi"),
        ("\u{1b}[31mred\u{1b}]52;c;aGk=\u{7}", "[31mred]52;c;aGk="),
        ("\u{9b}31mred\u{9d}", "31mred"),
        ("a\u{7f}\u{8}b", "ab"),
        ("a\tb", "a\tb"),
        ("\u{202d}a\u{202e}b\u{202c}c\u{2066}d\u{2069}", "abcd"),
        ("\u{feff}a\u{e0041}\u{e007f}b", "ab"),
        ("* bob left (1 here)", "* bob left (1 here)"),
        ("[bob -> you] hi", "[bob -> you] hi"),
        ("bob: hi", "bob: hi"),
        ("👩‍👩‍👧 שלום مرحبا é", "👩‍👩‍👧 שלום مرحبا é"),
    ];
    for (said, seen) in heard {
        alice.says(said);
        bob.sees(&format!("alice: {seen}"));
        alice.says(&format!("/me {said}"));
        bob.sees(&format!("** alice {seen}"));
        alice.says(&format!("/msg bob {said}"));
        alice.sees(&format!("[you -> bob] {seen}"));
        bob.sees(&format!("[alice -> you] {seen}"));
    }
}

#[test]
fn a_line_that_is_not_utf8_is_refused() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    for line in [&b"hi\xc3\n"[..], b"\x80\n", b"\xed\xa0\x80\n", b"\xc0\xaf\n", b"hi \xff\xff\n"] {
        alice.sends(line);
        alice.sees("! That line is not UTF-8 text and was not sent.");
    }
    alice.says("hi");
    bob.sees("alice: hi");
}

#[test]
fn telnet_bytes_are_no_text() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let sent: [&[u8]; 6] = [
        b"h\xff\xfd\x01i\r\n",
        b"\xff\xf4\xff\xfd\x06hi\n",
        b"hi\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0\n",
        // A byte 255 within a subnegotiation is doubled, and its other bytes may be line ends.
        b"hi\xff\xfa\x1f\xff\xff\x0a\x0d\x18\xff\xf0\n",
        b"\xff\xf1hi\xff\xf9\r\n",
        b"hi\xff\xfe\x0a\n",
    ];
    for bytes in sent {
        alice.sends(bytes);
        bob.sees("alice: hi");
    }
    bob.sees_nothing_more();
    for bytes in sent {
        alice.sends_byte_by_byte(bytes, &mut bob);
        bob.sees("alice: hi");
    }
    bob.sees_nothing_more();
}

#[test]
fn me_is_told_as_an_action() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/me waves");
    bob.sees("** alice waves");
    alice.says("/ME waves  twice");
    bob.sees("** alice waves  twice");
    alice.says("/me");
    alice.sees("! Usage: /me TEXT");
    alice.says("/me  ");
    alice.sees("! Usage: /me TEXT");
    alice.sees_nothing_more();
    bob.sees_nothing_more();
}

#[test]
fn two_slashes_say_one() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("//who");
    bob.sees("alice: /who");
    alice.says("///etc/motd");
    bob.sees("alice: //etc/motd");
    alice.sees_nothing_more();
}

#[test]
fn an_unknown_command_is_never_sent_to_others() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/logon alice secret");
    alice.sees("! There is no command /logon. Type /help for help.");
    alice.says("/whoever");
    alice.sees("! There is no command /whoever. Type /help for help.");
    alice.says("/");
    alice.sees_prefix("! ");
    alice.says("/msgs bob hi");
    alice.sees("! There is no command /msgs. Type /help for help.");
    bob.sees_nothing_more();
}

// ---- In private -----------------------------------------------------------------------------

#[test]
fn a_private_message_is_seen_by_two_people() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("/msg bob hi");
    alice.sees("[you -> bob] hi");
    bob.sees("[alice -> you] hi");
    bob.says("/tell alice what is it?");
    bob.sees("[you -> alice] what is it?");
    alice.sees("[bob -> you] what is it?");
    alice.says("/MSG BOB nothing");
    alice.sees("[you -> bob] nothing");
    bob.sees("[alice -> you] nothing");
    carol.says("/history");
    carol.sees("* Nothing has been said yet.");
    for person in [&mut alice, &mut bob, &mut carol] {
        person.sees_nothing_more();
    }
}

#[test]
fn a_private_message_that_cannot_be_sent_is_said_so() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    for (line, answer) in [
        ("/msg zed hi", "! Nobody here is called zed."),
        ("/tell zed hi", "! Nobody here is called zed."),
        ("/msg", "! Usage: /msg NAME TEXT"),
        ("/msg bob", "! Usage: /msg NAME TEXT"),
        ("/msg bob  ", "! Usage: /msg NAME TEXT"),
        ("/msg alice hi", "! You cannot message yourself."),
        ("/reply hi", "! Nobody has messaged you yet."),
        ("/r hi", "! Nobody has messaged you yet."),
    ] {
        alice.says(line);
        alice.sees(answer);
    }
    bob.sees_nothing_more();
}

#[test]
fn a_reply_goes_to_the_last_who_wrote_in_private() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    carol.says("/msg bob one");
    bob.sees("[carol -> you] one");
    alice.says("/msg bob two");
    bob.sees("[alice -> you] two");
    carol.says("not in private");
    bob.sees("carol: not in private");
    bob.says("/reply got it");
    bob.sees("[you -> alice] got it");
    alice.sees("[you -> bob] two");
    alice.sees("carol: not in private");
    alice.sees("[bob -> you] got it");

    // A person stays the same under another name, and another one under the same name does not
    // become that person.
    alice.says("/nick eve");
    bob.sees("* alice is now eve");
    carol.says("/nick alice");
    bob.sees("* carol is now alice");
    bob.says("/r still there?");
    bob.sees("[you -> eve] still there?");
    alice.sees("* alice is now eve");
    alice.sees("* carol is now alice");
    alice.sees("[bob -> you] still there?");

    alice.says("/quit");
    alice.sees("* Goodbye.");
    alice.sees_eof();
    alice.closes();
    bob.sees("* eve left (2 here)");
    bob.says("/reply are you gone?");
    bob.sees_prefix("! ");
    let mut newcomer = Person::join(&server, "eve");
    bob.sees("* eve joined (3 here)");
    bob.says("/reply are you back?");
    bob.sees_prefix("! ");
    newcomer.sees_a("the history", |line| line.ends_with("carol: not in private"));
    newcomer.sees_nothing_more();
    carol.sees("[you -> bob] one");
    carol.sees("* alice is now eve");
    carol.sees("* carol is now alice");
    carol.sees("* eve left (2 here)");
    carol.sees("* eve joined (3 here)");
    carol.sees_nothing_more();
}

#[test]
fn an_ignored_person_is_not_heard() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("/ignore bob");
    alice.sees("* You ignore: bob.");
    bob.says("hi");
    bob.says("/me waves");
    bob.says("/msg alice hi");
    bob.sees("[you -> alice] hi");
    carol.sees("bob: hi");
    carol.sees("** bob waves");
    carol.says("hi bob");
    alice.sees("carol: hi bob");
    alice.says("/reply who are you?");
    alice.sees("! Nobody has messaged you yet.");

    // The other way round nothing changes, and it is the person that is ignored, not the name.
    alice.says("hi all");
    bob.sees("carol: hi bob");
    bob.sees("alice: hi all");
    bob.says("/nick robert");
    alice.sees("* bob is now robert");
    bob.says("and now?");
    bob.sees("* bob is now robert");
    bob.sees_nothing_more();
    alice.sees_nothing_more();

    alice.says("/ignore CAROL");
    alice.sees_a("whom she ignores", |line| {
        matches!(line, "* You ignore: carol, robert." | "* You ignore: robert, carol.")
    });
    alice.says("/unignore carol");
    alice.sees("* You ignore: robert.");
    alice.says("/unignore robert");
    alice.sees("* You ignore nobody.");
    bob.says("and now?");
    alice.sees("robert: and now?");
    alice.sees_nothing_more();
}

#[test]
fn an_ignored_person_leaves_no_name_behind_that_is_not_theirs() {
    let server = Server::start(&[]);
    let [mut alice, mut mallory] = room(&server, ["alice", "mallory"]);
    alice.says("/ignore mallory");
    alice.sees("* You ignore: mallory.");
    mallory.says("/nick carol");
    alice.sees("* mallory is now carol");
    alice.says("/ignore");
    alice.sees("* You ignore: carol.");
    mallory.says("/quit");
    alice.sees("* carol left (1 here)");
    alice.says("/ignore");
    alice.sees("* You ignore: mallory.");

    let mut carol = Person::join(&server, "carol");
    alice.sees("* carol joined (2 here)");
    carol.says("I am another");
    alice.sees("carol: I am another");
    let mut mallory = Person::join(&server, "mallory");
    alice.sees("* mallory joined (3 here)");
    mallory.says("and I am the same");
    carol.sees("* mallory joined (3 here)");
    carol.sees("mallory: and I am the same");
    alice.sees_nothing_more();
}

#[test]
fn whoever_takes_the_name_of_somebody_ignored_is_somebody_else() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("/ignore bob");
    alice.sees("* You ignore: bob.");
    bob.says("/quit");
    alice.sees("* bob left (2 here)");
    carol.sees("* bob left (2 here)");
    alice.says("/nick bob");
    alice.sees("* alice is now bob");
    carol.sees("* alice is now bob");
    alice.says("hi");
    carol.sees("bob: hi");
    alice.says("/ignore");
    alice.sees("* You ignore nobody.");

    // Nor does it help to take the name of somebody who is heard.
    alice.says("/ignore carol");
    alice.sees("* You ignore: carol.");
    alice.says("/nick alice");
    alice.sees("* bob is now alice");
    carol.says("/nick bob");
    alice.sees("* carol is now bob");
    carol.says("do you hear me?");
    carol.says("/msg alice and now?");
    carol.sees("* bob is now alice");
    carol.sees("* carol is now bob");
    carol.sees("[you -> alice] and now?");
    alice.sees_nothing_more();
}

#[test]
fn the_last_words_of_an_ignored_person_are_not_heard() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = room(&server, ["alice", "bob", "carol"]);
    alice.says("/ignore bob");
    alice.sees("* You ignore: bob.");
    bob.says("before that");
    carol.sees("bob: before that");
    bob.says("/nick robert");
    alice.sees("* bob is now robert");
    carol.sees("* bob is now robert");
    bob.says("/quit alice is a fool");
    alice.sees("* robert left (2 here)");
    carol.sees("* robert left: alice is a fool (2 here)");
    alice.says("/history");
    alice.sees("* Nothing has been said yet.");
    carol.says("/quit so long");
    alice.sees("* carol left: so long (1 here)");
    alice.sees_nothing_more();
}

#[test]
fn ignoring_nobody_is_said_so() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    for (line, answer) in [
        ("/ignore", "* You ignore nobody."),
        ("/ignore zed", "! Nobody here is called zed."),
        ("/ignore alice", "! You cannot ignore yourself."),
        ("/unignore bob", "! You do not ignore bob."),
    ] {
        alice.says(line);
        alice.sees(answer);
    }
    bob.says("hi");
    alice.sees("bob: hi");
}

#[test]
fn what_is_longer_than_a_name_can_be_is_nobodys() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/ignore bob");
    alice.sees("* You ignore: bob.");
    // Invisible, so that it still looks like `bob`; and what is 18 times as long when it is folded.
    for (start, rest) in [("bob", "\u{200b}".repeat(200)), ("\u{fdfa}", "\u{fdfa}".repeat(999))] {
        for (line, answer) in [
            (format!("/msg {start}{rest} hi"), "! Nobody here is called "),
            (format!("/ignore {start}{rest}"), "! Nobody here is called "),
            (format!("/unignore {start}{rest}"), "! You do not ignore "),
        ] {
            alice.says(&line);
            alice.sees_prefix(&format!("{answer}{start}"));
        }
    }
    bob.sees_nothing_more();
}

// ---- Asking the server ----------------------------------------------------------------------

#[test]
fn who_is_here_is_told_to_the_asker() {
    let server = Server::start(&[]);
    let [mut carol, mut alice, mut bob] = room(&server, ["carol", "alice", "bob"]);
    for command in ["/who", "/names", "/list", "#", "/WHO", "/Names"] {
        alice.says(command);
        alice.sees("* 3 here: alice, bob, carol");
    }
    bob.sees_nothing_more();
    carol.sees_nothing_more();
}

#[test]
fn who_is_here_names_everybody() {
    let server = Server::start(&[]);
    let names: Vec<String> = (0..30).map(|number| format!("member{number:02}")).collect();
    let mut crowd: Vec<Person> =
        names.iter().rev().map(|name| Person::join(&server, name)).collect();
    let asker = &mut crowd[29];
    asker.says("/who");
    asker.sees(&format!("* 30 here: {}", names.join(", ")));
}

#[test]
fn a_newcomer_sees_what_was_said_last() {
    let server = Server::start(&[]);
    let before = minute_of_the_day();
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    bob.says("hi");
    bob.says("/msg alice psst");
    bob.says("/nick robert");
    alice.sees("bob: hi");
    alice.sees("[bob -> you] psst");
    alice.sees("* bob is now robert");
    alice.says("/me waves");
    bob.sees("[you -> alice] psst");
    bob.sees("* bob is now robert");
    bob.sees("** alice waves");

    let mut carol = Person::join(&server, "carol");
    let first = carol.sees_a("bob's line", |line| without_time(line) == Some("bob: hi"));
    carol.sees_a("alice's action", |line| without_time(line) == Some("** alice waves"));
    carol.sees_nothing_more();

    let after = minute_of_the_day();
    let minute = minute_in(&first).unwrap();
    // Midnight may lie between the two.
    let passed = |minute: u64| (minute + 1440 - before) % 1440;
    assert!(passed(minute) <= passed(after), "{first} at {before} to {after}");
}

#[test]
fn the_history_is_shown_on_request() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("/history");
    alice.sees("* Nothing has been said yet.");
    bob.says("one");
    alice.sees("bob: one");
    alice.says("two");
    bob.sees("alice: two");
    bob.says("three");
    alice.sees("bob: three");
    for (command, seen) in [
        ("/history", &["bob: one", "alice: two", "bob: three"][..]),
        ("/history 20", &["bob: one", "alice: two", "bob: three"]),
        ("/HISTORY 2", &["alice: two", "bob: three"]),
        ("/history 1", &["bob: three"]),
    ] {
        let lines = alice.answers_to(command);
        let lines: Vec<&str> = lines.iter().filter_map(|line| without_time(line)).collect();
        assert_eq!(lines, seen, "{command}");
    }
    for command in ["/history x", "/history -1", "/history 99999999999999999999999"] {
        alice.says(command);
        alice.sees("! Usage: /history [COUNT]");
    }
    bob.sees_nothing_more();
}

#[test]
fn help_names_each_command_once() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    let help = alice.answers_to("/help");
    for line in &help {
        assert!(line.starts_with("* "), "{line}");
    }
    let commands = ["me", "msg", "reply", "nick", "who", "history", "ignore", "unignore", "help"];
    for command in commands.into_iter().chain(["quit"]) {
        let begins = |line: &&String| {
            line.strip_prefix("* /")
                .is_some_and(|rest| rest.split([' ', ',']).next() == Some(command))
        };
        assert_eq!(help.iter().filter(begins).count(), 1, "/{command} in {help:#?}");
    }
    let text = help.join(" ");
    let words: Vec<&str> = text.split([' ', ',', ';', ':', '.', '(', ')', '`', '"']).collect();
    for alias in ["/tell", "/r", "/names", "/list", "#", "&", "/exit"] {
        assert!(words.contains(&alias), "{alias} in {help:#?}");
    }
    assert!(text.contains("//"), "//TEXT in {help:#?}");
    assert_eq!(alice.answers_to("&"), help);
    assert_eq!(alice.answers_to("/HELP"), help);
}

#[test]
fn help_explains_one_command() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    for command in ["/help msg", "/help MSG", "/help /msg"] {
        alice.says(command);
        alice.sees_prefix("* /msg NAME TEXT");
    }
    alice.says("/help nope");
    alice.sees("! There is no command /nope. Type /help for help.");
    alice.sees_nothing_more();
}

// ---- Leaving --------------------------------------------------------------------------------

#[test]
fn whoever_quits_is_told_goodbye_and_the_others_are_told_why() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    for (line, notice) in [
        ("/quit", "* bob left (1 here)"),
        ("/QUIT", "* bob left (1 here)"),
        ("/exit", "* bob left (1 here)"),
        ("quit", "* bob left (1 here)"),
        ("exit\r", "* bob left (1 here)"),
        ("/quit time for tea", "* bob left: time for tea (1 here)"),
        ("/exit time\u{1b}for\rtea", "* bob left: timefortea (1 here)"),
    ] {
        let mut bob = Person::join(&server, "bob");
        alice.sees("* bob joined (2 here)");
        bob.says(line);
        bob.sees("* Goodbye.");
        bob.sees_eof();
        alice.sees(notice);
    }
    alice.sees_nothing_more();
}

#[test]
fn a_line_that_only_begins_with_quit_is_a_line() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    bob.says("quit smoking");
    alice.sees("bob: quit smoking");
    bob.says("exit left");
    alice.sees("bob: exit left");
    bob.sees_nothing_more();
}

#[test]
fn nothing_is_heard_of_what_follows_quit() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    bob.says("bye\n/quit\nstill here?");
    bob.sees("* Goodbye.");
    bob.sees_eof();
    alice.sees("bob: bye");
    alice.sees("* bob left (1 here)");
    alice.sees_nothing_more();
}

#[test]
fn leaving_is_told_once_with_its_reason() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, carol] = room(&server, ["alice", "bob", "carol"]);
    carol.resets();
    let left = format!("* carol {} (2 here)", left_by_reset());
    alice.sees(&left);
    bob.sees(&left);
    bob.closes();
    alice.sees("* bob left (1 here)");
    alice.sees_nothing_more();
}

#[test]
fn a_half_closed_client_is_heard_to_its_last_byte_and_told_what_it_is_owed() {
    let server = Server::start(&[]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Person::connect(&server);
    // As `printf 'bob\nhi\n/who\nbye' | nc` does.
    bob.sends(b"bob\nhi\n/who\nbye");
    bob.half_closes();
    bob.sees(WELCOME);
    bob.sees("* You are bob. Here now: alice, bob. Type /help for help.");
    bob.sees("* 2 here: alice, bob");
    bob.sees_eof();
    alice.sees("* bob joined (2 here)");
    alice.sees("bob: hi");
    alice.sees("bob: bye");
    alice.sees("* bob left (1 here)");
    alice.sees_nothing_more();
}

#[test]
fn a_browser_or_a_tls_client_is_closed_and_nothing_of_it_is_chat() {
    let server = Server::start(&["--flood", "0"]);
    let mut alice = Person::join(&server, "alice");
    let hellos: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: chat\r\n\r\nbob\r\nhi\r\n",
        b"POST / HTTP/1.0\n\nbob\nhi\n",
        b"OPTIONS * HTTP/1.1\r\nbob\r\nhi\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nbob\r\nhi\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nbob\nhi\n",
        b"\x16\x03\x03\x00\x10\x01\x00\x00\x0c\nbob\nhi\n",
        b"CONNECT chat:7711 HTTP/1.1\r\n\r\nbob\r\nhi\r\n",
    ];
    for hello in hellos {
        for pieces in [&[hello][..], &[&hello[..2], &hello[2..]]] {
            let mut browser = Person::connect(&server);
            browser.sees(WELCOME);
            for piece in pieces {
                // The server may well have seen enough after the first one.
                let _ = browser.tries_to_send(piece);
                alice.sees_nothing_more();
            }
            let lines = browser.sees_until_eof();
            assert!(lines.iter().all(|line| line.starts_with("! ")), "{lines:?}");
            assert!(lines.len() < 2, "{lines:?}");
            alice.sees_nothing_more();
        }
    }
}

#[test]
fn the_words_of_http_are_ordinary_elsewhere() {
    let server = Server::start(&[]);
    let [mut get, mut bob] = room(&server, ["GET", "bob"]);
    get.says("GET / HTTP/1.1");
    bob.sees("GET: GET / HTTP/1.1");
    get.sees_nothing_more();
}

#[cfg(unix)]
#[test]
fn everybody_is_told_that_the_server_stops() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let [alice, bob] = room(&server, ["alice", "bob"]);
        let mut newcomer = Person::connect(&server);
        newcomer.sees(WELCOME);
        server.signal(signal);
        for mut person in [alice, bob, newcomer] {
            person.sees("* The server is stopping.");
            person.sees_eof();
        }
        assert_eq!(server.wait(), Some(0), "the exit code after SIG{signal}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_to_outlive_its_terminal_does() {
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg("trap '' HUP; exec \"$0\" \"$@\"").arg(env!("CARGO_BIN_EXE_chinwag"));
    let server = Server::start_as(shell, &[]);
    server.signal("HUP");
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    alice.says("are we still here?");
    bob.sees("alice: are we still here?");
    alice.sees_nothing_more();
}

// ---- Notices of many ------------------------------------------------------------------------

#[test]
fn each_who_joins_or_leaves_is_told_once() {
    let server = Server::start(&["--flood", "0"]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    let names: Vec<String> = (0..8).map(|number| format!("member{number}")).collect();
    let mut crowd: Vec<Person> = names.iter().map(|_| Person::connect(&server)).collect();
    for person in &mut crowd {
        person.sees(WELCOME);
    }
    for (person, name) in crowd.iter_mut().zip(&names) {
        person.says(name);
    }
    let told = sees_notices(&mut alice, "joined", 8, |before, count| before + count);
    assert_eq!(sees_notices(&mut bob, "joined", 8, |before, count| before + count), told);
    assert_eq!(sorted(&told), names);

    for (person, name) in crowd.iter_mut().zip(&names) {
        knows_everybody(person, name, 10);
    }

    // They go by half closing. Else the notices that came in after their last look would turn the
    // end of some into a reset.
    crowd.iter_mut().for_each(Person::half_closes);
    let left = sees_notices(&mut alice, "left", 8, |before, count| before - count);
    assert_eq!(sees_notices(&mut bob, "left", 8, |before, count| before - count), left);
    assert_eq!(sorted(&left), names);
    alice.sees_nothing_more();
    bob.sees_nothing_more();
}

/// Reads notices of this kind until `count` people have been told, checks each notice's number of
/// people in the room by `after`, and returns the names in the order in which they were told.
fn sees_notices(
    person: &mut Person,
    kind: &str,
    count: usize,
    after: impl Fn(usize, usize) -> usize,
) -> Vec<String> {
    let mut here = if kind == "joined" { 2 } else { 2 + count };
    let mut told = Vec::new();
    while told.len() < count {
        let notice = person.sees_notice(kind);
        here = after(here, notice.names.len());
        assert_eq!((notice.here, notice.unnamed), (here, 0), "{notice:?}");
        told.extend(notice.names);
    }
    told
}

/// A newcomer is told of each other one once, on its arrival or later, and not of itself.
fn knows_everybody(newcomer: &mut Person, name: &str, here: usize) {
    let welcome = newcomer.sees_prefix(&format!("* You are {name}. Here now: "));
    let list = welcome.split("Here now: ").nth(1).and_then(|rest| rest.split(". Type ").next());
    let mut known: Vec<String> = list.unwrap().split(", ").map(str::to_owned).collect();
    let mut count = known.len();
    while count < here {
        let notice = newcomer.sees_notice("joined");
        count += notice.names.len() + notice.unnamed;
        known.extend(notice.names);
    }
    let known = sorted(&known);
    assert!(known.windows(2).all(|pair| pair[0] != pair[1]), "{name} is told twice: {known:?}");
    assert_eq!(count, here, "of whom {name} was told: {known:?}");
    newcomer.sees_nothing_more();
}

/// What a turn of the loop is cannot be seen from outside, except where the server is stopped
/// while things happen to it.
#[cfg(target_os = "linux")]
#[test]
fn those_who_join_or_leave_in_one_turn_share_a_notice() {
    let server = Server::start(&["--flood", "0"]);
    let mut alice = Person::join(&server, "alice");
    for (count, unnamed) in [(2, 0), (3, 0), (8, 0), (9, 1), (19, 11)] {
        let mut crowd: Vec<Person> = (0..count).map(|_| Person::connect(&server)).collect();
        for person in &mut crowd {
            person.sees(WELCOME);
        }
        server.pause();
        for (number, person) in crowd.iter_mut().enumerate() {
            person.says(&format!("member{number}"));
        }
        server.awaits_arrival_at(count);
        server.resume();
        sees_one_notice(&mut alice, "joined", count - unnamed, unnamed, count + 1);
        for (number, person) in crowd.iter_mut().enumerate() {
            knows_everybody(person, &format!("member{number}"), count + 1);
        }
        server.pause();
        drop(crowd);
        server.awaits_arrival_at(count);
        server.resume();
        sees_one_notice(&mut alice, "left", count - unnamed, unnamed, 1);
        alice.sees_nothing_more();
    }
}

#[cfg(target_os = "linux")]
fn sees_one_notice(person: &mut Person, kind: &str, named: usize, unnamed: usize, here: usize) {
    let notice = person.sees_notice(kind);
    let counts = (notice.names.len(), notice.unnamed, notice.here);
    assert_eq!(counts, (named, unnamed, here), "{notice:?}");
    let names = sorted(&notice.names);
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is told twice: {names:?}");
}

// ---- Language and log -----------------------------------------------------------------------

#[test]
fn the_phrases_are_chinese_on_request_and_the_forms_stay() {
    let server = Server::start(&["--lang", "zh"]);
    let in_chinese = |line: &str| line.chars().any(|c| ('\u{4e00}'..'\u{a000}').contains(&c));
    let mut alice = Person::connect(&server);
    alice.sees_a("a Chinese question", |line| line.starts_with("* ") && in_chinese(line));
    alice.says("server");
    alice.sees_a("a Chinese refusal", |line| line.starts_with("! ") && in_chinese(line));
    alice.says("alice");
    alice.sees_a("a Chinese welcome", |line| line.starts_with("* ") && in_chinese(line));
    let mut bob = Person::connect(&server);
    bob.says("bob\nhi\n/me 挥手");
    alice.sees_a("a Chinese notice", |line| {
        line.starts_with("* ") && line.contains("bob") && in_chinese(line)
    });
    alice.sees("bob: hi");
    alice.sees("** bob 挥手");
    alice.says("/nope");
    alice.sees_a("a Chinese answer", |line| {
        line.starts_with("! ") && line.contains("/nope") && in_chinese(line)
    });
}

#[cfg(unix)]
#[test]
fn the_log_holds_what_people_do_and_not_what_they_say() {
    let mut server = Server::start(&[]);
    let [mut alice, mut bob] = room(&server, ["alice", "bob"]);
    bob.says("a secret word");
    alice.sees("bob: a secret word");
    bob.says("/msg alice a secret whisper");
    alice.sees("[bob -> you] a secret whisper");
    bob.sees("[you -> alice] a secret whisper");
    bob.says("/quit \u{1b}]0;bye\u{9b}31m");
    alice.sees("* bob left: ]0;bye31m (1 here)");
    alice.closes();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let log = server.log().lines_at_the_end();
    let told = |part: &str| log.iter().any(|line| line.contains(part));
    assert!(told("alice") && told("]0;bye31m"), "{log:#?}");
    assert!(!told("secret"), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains(char::is_control)), "{log:#?}");
}

#[cfg(unix)]
#[test]
fn the_log_holds_no_control_character_at_any_level() {
    let mut server = Server::start(&["--log-level", "debug"]);
    let mut alice = Person::connect(&server);
    alice.sees(WELCOME);
    alice.sends(b"\x1b[31m\x07alice\n");
    alice.sees_prefix("! ");
    alice.sends(b"\x1b]52;c;aGk=\x07 \xff\xff\xc2\x9b\n");
    alice.sees_prefix("! ");
    alice.takes_name("alice");
    alice.says("a loud word \u{1b}[2J\u{9b}2J\u{202e}");
    alice.says("/nope\u{1b}[2J");
    alice.sees_prefix("! There is no command /nope");
    server.terminate();
    alice.sees("* The server is stopping.");
    alice.closes();
    assert_eq!(server.wait(), Some(0));
    let log = server.log().lines_at_the_end();
    assert!(log.iter().any(|line| line.contains("a loud word")), "{log:#?}");
    let bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!log.iter().any(|line| line.contains(bad)), "{log:#?}");
}

// ---- Helpers --------------------------------------------------------------------------------

/// A line of the history without its `[HH:MM] `, if it has one.
fn without_time(line: &str) -> Option<&str> {
    minute_in(line).map(|_| &line["[HH:MM] ".len()..])
}

/// The minute of the day that a line of the history tells.
fn minute_in(line: &str) -> Option<u64> {
    let (hour, minute) = line.strip_prefix('[')?.split_once("] ")?.0.split_once(':')?;
    let number = |digits: &str| digits.parse().ok().filter(|_| digits.len() == 2);
    let (hour, minute): (u64, u64) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The minute of the day in UTC.
fn minute_of_the_day() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since_1970.as_secs() / 60 % 1440
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}
