//! IRC, as its clients know it: transcripts of what they send to the real server and what they see.
//! Real clients come in `irc_clients.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "irc/answers.rs"]
mod answers;
#[path = "irc/client.rs"]
mod client;
mod common;
#[path = "irc/details.rs"]
mod details;
#[path = "irc/playback.rs"]
mod playback;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::Irc;
use common::{Folder, Person, Server};

fn server(args: &[&str]) -> Server {
    Server::start_with_listeners(&["irc", "lines"], args)
}

/// What somebody sees who asks for something, one line after the other.
#[track_caller]
fn dialogue(client: &mut Irc, exchanges: &[(&str, &[&str])]) {
    for (asked, expected) in exchanges {
        assert_eq!(client.answers(asked), *expected, "{asked}");
    }
}

#[test]
fn whoever_comes_is_told_all_that_clients_want_to_know_in_order() {
    let server = server(&["--motd", "README.md"]);
    let mut client = Irc::connects(&server);
    client.says("JOIN :");
    client.sees("451 * :You have not registered");
    client.says("NICK al");
    client.says("USER al 0 * :Al");
    let told = client.sees_until(" 221 ");
    let numbers = told.iter().map(|line| line.split(' ').nth(1).unwrap());
    let mut numbers: Vec<_> = numbers.collect();
    numbers.dedup();
    let expected = "001 002 003 004 005 251 252 253 254 255 265 266 375 372 376 221";
    assert_eq!(numbers.join(" "), expected);
    assert!(told.iter().all(|line| line.split(' ').nth(2) == Some("al")), "{told:?}");
    for line in told.iter().filter(|line| line.contains(" 005 ")) {
        assert!(line.split(' ').count() <= 3 + 13 + 5, "13 tokens at most: {line}");
    }
    let mut other = Irc::connects(&server);
    other.says("NICK AL");
    other.sees("433 * AL :Nickname is already in use");
    other.says("NICK a{b");
    assert!(other.next().unwrap().starts_with(":irc.chinwag 432 * a{b :"));
    other.says("NICK");
    other.sees("431 * :No nickname given");
    other.says("USER a b c");
    other.sees("461 * USER :Not enough parameters");
    other.says("USER a b c :");
    other.sees("461 * USER :Not enough parameters");
    other.says("USER bo 0 * :Bo");
    other.says("NICK bo");
    assert!(other.next().unwrap().contains(" 001 bo :"));
}

#[test]
fn capabilities_are_negotiated_before_somebody_comes_in_and_later() {
    let server = server(&[]);
    let mut client = Irc::connects(&server);
    client.says("CAP LS 302");
    let all = client.next().unwrap();
    assert!(all.starts_with(":irc.chinwag CAP * LS :server-time message-tags "), "{all}");
    assert!(!all.contains("sasl"), "there are no accounts: {all}");
    client.says("NICK al");
    client.says("USER al 0 * :Al");
    for (asked, answer) in [
        ("CAP REQ :batch nonsense", "CAP * NAK :batch nonsense"),
        ("CAP LIST", "CAP * LIST :cap-notify"),
        ("CAP REQ :batch  echo-message ", "CAP * ACK :batch  echo-message "),
        ("CAP REQ :-batch", "CAP * ACK :-batch"),
        ("CAP FOO", "410 * FOO :Invalid CAP command"),
        ("CAP LIST", "CAP * LIST :echo-message cap-notify"),
    ] {
        client.says(asked);
        client.sees(answer);
    }
    client.says("CAP END");
    assert!(client.next().unwrap().contains(" 001 al "));
    client.sees_until(" 221 ");
    dialogue(
        &mut client,
        &[
            ("CAP REQ :server-time", &["CAP al ACK :server-time"]),
            ("CAP END", &[]),
            ("CAP LIST", &["CAP al LIST :server-time echo-message cap-notify"]),
        ],
    );
}

