//! What happened between the lines of a channel, told again to clients that ask for it
//! (`draft/event-playback`).

use crate::client::Irc;
use crate::common::Person;
use crate::server;

const CAPS: &str = "server-time message-tags batch draft/chathistory draft/event-playback";

/// What comes in the batch that answers `CHATHISTORY`: the number of each, and what is told.
#[track_caller]
fn ask(client: &mut Irc, asked: &str) -> Vec<(Option<u64>, String)> {
    let told = client.answers(&format!("CHATHISTORY {asked}"));
    // Before it comes what happens now.
    let mut told = told.iter().skip_while(|line| !line.starts_with("BATCH +h"));
    assert!(told.next().is_some(), "{asked}");
    let past = told.take_while(|line| !line.starts_with("BATCH -h"));
    let numbered = |line: &String| {
        let (tags, rest) = line.split_once(' ').unwrap();
        assert!(tags.starts_with("@batch=h") && tags.contains("time=TIME"), "{line}");
        let id = tags.split(';').find_map(|tag| tag.strip_prefix("msgid="));
        (id.map(|id| id.parse().unwrap()), rest.to_owned())
    };
    past.map(numbered).collect()
}

/// The same without the numbers.
#[track_caller]
fn told(client: &mut Irc, asked: &str) -> Vec<String> {
    ask(client, asked).into_iter().map(|(_, line)| line).collect()
}

/// Does what `asked` says, and waits until that is so.
fn does(client: &mut Irc, asked: &str) {
    client.answers(asked);
}

#[test]
fn what_happened_is_told_again_in_the_words_in_which_it_was_told() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", CAPS);
    al.joins("#c");
    let mut bo = Irc::comes(&server, "bo");
    let mut cy = Irc::comes(&server, "cy");
    let by_bo = ["JOIN #c", "PRIVMSG #c :one", "NICK bert", "PART #c", "JOIN #c", "PART #c :bye"];
    by_bo.iter().for_each(|asked| does(&mut bo, asked));
    does(&mut cy, "JOIN #c");
    for asked in [
        "TOPIC #c :tea",
        "NOTICE #c :two",
        "MODE #c +sl 5",
        "MODE #c +v-v cy cy",
        "MODE #c +b bad!*@*",
        "MODE #c -b bad!*@*",
        "TOPIC #c :",
        "KICK #c cy :enough",
    ] {
        does(&mut al, asked);
    }
    does(&mut cy, "JOIN #c");
    cy.says("QUIT :bye");
    assert_eq!(cy.sees_until("ERROR").len(), 1);
    let mut lena = Person::join(&server, "lena");
    lena.says("/join #c");
    lena.sees_until("* You are in #c. Here now: al, lena.");
    drop(lena);
    al.sees_until(" QUIT ");
    let seen = al.sees_until(" QUIT ");
    assert!(seen.last().unwrap().contains(":lena!lines@host QUIT :"), "{seen:?}");
    let past = ask(&mut al, "LATEST #c * 100");
    let numbers: Vec<u64> = past.iter().filter_map(|(id, _)| *id).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{past:?}");
    let again: Vec<_> = past.iter().map(|(_, line)| line.as_str()).collect();
    let lost = again.last().unwrap();
    assert_eq!(
        again,
        [
            ":al!al@host JOIN #c",
            ":irc.chinwag MODE #c +o al",
            ":bo!bo@host JOIN #c",
            ":bo!bo@host PRIVMSG #c :one",
            ":bo!bo@host NICK bert",
            ":bert!bo@host PART #c",
            ":bert!bo@host JOIN #c",
            ":bert!bo@host PART #c :bye",
            ":cy!cy@host JOIN #c",
            ":al!al@host TOPIC #c :tea",
            ":al!al@host NOTICE #c :two",
            ":al!al@host MODE #c +s",
            ":al!al@host MODE #c +l 5",
            ":al!al@host MODE #c +v cy",
            ":al!al@host MODE #c -v cy",
            ":al!al@host MODE #c +b bad!*@*",
            ":al!al@host MODE #c -b bad!*@*",
            ":al!al@host TOPIC #c :",
            ":al!al@host KICK #c cy :enough",
            ":cy!cy@host JOIN #c",
            ":cy!cy@host QUIT :Quit: bye",
            ":lena!lines@host JOIN #c",
            lost,
        ]
    );
    assert_eq!(seen.last().unwrap().split_once(' ').unwrap().1, *lost);
}

#[test]
fn who_has_not_asked_for_it_is_told_lines_alone() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", CAPS);
    al.joins("#c");
    let caps = "server-time message-tags batch draft/chathistory";
    let mut bo = Irc::comes_with(&server, "bo", caps);
    bo.joins("#c");
    does(&mut bo, "PRIVMSG #c :one");
    does(&mut al, "TOPIC #c :tea");
    assert_eq!(told(&mut bo, "LATEST #c * 5"), [":bo!bo@host PRIVMSG #c :one"]);
    // Outside a batch it would be taken for what happens now.
    let mut cy = Irc::comes_with(&server, "cy", "draft/chathistory draft/event-playback");
    cy.joins("#c");
    assert_eq!(cy.answers("CHATHISTORY LATEST #c * 5"), [":bo!bo@host PRIVMSG #c :one"]);
    // What a client is told without asking when it comes is lines, too.
    let mut di = Irc::comes_with(&server, "di", "server-time batch draft/event-playback");
    di.joins("#c");
    di.sees("@time=TIME :bo!bo@host PRIVMSG #c :one");
    di.sees_nothing_more();
}