#[test]
fn a_channel_is_a_room_in_which_all_sit_whatever_they_came_with() {
    let server = server(&[]);
    let mut lena = Person::join(&server, "lena");
    let mut al = Irc::comes(&server, "al");
    assert_eq!(
        al.answers("JOIN #lobby"),
        [":al!al@host JOIN #lobby", "353 al = #lobby :al lena", "366 al #lobby :End of NAMES list"]
    );
    lena.sees("* al joined (2 here)");
    lena.says("hello");
    al.sees(":lena!lines@host PRIVMSG #lobby :hello");
    lena.says("/me waves");
    al.sees(":lena!lines@host PRIVMSG #lobby :\x01ACTION waves\x01");
    al.says("PRIVMSG #lobby :\x02bold\x02 and \x0304,12red\x03");
    lena.sees("al: bold and red");
    al.says("PRIVMSG #lobby :\x01ACTION nods\x01");
    lena.sees("** al nods");
    al.says("NOTICE lena :psst");
    lena.sees("[al -> you] psst");
    lena.says("/msg al yes?");
    lena.sees("[you -> al] yes?");
    al.sees(":lena!lines@host PRIVMSG al :yes?");
    al.says("PRIVMSG lena :\x01VERSION\x01");
    al.says("PRIVMSG #lobby :\x01PING 1\x01");
    al.sees("404 al #lobby :CTCP goes from one client to another only");
    al.says("NICK albert");
    al.sees(":al!al@host NICK albert");
    lena.sees("* al is now albert");
    lena.says(&"é".repeat(400));
    let first = al.next().unwrap();
    let second = al.next().unwrap();
    let said = |line: &str| line.split_once(" :").unwrap().1.chars().count();
    assert_eq!(said(&first) + said(&second), 400, "{first} {second}");
    al.says("PART #lobby :to work");
    al.sees(":albert!al@host PART #lobby :to work");
    lena.sees("* albert left: to work (1 here)");
    al.joins("#lobby");
    lena.sees("* albert joined (2 here)");
    lena.says("/quit bye");
    lena.sees("* Goodbye.");
    al.sees(":lena!lines@host QUIT :Quit: bye");
    al.says("QUIT :so long");
    al.sees("ERROR :Closing link: Quit");
    assert_eq!(al.next(), None);
}

#[test]
fn nothing_is_told_of_somebody_after_they_have_quit() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#lobby");
    al.joins("#ops");
    let mut lena = Person::join(&server, "lena");
    al.sees(":lena!lines@host JOIN #lobby");
    lena.says("/join #ops");
    al.sees(":lena!lines@host PART #lobby");
    al.sees(":lena!lines@host JOIN #ops");
    // In one turn, so that what is told at its end is told for two rooms.
    lena.says("/join #lobby\n/join #ops\n/quit bye");
    let told = al.sees_until(" QUIT ");
    let parts = told.iter().filter(|line| line.contains(" PART "));
    assert_eq!(parts.count(), 2, "{told:?}");
    al.says("PING now");
    al.sees("PONG irc.chinwag :now");
}

#[test]
fn what_cannot_be_done_has_a_number() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    bo.joins("#his");
    al.joins("#hers");
    dialogue(
        &mut al,
        &[
            ("", &[]),
            ("NONSENSE", &["421 al NONSENSE :Unknown command"]),
            ("JOIN", &["461 al JOIN :Not enough parameters"]),
            ("JOIN :", &["461 al JOIN :Not enough parameters"]),
            ("JOIN lid", &["403 al lid :No such channel"]),
            ("JOIN #a!b", &["476 al #a!b :That cannot be the name of a channel"]),
            ("JOIN #hers", &[]),
            ("PART #none", &["403 al #none :No such channel"]),
            ("PART #his", &["442 al #his :You are not on that channel"]),
            ("TOPIC #his :x", &["442 al #his :You are not on that channel"]),
            ("KICK #his bo", &["442 al #his :You are not on that channel"]),
            ("KICK #hers bo", &["441 al bo #hers :They are not on that channel"]),
            ("KICK #hers nobody", &["401 al nobody :No such nick"]),
            ("INVITE nobody #hers", &["401 al nobody :No such nick"]),
            ("INVITE bo #his", &["442 al #his :You are not on that channel"]),
            ("MODE #none", &["403 al #none :No such channel"]),
            ("MODE #hers +z", &["472 al z :is an unknown mode"]),
            ("MODE #hers +l x", &["696 al #hers l x :This mode needs another parameter"]),
            ("MODE #hers +k", &["696 al #hers k * :This mode needs another parameter"]),
            ("MODE #hers +k a,b", &["525 al #hers :That cannot be a key"]),
            ("MODE bo", &["502 al :These are the modes of somebody else"]),
            ("MODE nobody", &["401 al nobody :No such nick"]),
            ("MODE al +x", &["501 al :Unknown user mode"]),
            ("PRIVMSG", &["411 al :No recipient given"]),
            ("PRIVMSG bo", &["412 al :No text to send"]),
            ("PRIVMSG bo :", &["412 al :No text to send"]),
            ("PRIVMSG nobody :x", &["401 al nobody :No such nick"]),
            ("PRIVMSG #none :x", &["403 al #none :No such channel"]),
            ("PRIVMSG #his :x", &["404 al #his :Cannot send to channel"]),
            ("NOTICE nobody :x", &[]),
            ("NOTICE #his :x", &[]),
            ("NOTICE", &[]),
            ("PING", &["409 al :No origin specified"]),
            ("NICK", &["431 al :No nickname given"]),
            ("NICK bo", &["433 al bo :Nickname is already in use"]),
            ("NICK al", &[]),
            ("USER a b c d", &["462 al :You are registered already"]),
            ("PASS x", &["462 al :You are registered already"]),
            ("WHOIS nobody", &["401 al nobody :No such nick", "318 al nobody :End of WHOIS list"]),
            ("WHOIS", &["431 al :No nickname given"]),
            (
                "WHOWAS nobody",
                &["406 al nobody :There was no such nickname", "369 al nobody :End of WHOWAS"],
            ),
            ("OPER al x", &["491 al :There are no operators with passwords here"]),
            ("KILL bo :x", &["481 al :Only an operator of the server may do that"]),
            ("WALLOPS x", &["481 al :Only an operator of the server may do that"]),
            ("HELP nonsense", &["524 al nonsense :There is no help for that"]),
        ],
    );
    al.sends(b"PRIVMSG bo :\xff\r\n");
    al.sees("FAIL PRIVMSG INVALID_UTF8 :Messages must be UTF-8");
    al.says(&"x".repeat(511));
    al.sees("417 al :Input line was too long");
    al.says(&format!("@a={} PING 1", "x".repeat(4094)));
    al.sees("417 al :Input line was too long");
    al.says(&format!("@a={} PING 1", "x".repeat(4092)));
    al.sees("PONG irc.chinwag :1");
    al.sends(b"PING 2\n\n\r\nPING 3\n");
    al.sees("PONG irc.chinwag :2");
    al.sees("PONG irc.chinwag :3");
}

#[test]
fn modes_are_what_is_set_for_the_room_and_ranks_are_prefixes() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    bo.joins("#c");
    al.sees(":bo!bo@host JOIN #c");
    let operator_only = "482 bo #c :You are not an operator of that channel";
    dialogue(
        &mut bo,
        &[
            ("MODE #c +m", &[operator_only]),
            ("MODE #c +o bo", &[operator_only]),
            ("MODE #c +b x", &[operator_only]),
            ("KICK #c al", &[operator_only]),
            ("TOPIC #c :x", &[operator_only]),
            ("MODE #c b", &["368 bo #c :End of channel ban list"]),
        ],
    );
    for (asked, seen) in [
        ("MODE #c +m", "MODE #c +m"),
        ("MODE #c +v bo", "MODE #c +v bo"),
        ("MODE #c -v+o bo bo", "MODE #c -v bo"),
        ("", "MODE #c +o bo"),
        ("MODE #c -o bo", "MODE #c -o bo"),
        ("MODE #c +lk 5 key", "MODE #c +lk 5 key"),
        ("TOPIC #c :work", "TOPIC #c :work"),
        ("MODE #c +b BAD", "MODE #c +b bad!*@*"),
    ] {
        if !asked.is_empty() {
            al.says(asked);
        }
        for client in [&mut al, &mut bo] {
            client.sees(&format!(":al!al@host {seen}"));
        }
    }
    assert_eq!(al.answers("MODE #c +m"), [""; 0], "it is so already");
    assert_eq!(al.answers("MODE #c")[0], "324 al #c +mntkl key 5");
    assert_eq!(
        bo.answers("PRIVMSG #c :x"),
        ["404 bo #c :This room is moderated: only operators and the voiced may speak."]
    );
    let mut bad = Irc::comes(&server, "bad");
    dialogue(
        &mut bad,
        &[
            ("JOIN #c", &["474 bad #c :Cannot join channel (+b)"]),
            ("NICK good", &[":bad!bad@host NICK good"]),
            ("JOIN #c", &["475 good #c :Cannot join channel (+k)"]),
        ],
    );
    bad.joins("#c key");
    for client in [&mut al, &mut bo] {
        client.sees(":good!bad@host JOIN #c");
    }
    al.says("KICK #c good :enough");
    for client in [&mut al, &mut bo, &mut bad] {
        client.sees(":al!al@host KICK #c good :enough");
    }
    al.says("MODE #c -b bad!*@*");
    al.sees(":al!al@host MODE #c -b bad!*@*");
    al.says("MODE #c +i-k key");
    al.sees(":al!al@host MODE #c +i-k *");
    assert_eq!(bad.answers("JOIN #c"), ["473 good #c :Cannot join channel (+i)"]);
    assert_eq!(al.answers("INVITE good #c"), ["341 al good #c"]);
    bad.sees(":al!al@host INVITE good #c");
    bad.joins("#c");
    al.sees(":good!bad@host JOIN #c");
    assert_eq!(al.answers("INVITE good #c"), ["443 al good #c :is already on channel"]);
}