#[test]
fn all_that_is_told_counts_and_has_a_place() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", CAPS);
    al.joins("#c");
    for number in 1..=3 {
        does(&mut al, &format!("PRIVMSG #c :{number}"));
        does(&mut al, &format!("TOPIC #c :{number}"));
    }
    let past = ask(&mut al, "LATEST #c * 100");
    // The rank of whoever opened the channel comes with their joining.
    assert_eq!(past[1], (None, ":irc.chinwag MODE #c +o al".to_owned()));
    let ids: Vec<u64> = past.iter().filter_map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 7);
    for (asked, expected) in [
        ("LATEST #c * 3".to_owned(), &ids[4..]),
        (format!("LATEST #c msgid={} 9", ids[4]), &ids[5..]),
        (format!("BEFORE #c msgid={} 2", ids[4]), &ids[2..4]),
        (format!("AFTER #c msgid={} 2", ids[4]), &ids[5..]),
        (format!("AROUND #c msgid={} 3", ids[4]), &ids[3..6]),
        (format!("BETWEEN #c msgid={} msgid={} 9", ids[1], ids[5]), &ids[2..5]),
        (format!("BETWEEN #c msgid={} msgid={} 2", ids[5], ids[1]), &ids[3..5]),
    ] {
        let told: Vec<_> = ask(&mut al, &asked).into_iter().filter_map(|(id, _)| id).collect();
        assert_eq!(told, expected, "{asked}");
    }
    let all = "timestamp=2020-01-01T00:00:00.000Z timestamp=2100-01-01T00:00:00.000Z";
    assert_eq!(ask(&mut al, &format!("BETWEEN #c {all} 100")), past);
}

/// Whoever goes from page to page finds every line, from whichever end.
#[cfg(feature = "data")]
#[test]
fn between_pages_from_the_archive_no_line_is_missing() {
    let folder = crate::common::Folder::new("irc-playback");
    let data = folder.file("data");
    let args = ["--data", data.to_str().unwrap(), "--history", "6", "--flood", "0"];
    let server = server(&args);
    let mut al = Irc::comes_with(&server, "al", CAPS);
    let mut lena = Person::join(&server, "lena");
    lena.says("/join #c");
    lena.sees_until("* You are in #c. Here now: lena.");
    al.joins("#c");
    // More than the archive gives at once.
    let said: Vec<_> = (0..200).map(|it| format!("PRIVMSG #c :{}{it}", "x".repeat(400))).collect();
    for (number, line) in said.iter().enumerate() {
        al.says(line);
        // Longer ago than the room remembers lines.
        if [3, 10, 11].contains(&number) {
            does(&mut al, "PART #c\r\nJOIN #c");
        }
    }
    for count in [3, 7, 50, 1000] {
        let (mut back, mut page) = (Vec::new(), ask(&mut al, &format!("LATEST #c * {count}")));
        while let Some(first) = page.iter().find_map(|(id, _)| *id) {
            back.splice(..0, page);
            page = ask(&mut al, &format!("BEFORE #c msgid={first} {count}"));
        }
        let (mut forth, mut last) = (Vec::new(), 1);
        loop {
            let page = ask(&mut al, &format!("AFTER #c msgid={last} {count}"));
            let Some(next) = page.iter().rev().find_map(|(id, _)| *id) else { break };
            last = next;
            forth.extend(page);
        }
        for (way, past) in [("back", back), ("forth", forth)] {
            let lines = past.iter().filter(|(_, line)| line.contains(" PRIVMSG "));
            let lines = lines.map(|(_, line)| line.split_once(' ').unwrap().1);
            assert!(lines.eq(said.iter()), "{count} {way}: {past:?}");
            let events = past.iter().filter(|(_, line)| !line.contains(" PRIVMSG "));
            assert_eq!(events.count(), 6, "{count} {way}, as many as lines: {past:?}");
        }
    }
}

#[test]
fn nothing_is_told_again_that_was_not_for_all() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", CAPS);
    al.joins("#c");
    does(&mut al, "MODE #c +k secret");
    let mut bo = Irc::comes(&server, "bo");
    let mut cy = Irc::comes_with(&server, "cy", &format!("extended-join {CAPS}"));
    for client in [&mut bo, &mut cy] {
        client.says("JOIN #c secret");
        client.sees_until(" 366 ");
    }
    let past = told(&mut cy, "LATEST #c * 2");
    let bo_comes = ":bo!bo@host JOIN #c * :Real bo";
    assert_eq!(past, [bo_comes, ":cy!cy@host JOIN #c * :Real cy"]);
    assert_eq!(told(&mut cy, "LATEST #c * 3")[0], ":al!al@host MODE #c +k *");
    let all = told(&mut cy, "LATEST #c * 100");
    assert!(!all.iter().any(|line| line.contains("secret")), "{all:?}");
}