#[test]
fn nothing_that_steers_a_terminal_comes_through() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "message-tags labeled-response");
    let mut bo = Irc::comes_with(&server, "bo", "message-tags");
    al.joins("#c");
    bo.joins("#c");
    al.sees(":bo!bo@host JOIN #c");
    let evil = "\x1b[2J\u{9b}x\u{202e}y\x1b]0;z\x07";
    for asked in [
        format!("PRIVMSG bo :\x01ACTION {evil}\x01"),
        format!("PRIVMSG bo :\x01VERSION {evil}\x01"),
        format!("NOTICE bo :\x01VERSION {evil}\x01"),
        format!("PRIVMSG #c :\x01ACTION {evil}\x01"),
        format!("@+x={evil} TAGMSG #c"),
        format!("@+x={evil} TAGMSG bo"),
        format!("@+x={evil} PRIVMSG bo :hi"),
    ] {
        al.says(&asked);
        let seen = bo.next().unwrap();
        let steers = |c: char| (c.is_control() && c != '\x01') || c == '\u{202e}';
        assert!(!seen.contains(steers), "{asked:?} comes as {seen:?}");
        assert!(seen.contains("xy"), "{asked:?} comes as {seen:?}");
    }
    let refused = "404 bo #c :CTCP goes from one client to another only";
    assert_eq!(bo.answers("PRIVMSG @#c :\x01VERSION\x01"), [refused]);
    let told = al.answers("@label=a\\sb\\r\\nPRIVMSG LUSERS");
    assert!(told[0].starts_with("@label=a\\sb\\r\\nPRIVMSG :irc.chinwag BATCH "), "{told:?}");
}

#[test]
fn bans_are_listed_once_however_often_they_are_asked_for() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    al.says("MODE #c +bb one two");
    al.sees(":al!al@host MODE #c +b one!*@*");
    al.sees(":al!al@host MODE #c +b two!*@*");
    let listed = al.answers(&format!("MODE #c {}", "b".repeat(100)));
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[0].starts_with("367 al #c one!*@* al "), "{listed:?}");
    assert_eq!(listed[2], "368 al #c :End of channel ban list");
}

#[test]
fn a_channel_tells_since_when_it_is_open() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#lobby");
    let since = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let of_lobby = since(&al.answers("MODE #lobby")[1]);
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let begun = second();
    while second() <= of_lobby.max(begun) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let opened = second();
    al.joins("#new");
    let told = &al.answers("MODE #new")[1];
    assert!(told.starts_with("329 al #new "), "{told}");
    assert!((opened..=second()).contains(&since(told)), "{told}, opened at {opened}");
    assert!(of_lobby < opened, "the lobby is there since the start");
}

#[test]
fn others_are_found_by_who_whois_names_and_list() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "multi-prefix userhost-in-names");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    al.says("TOPIC #c :what it is about");
    bo.joins("#c");
    bo.answers("AWAY :lunch");
    al.answers("");
    dialogue(
        &mut al,
        &[
            (
                "WHO #c",
                &[
                    "352 al #c al host irc.chinwag al H@ :0 Real al",
                    "352 al #c bo host irc.chinwag bo G :0 Real bo",
                    "315 al #c :End of WHO list",
                ],
            ),
            (
                "WHO bo %tcuhsnfdar,7",
                &[
                    "354 al 7 #c bo host irc.chinwag bo G 0 0 :Real bo",
                    "315 al bo :End of WHO list",
                ],
            ),
            (
                "WHO b*",
                &["352 al #c bo host irc.chinwag bo G :0 Real bo", "315 al b* :End of WHO list"],
            ),
            ("NAMES #c", &["353 al = #c :@al!al@host bo!bo@host", "366 al #c :End of NAMES list"]),
            (
                "LIST",
                &[
                    "321 al Channel :Users  Name",
                    "322 al #c 2 :what it is about",
                    "323 al :End of LIST",
                ],
            ),
            ("LIST >5", &["321 al Channel :Users  Name", "323 al :End of LIST"]),
            ("USERHOST bo nobody", &["302 al :bo=-bo@host"]),
            ("ISON nobody bo", &["303 al :bo"]),
            ("PRIVMSG bo :there?", &["301 al bo :lunch"]),
        ],
    );
    let whois = al.answers("WHOIS bo");
    let numbers: Vec<_> = whois.iter().map(|line| &line[..3]).collect();
    assert_eq!(numbers, ["311", "319", "312", "317", "301", "318"]);
    assert_eq!(bo.answers("AWAY").last().unwrap(), "305 bo :You are not marked as away any more");
    al.says("MODE #c +s");
    al.answers("");
    let mut cy = Irc::comes(&server, "cy");
    dialogue(
        &mut cy,
        &[
            ("WHO #c", &["315 cy #c :End of WHO list"]),
            ("NAMES #c", &["366 cy #c :End of NAMES list"]),
            ("LIST", &["321 cy Channel :Users  Name", "323 cy :End of LIST"]),
        ],
    );
    assert!(cy.answers("WHOIS al").iter().all(|line| !line.contains("#c")));
    bo.says("QUIT");
    bo.sees_until("ERROR");
    al.sees(":bo!bo@host QUIT :Quit");
    let was = al.answers("WHOWAS bo");
    assert!(was[0].starts_with("314 al bo bo host * :Real bo"), "{was:?}");
}

#[test]
fn whoever_asks_for_capabilities_is_told_more() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let caps = "server-time message-tags account-tag extended-join away-notify setname \
                invite-notify echo-message batch labeled-response";
    let mut bo = Irc::comes_with(&server, "bo", caps);
    al.joins("#c");
    al.says("PRIVMSG #c :before");
    al.answers("");
    bo.says("@label=one JOIN #c");
    let told = bo.sees_until("BATCH -");
    assert!(told[0].starts_with("@label=one :irc.chinwag BATCH +"), "{told:?}");
    assert!(told[1].ends_with("time=TIME :bo!bo@host JOIN #c * :Real bo"), "{told:?}");
    // It has server-time, and no other way to know.
    let before = told.iter().find(|line| line.ends_with("PRIVMSG #c :before")).unwrap();
    assert!(before.contains(";time=TIME;msgid="), "{before}");
    al.sees(":bo!bo@host JOIN #c");
    bo.says("@label=two;+draft/reply=1 PRIVMSG #c :hi");
    let own = bo.next().unwrap();
    assert!(own.starts_with("@label=two;time=TIME;msgid="), "{own}");
    assert!(own.ends_with(";+draft/reply=1 :bo!bo@host PRIVMSG #c :hi"), "{own}");
    al.sees(":bo!bo@host PRIVMSG #c :hi");
    bo.says("@label=three PONG x");
    bo.sees("@label=three :irc.chinwag ACK");
    bo.says("@label=four PING x");
    bo.sees("@label=four :irc.chinwag PONG irc.chinwag :x");
    bo.says("@label=five PRIVMSG nobody :x");
    bo.sees("@label=five :irc.chinwag 401 bo nobody :No such nick");
    bo.says("@label=six PRIVMSG bo :to myself");
    for begin in ["@time=TIME;msgid=", "@label=six;time=TIME;msgid="] {
        let line = bo.next().unwrap();
        assert!(line.starts_with(begin) && line.ends_with("PRIVMSG bo :to myself"), "{line}");
    }
    al.says("AWAY :gone");
    al.sees("306 al :You are marked as away");
    bo.sees("@time=TIME :al!al@host AWAY :gone");
    al.says("SETNAME :Another Al");
    bo.sees("@time=TIME :al!al@host SETNAME :Another Al");
    bo.says("@+typing=active TAGMSG #c");
    bo.says("@+typing=done TAGMSG bo");
    assert!(bo.next().unwrap().ends_with("+typing=active :bo!bo@host TAGMSG #c"));
    assert!(bo.sees_until("TAGMSG bo").iter().all(|line| line.contains("+typing=done")));
    let mut cy = Irc::comes(&server, "cy");
    al.says("INVITE cy #c");
    cy.sees(":al!al@host INVITE cy #c");
    bo.sees_until(":al!al@host INVITE cy #c");
    assert_eq!(al.answers(""), ["341 al cy #c"]);
}

#[test]
fn several_lines_are_one_message_to_those_who_can_take_it() {
    let server = server(&[]);
    let mut lena = Person::join(&server, "lena");
    let caps = "message-tags server-time batch draft/multiline echo-message labeled-response";
    let mut al = Irc::comes_with(&server, "al", caps);
    let mut bo = Irc::comes_with(&server, "bo", "batch draft/multiline message-tags");
    let mut cy = Irc::comes_with(&server, "cy", "message-tags draft/multiline");
    for client in [&mut al, &mut bo, &mut cy] {
        client.joins("#lobby");
    }
    bo.sees_until("cy!cy@host JOIN");
    al.sees_until("cy!cy@host JOIN");
    al.says("@label=l;+x=y BATCH +m draft/multiline #lobby");
    for (tags, line) in [("", "one"), ("", ""), ("", "al"), (";draft/multiline-concat", "so")] {
        al.says(&format!("@batch=m{tags} PRIVMSG #lobby :{line}"));
    }
    al.says("BATCH -m");
    let told = al.sees_until(" BATCH -");
    let number = told[0].split_once("msgid=").unwrap().1.split(';').next().unwrap();
    let begins = format!("@label=l;time=TIME;msgid={number};+x=y :al!al@host BATCH +{number} ");
    assert_eq!(told[0], begins + "draft/multiline #lobby");
    let inside = |line: &str| format!("@batch={number} :al!al@host PRIVMSG #lobby :{line}");
    let so = inside("so").replacen(' ', ";draft/multiline-concat ", 1);
    let lines = ["one", "", "al"].map(inside).into_iter().chain([so]).collect::<Vec<_>>();
    assert_eq!(told[1..5], lines);
    assert_eq!(told[5..], [format!(":al!al@host BATCH -{number}")]);
    let told = bo.sees_until(" BATCH -");
    assert!(told[0].starts_with(&format!("@msgid={number};+x=y :al!al@host BATCH +")), "{told:?}");
    assert_eq!(told[1..5], lines);
    cy.sees(&format!("@msgid={number};+x=y :al!al@host PRIVMSG #lobby :one"));
    cy.sees("@+x=y :al!al@host PRIVMSG #lobby :al");
    cy.sees("@+x=y :al!al@host PRIVMSG #lobby :so");
    lena.sees_until("al: one");
    lena.sees("al: ");
    lena.sees("al: also");
    for (asked, answer) in [
        (
            "BATCH +m draft/multiline #lobby\r\n@batch=m PRIVMSG #ops :x",
            "FAIL BATCH MULTILINE_INVALID_TARGET #lobby #ops :All lines of a message go to one",
        ),
        (
            "BATCH +m draft/multiline #lobby\r\n@batch=m PRIVMSG #lobby :\r\nBATCH -m",
            "FAIL BATCH MULTILINE_INVALID :There are blank lines only",
        ),
        (
            "BATCH +m draft/multiline #lobby\r\n@batch=m;draft/multiline-concat PRIVMSG #lobby :",
            "FAIL BATCH MULTILINE_INVALID :Only lines of text make a message",
        ),
        ("BATCH -never", "FAIL BATCH MULTILINE_INVALID -never :There is no such batch"),
        ("BATCH +m odd #lobby", "FAIL BATCH UNKNOWN_TYPE odd :That kind is not known here"),
    ] {
        assert_eq!(bo.answers(asked), [answer], "{asked}");
    }
    bo.says("BATCH +m draft/multiline #lobby");
    let line = format!("@batch=m PRIVMSG #lobby :{}", "x".repeat(480));
    (0..8).for_each(|_| bo.says(&line));
    let why = "FAIL BATCH MULTILINE_MAX_BYTES 4096 :That message is too long";
    assert_eq!(bo.answers(&line), [why]);
}

#[cfg(feature = "data")]
#[test]
fn what_was_said_can_be_asked_for_from_memory_and_from_the_archive() {
    let folder = Folder::new("irc-history");
    let data = folder.file("data");
    let server = server(&["--data", data.to_str().unwrap(), "--history", "3"]);
    let caps = "server-time message-tags batch draft/chathistory";
    let mut al = Irc::comes_with(&server, "al", caps);
    al.joins("#c");
    for number in 1..=9 {
        al.says(&format!("PRIVMSG #c :line {number}"));
    }
    let ask = |al: &mut Irc, asked: &str| {
        let lines = al.answers(&format!("CHATHISTORY {asked}"));
        assert!(lines[0].starts_with("BATCH +h") && lines[0].ends_with(" chathistory #c"));
        let said = lines[1..lines.len() - 1].to_vec();
        let id = |line: &str| {
            let id = line.split_once("msgid=").unwrap().1;
            id.split([' ', ';']).next().unwrap().to_owned()
        };
        let number = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        let ids: Vec<String> = said.iter().map(|line| id(line)).collect();
        (said.iter().map(|line| number(line)).collect::<Vec<_>>().join(" "), ids)
    };
    al.times.clear();
    let (all, ids) = ask(&mut al, "LATEST #c * 100");
    assert_eq!(all, "1 2 3 4 5 6 7 8 9");
    let times = al.times.clone();
    assert!(times.is_sorted_by(|one, next| one < next), "no two lines have one time: {times:?}");
    let by_id = |number: usize| format!("msgid={}", ids[number - 1]);
    let by_time = |number: usize| format!("timestamp={}", times[number - 1]);
    for place in [&by_id as &dyn Fn(usize) -> String, &by_time] {
        for (asked, expected) in [
            ("LATEST #c * 2".to_owned(), "8 9"),
            (format!("LATEST #c {} 100", place(7)), "8 9"),
            (format!("BEFORE #c {} 2", place(8)), "6 7"),
            (format!("BEFORE #c {} 2", place(4)), "2 3"),
            (format!("AFTER #c {} 2", place(2)), "3 4"),
            (format!("AFTER #c {} 100", place(5)), "6 7 8 9"),
            (format!("AROUND #c {} 4", place(5)), "3 4 5 6"),
            (format!("BETWEEN #c {} {} 100", place(2), place(8)), "3 4 5 6 7"),
            (format!("BETWEEN #c {} {} 2", place(8), place(2)), "6 7"),
        ] {
            assert_eq!(ask(&mut al, &asked).0, expected, "{asked}");
        }
    }
    for (asked, expected) in [
        ("AFTER #c timestamp=2020-01-01T00:00:00.000Z 2", "1 2"),
        ("BEFORE #c timestamp=2020-01-01T00:00:00.000Z 2", ""),
    ] {
        assert_eq!(ask(&mut al, asked).0, expected, "{asked}");
    }
    let times = "timestamp=2020-01-01T00:00:00.000Z timestamp=2100-01-01T00:00:00.000Z";
    let targets = al.answers(&format!("CHATHISTORY TARGETS {times} 5"));
    assert!(targets[1].contains("CHATHISTORY TARGETS #c 20"), "{targets:?}");
    for (asked, code) in [
        ("CHATHISTORY NONSENSE #c * 5", "INVALID_PARAMS NONSENSE"),
        ("CHATHISTORY LATEST #c", "NEED_MORE_PARAMS LATEST"),
        ("CHATHISTORY BEFORE #c * 5", "INVALID_PARAMS BEFORE"),
        ("CHATHISTORY LATEST #none * 5", "INVALID_TARGET LATEST #none"),
    ] {
        let answer = al.answers(asked);
        assert!(answer[0].starts_with(&format!("FAIL CHATHISTORY {code} :")), "{answer:?}");
    }
    let mut bo = Irc::comes_with(&server, "bo", caps);
    let refused = "FAIL CHATHISTORY INVALID_TARGET LATEST #c :Messages could not be retrieved";
    assert_eq!(bo.answers("CHATHISTORY LATEST #c * 5"), [refused], "who is not there");
}

#[cfg(feature = "data")]
#[test]
fn what_is_too_much_to_be_told_at_once_has_no_gap_in_it() {
    let folder = Folder::new("irc-much");
    let data = folder.file("data");
    let server = server(&["--data", data.to_str().unwrap(), "--history", "10", "--flood", "0"]);
    let mut al = Irc::comes_with(&server, "al", "batch draft/chathistory");
    al.joins("#c");
    let long = "x".repeat(400);
    (0..300).for_each(|number| al.says(&format!("PRIVMSG #c :{long} {number}")));
    let begin = "timestamp=2020-01-01T00:00:00.000Z";
    let told = al.answers(&format!("CHATHISTORY AFTER #c {begin} 1000"));
    let number = |line: &String| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    let numbers: Vec<_> = told[1..told.len() - 1].iter().map(number).collect();
    assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
    assert!((50..300).contains(&numbers.len()), "they are not told at once: {}", numbers.len());
}

#[cfg(all(feature = "data", unix))]
#[test]
fn what_is_told_again_is_as_it_was_told_at_first() {
    let folder = Folder::new("irc-told-again");
    let data = folder.file("data");
    let args = ["--data", data.to_str().unwrap()];
    let mut first = server(&args);
    let caps = "server-time message-tags batch echo-message draft/chathistory";
    let mut lena = Person::join(&first, "lena");
    let mut al = Irc::comes_with(&first, "al", caps);
    al.joins("#lobby");
    lena.sees("* al joined (2 here)");
    lena.says("hi");
    al.sees_until(":lena!lines@host PRIVMSG #lobby :hi");
    let noticed = al.answers("NOTICE #lobby :noted");
    let acted = al.answers("PRIVMSG #lobby :\x01ACTION nods\x01");
    assert!(noticed[0].ends_with(" :al!al@host NOTICE #lobby :noted"), "{noticed:?}");
    let told = [noticed[0].clone(), acted[0].clone()];
    let again = |al: &mut Irc| {
        let lines = al.answers("CHATHISTORY LATEST #lobby * 3");
        assert!(lines[1].ends_with(" :lena!lines@host PRIVMSG #lobby :hi"), "{lines:?}");
        let lines = &lines[2..lines.len() - 1];
        let tags = |line: &String| format!("@{}", line.split_once(';').unwrap().1);
        lines.iter().map(tags).collect::<Vec<_>>()
    };
    assert_eq!(again(&mut al), told);
    let mut bo = Irc::comes_with(&first, "bo", "server-time message-tags");
    bo.says("JOIN #lobby");
    bo.sees_until(" 366 ");
    bo.sees_until(":lena!lines@host PRIVMSG #lobby :hi");
    told.iter().for_each(|line| bo.sees(line));
    first.terminate();
    assert_eq!(first.wait(), Some(0));
    let second = server(&args);
    let mut cy = Irc::comes_with(&second, "cy", caps);
    cy.joins("#lobby");
    assert_eq!(again(&mut cy), told);
}

#[cfg(feature = "data")]
#[test]
fn accounts_are_shown_by_sasl_by_pass_and_to_nickserv() {
    use data_encoding::BASE64;
    let folder = Folder::new("irc-accounts");
    let data = folder.file("data");
    let server = server(&["--data", data.to_str().unwrap()]);
    let mut al = Irc::comes_with(&server, "al", "account-tag message-tags");
    al.says("PRIVMSG NickServ :REGISTER correct-horse");
    al.sees("900 al al!al@host al :You are now logged in as al");
    al.says("QUIT");
    al.sees_until("ERROR");
    // Without a proof, nobody has the name.
    let mut other = Irc::connects(&server);
    other.says("NICK al");
    other.says("USER x 0 * :X");
    assert!(other.next().unwrap().starts_with(":irc.chinwag 433 * al :"));
    other.says("NICK bo");
    other.sees_until(" 221 ");
    other.says("NICKSERV IDENTIFY al wrong-one");
    assert!(other.next().unwrap().contains("NOTICE bo :"));
    let sasl = |password: &str| {
        let mut client = Irc::connects(&server);
        for line in ["CAP LS 302", "NICK al", "USER al 0 * :Al", "CAP REQ :sasl"] {
            client.says(line);
        }
        assert!(client.next().unwrap().contains(" sasl=PLAIN"));
        client.sees("CAP * ACK :sasl");
        client.says("AUTHENTICATE EXTERNAL");
        client.sees("908 * PLAIN :are available SASL mechanisms");
        client.sees("904 * :SASL authentication failed");
        client.says("AUTHENTICATE PLAIN");
        client.sees("AUTHENTICATE +");
        let proof = BASE64.encode(format!("\0al\0{password}").as_bytes());
        client.says(&format!("AUTHENTICATE {proof}"));
        client
    };
    let mut wrong = sasl("wrong-one");
    wrong.sees("904 * :SASL authentication failed");
    let mut right = sasl("correct-horse");
    right.sees("900 * al!*@* al :You are now logged in as al");
    right.sees("903 * :SASL authentication successful");
    right.says("CAP END");
    assert!(right.next().unwrap().contains(" 001 al "));
    right.sees_until(" 221 ");
    let whois = other.answers("WHOIS al");
    assert!(whois.contains(&"330 bo al al :is logged in as".to_owned()), "{whois:?}");
    let mut pass = Irc::connects(&server);
    for line in ["PASS al:correct-horse", "NICK al-phone", "USER al 0 * :Al"] {
        pass.says(line);
    }
    pass.sees("900 * al-phone!*@* al :You are now logged in as al");
    assert!(pass.next().unwrap().contains(" 001 al-phone "));
    let mut pass = Irc::connects(&server);
    for line in ["PASS al:nonsense", "NICK x", "USER al 0 * :Al"] {
        pass.says(line);
    }
    pass.sees("464 * :Password incorrect");
    assert!(pass.next().unwrap().starts_with("ERROR "));
    assert_eq!(pass.next(), None);
}

#[test]
fn a_server_with_a_password_wants_it_by_pass() {
    let folder = Folder::new("irc-password");
    let file = folder.file("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let server = server(&["--password-file", file.to_str().unwrap()]);
    for (given, answer) in [("", " 464 "), ("PASS wrong", " 464 "), ("PASS :open sesame", " 001 ")]
    {
        let mut client = Irc::connects(&server);
        for line in [given, "NICK al", "USER al 0 * :Al"] {
            client.says(line);
        }
        assert!(client.next().unwrap().contains(answer), "{given:?}");
    }
}

#[test]
fn somebody_is_told_once_of_who_goes_wherever_both_were() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    al.says("MONITOR + bo,cy");
    al.sees("730 al :bo!bo@host");
    al.sees("731 al :cy");
    for channel in ["#a", "#b", "#c"] {
        al.joins(channel);
        bo.joins(channel);
        al.sees(&format!(":bo!bo@host JOIN {channel}"));
    }
    bo.says("NICK bert");
    al.sees(":bo!bo@host NICK bert");
    al.sees("731 al :bo");
    bo.says("QUIT :bye");
    al.sees(":bert!bo@host QUIT :Quit: bye");
    al.sees_nothing_more();
    let mut cy = Irc::comes(&server, "cy");
    al.sees("730 al :cy!cy@host");
    cy.joins("#a,#b");
    drop(cy);
    al.sees_until("731 al :cy");
    assert_eq!(al.answers("MONITOR L"), ["732 al :bo,cy", "733 al :End of MONITOR list"]);
    assert_eq!(al.answers("JOIN #new key").len(), 3, "what is not there has no key");
}

#[test]
fn two_hundred_who_come_into_one_channel_do_not_make_it_slow() {
    let server = server(&["--max-clients", "1100", "--flood", "0"]);
    let mut first = Irc::comes(&server, "first");
    first.joins("#c");
    let mut others: Vec<_> = (0..200).map(|n| Irc::comes(&server, &format!("n{n}"))).collect();
    for other in &mut others {
        other.says("JOIN #c");
    }
    for other in &mut others {
        other.sees_until(" 366 ");
    }
    let seen = first.answers("");
    assert_eq!(seen.iter().filter(|line| line.ends_with(" JOIN #c")).count(), 200);
    first.says("PRIVMSG #c :all here?");
    for other in &mut others {
        other.sees_until(":first!first@host PRIVMSG #c :all here?");
    }
}
