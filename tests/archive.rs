//! The archive: what is kept, found and forgotten, what happens to its file in bad times, and that
//! nobody waits for it.

#![cfg(feature = "data")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; and one tells another what it has done"
)]

mod common;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chinwag::archive::accounts;
use chinwag::archive::transfer::{self, Forget, Imported, TransferError};
use chinwag::archive::{
    Act, Answer, Archive, Before, Hit, Kept, OpenError, Query, Record, Request, Settings, Unusable,
};
use chinwag::config::Keep;
use chinwag::event::Said;
use chinwag::nickname::Nickname;
use chinwag::rights::{Flag, Rank, Rights, Setting};
use chinwag::sanction::{Sanction, SanctionKind, Target};
use common::{Folder, PATIENCE};
use rusqlite::Connection;

/// When most of it happens: 2026-01-01 00:00 UTC.
const NOW: u64 = 1_767_225_600;

const DAY: u64 = 24 * 60 * 60;

fn settings(file: &Path) -> Settings {
    Settings {
        file: file.to_owned(),
        keep: Keep::Forever,
        keep_rooms: Vec::new(),
        rooms_max: 10,
        history_lines_max: 3,
    }
}

/// An archive that can be waited for.
struct Open {
    archive: Archive,
    kept: Kept,
    woken: Receiver<()>,
    tickets: u64,
}

impl Open {
    fn new(file: &Path) -> Open {
        Open::with(&settings(file), NOW).unwrap()
    }

    fn with(settings: &Settings, now: u64) -> Result<Open, OpenError> {
        let (wake, woken) = channel();
        let wake = move || wake.send(()).unwrap_or_default();
        let (archive, kept) = Archive::open(settings, now, wake)?;
        Ok(Open { archive, kept, woken, tickets: 0 })
    }

    fn record(&mut self, record: Record) {
        self.archive.record(&mut vec![record]);
    }

    fn says(&mut self, id: u64, room: &str, from: &str, text: &str) {
        self.record(line(id, room, from, text));
    }

    fn ask(&mut self, request: Request) -> Answer {
        self.tickets += 1;
        self.archive.ask(self.tickets, request).unwrap();
        loop {
            if let Some((ticket, answer)) = self.archive.poll_answer() {
                assert_eq!(ticket, self.tickets);
                return answer;
            }
            self.woken.recv_timeout(PATIENCE).unwrap();
        }
    }

    fn search(&mut self, text: &str) -> Vec<u64> {
        self.search_by(Query::parse(text).unwrap(), None).0
    }

    fn search_by(&mut self, query: Query, before: Option<u64>) -> (Vec<u64>, bool) {
        match self.ask(Request::Search { query, before }) {
            Answer::Found { hits, more } => (hits.iter().map(|hit| hit.said.id).collect(), more),
            answer => panic!("{answer:?}"),
        }
    }

    fn history(&mut self, room: &str, before: Before, count: usize) -> (Vec<u64>, bool) {
        match self.ask(Request::History { room: room.to_owned(), before, count }) {
            Answer::History { lines, more } => (lines.iter().map(|line| line.id).collect(), more),
            answer => panic!("{answer:?}"),
        }
    }

    /// All lines of a room, which are told in pieces.
    fn all(&mut self, room: &str) -> Vec<u64> {
        let (mut all, mut before) = (Vec::new(), Before::Now);
        loop {
            let (mut lines, more) = self.history(room, before, 1000);
            lines.append(&mut all);
            all = lines;
            match all.first() {
                Some(first) if more => before = Before::Id(*first),
                _ => return all,
            }
        }
    }

    fn forget(&mut self, author: u64, account: Option<&str>) -> u64 {
        match self.ask(Request::Forget { author, account: account.map(str::to_owned) }) {
            Answer::Forgotten { lines } => lines,
            answer => panic!("{answer:?}"),
        }
    }

    /// Until all is written that was recorded.
    fn settle(&mut self) {
        self.history("lobby", Before::Now, 1);
    }

    fn stop(self) {
        assert_eq!(self.archive.stop(PATIENCE), 0, "lines are left");
    }
}

/// A line of a minute for each number, said by somebody who came with the first one.
fn line(id: u64, room: &str, from: &str, text: &str) -> Record {
    let (from, text, mask) = (from.to_owned(), text.to_owned(), "web@nowhere".to_owned());
    let said = Said { id, unix_seconds: NOW + id * 60, from, text, mask, ..Said::default() };
    Record::Said { said, room: room.to_owned(), author: 1, account: None }
}

fn topic(id: u64, room: &str, from: &str, text: &str) -> Record {
    let (room, from, text) = (room.to_owned(), from.to_owned(), text.to_owned());
    Record::Topic { id, at: NOW + id * 60, room, from, text }
}

/// What SQLite finds wrong with a file, and how many lines there are.
fn examine(file: &Path) -> (String, i64) {
    let connection = Connection::open(file).unwrap();
    connection.execute("INSERT INTO word (word) VALUES ('integrity-check')", ()).unwrap();
    let first = |sql: &str| connection.query_row(sql, (), |row| row.get(0));
    let sums = "SELECT (SELECT count(*) FROM line) = (SELECT total(lines) FROM room) \
                AND (SELECT count(*) FROM line) = (SELECT total(lines) FROM author)";
    let adds_up: bool = connection.query_row(sums, (), |row| row.get(0)).unwrap();
    assert!(adds_up, "lines are counted wrong");
    let indexed = "SELECT count(*) FROM word_docsize";
    let indexed: i64 = connection.query_row(indexed, (), |row| row.get(0)).unwrap();
    let lines = connection.query_row("SELECT count(*) FROM line", (), |row| row.get(0)).unwrap();
    assert_eq!(indexed, lines, "not all lines are in the index");
    (first("PRAGMA integrity_check").unwrap(), lines)
}

/// Whether a text stands anywhere in these files.
fn holds(folder: &Path, text: &str) -> bool {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.any(|file| {
        let bytes = fs::read(file).unwrap();
        bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    })
}

#[test]
fn what_was_said_is_there_again_after_a_restart() {
    let folder = Folder::new("restart");
    let mut open = Open::new(&folder.file("chat.db"));
    assert_eq!(open.kept, Kept::default());
    for id in 1..=4 {
        open.says(id, "lobby", "alice", &format!("line {id}"));
    }
    let waves = Said {
        id: 7,
        unix_seconds: NOW + 9,
        millis: 998,
        from: "bob".to_owned(),
        text: "waves".to_owned(),
        emote: true,
        notice: false,
        mask: "bob@old".to_owned(),
    };
    let noted = Said {
        id: 11,
        millis: 999,
        text: "noted".to_owned(),
        emote: false,
        notice: true,
        mask: "bob@new".to_owned(),
        ..waves.clone()
    };
    for said in [&waves, &noted] {
        let (said, room) = (said.clone(), "Ops".to_owned());
        open.record(Record::Said { said, room, author: 5, account: Some("robert".to_owned()) });
    }
    open.record(topic(8, "lobby", "bob", "nothing"));
    open.record(topic(9, "lobby", "bob", ""));
    open.record(topic(10, "ops", "bob", "the deploy"));
    open.stop();
    let open = Open::new(&folder.file("chat.db"));
    let Kept { last_id, rooms, .. } = &open.kept;
    assert_eq!(*last_id, 11);
    assert_eq!(rooms.iter().map(|room| &*room.name).collect::<Vec<_>>(), ["Ops", "lobby"]);
    let topic = rooms[0].topic.as_ref().unwrap();
    assert_eq!((&*topic.text, &*topic.by, topic.at), ("the deploy", "bob", NOW + 600));
    assert_eq!((&rooms[0].lines, rooms[0].forgotten), (&vec![waves, noted], 0));
    assert_eq!(rooms[1].topic, None);
    assert_eq!(rooms[1].lines.iter().map(|line| line.id).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(rooms[1].forgotten, 1);
    open.stop();
    assert_eq!(examine(&folder.file("chat.db")), ("ok".to_owned(), 6));
}

#[test]
fn history_goes_back_as_far_as_there_is_any() {
    let folder = Folder::new("history");
    let mut open = Open::new(&folder.file("chat.db"));
    for id in 1..=100 {
        open.says(id, ["lobby", "ops"][id as usize % 2], "alice", "hi");
    }
    let even = |range: Range<u64>| range.filter(|id| id % 2 == 0).collect::<Vec<_>>();
    assert_eq!(open.history("LOBBY", Before::Now, 3), (vec![96, 98, 100], true));
    assert_eq!(open.history("lobby", Before::Id(96), 2), (vec![92, 94], true));
    assert_eq!(open.history("lobby", Before::Id(50), 1000), (even(2..50), false));
    let time = Before::Time(NOW + 50 * 60);
    assert_eq!(open.history("lobby", time, 2), (vec![46, 48], true));
    assert_eq!(open.history("lobby", Before::Time(NOW), 2), (vec![], false));
    assert_eq!(open.history("lobby", Before::Now, 0), (vec![], true));
    assert_eq!(open.history("elsewhere", Before::Now, 2), (vec![], false));
    // Long lines are told a few at a time, and no line is too long.
    let long = "x".repeat(10_000);
    (101..=110).for_each(|id| open.says(id, "long", "alice", &long));
    assert_eq!(open.history("long", Before::Now, 100), ((105..=110).collect(), true));
    assert_eq!(open.history("long", Before::Id(105), 100), ((101..=104).collect(), false));
    open.says(111, "long", "alice", &"x".repeat(70_000));
    assert_eq!(open.history("long", Before::Now, 100), (vec![111], true));
    open.stop();
}

#[test]
fn nobody_waits_for_questions_of_those_who_have_gone() {
    let folder = Folder::new("cancel");
    let mut open = Open::new(&folder.file("chat.db"));
    (1..=100).for_each(|id| open.says(id, "lobby", "alice", "tea"));
    let tea = || Request::Search { query: Query::parse("tea").unwrap(), before: None };
    (1000..1200).for_each(|ticket| open.archive.ask(ticket, tea()).unwrap());
    (1000..1200).for_each(|ticket| open.archive.cancel(ticket));
    open.archive.ask(1, tea()).unwrap();
    let mut answered = 0;
    loop {
        match open.archive.poll_answer() {
            Some((1, Answer::Found { hits, more: true })) => break assert_eq!(hits.len(), 20),
            Some((_, _)) => answered += 1,
            None => open.woken.recv_timeout(PATIENCE).unwrap(),
        }
    }
    assert!(answered < 200, "none was cancelled");
    open.stop();
    assert!(!folder.file("chat.db-wal").exists(), "all changes are in the file");
}

#[test]
fn a_search_finds_what_has_all_of_it_the_newest_first() {
    let folder = Folder::new("search");
    let mut open = Open::new(&folder.file("chat.db"));
    open.says(1, "lobby", "alice", "The deploy FAILED again");
    open.says(2, "ops", "Bob", "failed? which deploy-script failed");
    open.says(3, "ops", "alice", "部署失败了,请看日志");
    open.says(4, "lobby", "bob", "失,败");
    open.says(5, "lobby", "b0b", "Ça marche à l'école");
    open.says(6, "lobby", "carol", "中国 and 国人");
    open.says(7, "lobby", "carol", "中国人");
    for (text, expected) in [
        ("deploy", vec![2, 1]),
        ("Failed DEPLOY", vec![2, 1]),
        ("fail", vec![]),
        ("deploy-script", vec![2]),
        ("failed from:alice", vec![1]),
        ("from:BOB", vec![5, 4, 2]),
        ("in:#OPS", vec![3, 2]),
        ("failed in:ops", vec![2]),
        ("in:nowhere", vec![]),
        ("from:nobody deploy", vec![]),
        ("失败", vec![3]),
        ("失", vec![4, 3]),
        ("了", vec![3]),
        ("日志", vec![3]),
        ("志", vec![3]),
        ("请看日", vec![3]),
        ("中国人", vec![7]),
        ("中国", vec![7, 6]),
        ("人", vec![7, 6]),
        ("ca ecole", vec![5]),
        ("before:2026-01-01T00:02", vec![1]),
        ("before:2026-01-01T00:02:01 deploy", vec![2, 1]),
        ("after:2026-01-01T00:06", vec![7, 6]),
        ("after:2026-01-01T00:02 deploy before:2027-01-01", vec![2]),
        ("deploy after:2027-01-01", vec![]),
        ("\"§1\"", vec![]),
    ] {
        assert_eq!(open.search(text), expected, "{text}");
    }
    open.stop();
}

#[test]
fn a_private_room_is_searched_for_those_in_it_alone() {
    let folder = Folder::new("private");
    let mut open = Open::new(&folder.file("chat.db"));
    for (id, room) in (1..).zip(["lobby", "Ops", "club", "vault", "stage"]) {
        open.says(id, room, "alice", &format!("tea in {room}"));
    }
    let mut set = |room: &str, setting: Setting| {
        let mut rights = Rights::of_new_room();
        match setting {
            Setting::Flag(flag, on) => rights.set_flag(flag, on),
            Setting::Key(key) => rights.key = key.map(String::into_boxed_str),
            Setting::Limit(limit) => rights.limit = limit,
        }
        open.record(Record::Rights { room: room.to_owned(), rights });
    };
    set("ops", Setting::Flag(Flag::Secret, true));
    set("club", Setting::Flag(Flag::Invite, true));
    set("vault", Setting::Key(Some("sesame".to_owned())));
    set("stage", Setting::Flag(Flag::Moderated, true));
    let found = |open: &mut Open, text: &str, rooms: &[&str]| {
        let mut query = Query::parse(text).unwrap();
        query.allow(rooms.iter().map(|room| (*room).to_owned()).collect());
        open.search_by(query, None).0
    };
    for text in ["tea", "from:alice", "after:2026-01-01", "tea after:2026-01-01"] {
        assert_eq!(found(&mut open, text, &[]), [5, 1], "{text}");
        assert_eq!(found(&mut open, text, &["OPS", "lobby", "nowhere"]), [5, 2, 1], "{text}");
        assert_eq!(found(&mut open, text, &["club", "vault", "ops"]), [5, 4, 3, 2, 1], "{text}");
    }
    assert_eq!(found(&mut open, "in:ops", &["vault"]), [0; 0]);
    assert_eq!(found(&mut open, "in:ops", &["ops"]), [2]);
    // However many there are. What is set is set at once, and what is not so any more too.
    let secret = |room: String, on| {
        let mut rights = Rights::default();
        rights.set_flag(Flag::Secret, on);
        Record::Rights { room, rights }
    };
    for number in 0..1000 {
        open.says(6 + number, &format!("room{number}"), "alice", "tea");
        open.record(secret(format!("room{number}"), true));
    }
    for text in ["tea", "from:alice", "after:2026-01-01"] {
        assert_eq!(found(&mut open, text, &[]), [5, 1], "{text}");
        assert_eq!(found(&mut open, text, &["room999", "room1"]), [1005, 7, 5, 1], "{text}");
    }
    open.record(secret("ROOM500".to_owned(), false));
    assert_eq!(found(&mut open, "tea", &[]), [506, 5, 1]);
    open.stop();
}

fn act(at: u64, event: &str, whom: &str) -> Act {
    let (event, by, whom) = (event.to_owned(), "alice".to_owned(), whom.to_owned());
    let (room, why) = (Some("ops".to_owned()), "spam, \u{1f44b}".to_owned());
    Act { at, event, by, whom, room, why, until: Some(at + 60) }
}

fn sanction(id: u64, kind: SanctionKind, target: &str, until: Option<u64>) -> Sanction {
    let (target, by, why) = (Target::parse(target).unwrap(), "alice".to_owned(), String::new());
    let whom = format!("n{id}");
    Sanction { id, kind, room: None, target, whom, by, why, at: NOW, until }
}

impl Open {
    fn acts(&mut self, count: usize) -> Vec<Act> {
        match self.ask(Request::Acts { count }) {
            Answer::Acts(acts) => acts,
            answer => panic!("{answer:?}"),
        }
    }
}

#[test]
fn what_operators_set_and_did_is_there_again_after_a_restart() {
    let folder = Folder::new("orders");
    let file = folder.file("chat.db");
    let mut open = Open::new(&file);
    let name = |name: &str| Nickname::parse(name).unwrap();
    for account in ["alice", "Bob", "carol"] {
        accounts::add_account(&file, &name(account), "correct horse", NOW).unwrap();
    }
    open.says(1, "lobby", "alice", "hi");
    open.says(2, "ops", "alice", "hi");
    let mut rights = Rights::of_new_room();
    rights.set_rank(&name("alice"), Some(Rank::Operator));
    open.record(Record::Rights { room: "ops".to_owned(), rights: rights.clone() });
    // All of it is replaced.
    let mut rights = Rights::of_new_room();
    rights.set_flag(Flag::Members, false);
    rights.set_flag(Flag::Invite, true);
    rights.key = Some("sesame".into());
    rights.limit = Some(4_000_000_000);
    rights.set_rank(&name("carol"), Some(Rank::Voice));
    rights.set_rank(&name("BOB"), Some(Rank::Operator));
    rights.set_rank(&name("dave"), Some(Rank::Operator));
    open.record(Record::Rights { room: "Ops".to_owned(), rights: rights.clone() });
    open.record(Record::Rights { room: "empty".to_owned(), rights: Rights::default() });
    let ban = sanction(7, SanctionKind::Ban, "192.0.2.0/24", None);
    let mut mute = sanction(8, SanctionKind::Mute, "mallory", Some(NOW + 60));
    mute.room = Some("ops".to_owned());
    let lifted = sanction(9, SanctionKind::Ban, "2001:db8::/64", None);
    for sanction in [&ban, &mute, &lifted] {
        open.record(Record::Sanction(sanction.clone()));
    }
    mute.until = Some(NOW + DAY);
    open.record(Record::Sanction(mute.clone()));
    open.record(Record::Lifted(9));
    let acts = [act(NOW, "ban", "192.0.2.0/24"), act(NOW + 1, "mute", "mallory")];
    acts.iter().for_each(|act| open.record(Record::Act(act.clone())));
    assert_eq!(open.acts(9), [acts[1].clone(), acts[0].clone()]);
    assert_eq!(open.acts(1), acts[1..]);
    assert_eq!(open.archive.health().written, 2, "lines are counted");
    open.stop();

    let mut open = Open::new(&file);
    let told = |kept: &Kept| {
        let rooms = kept.rooms.iter().map(|room| (room.name.clone(), room.rights.clone()));
        rooms.collect::<Vec<_>>()
    };
    // Who is no account has no rank, and the others are spelled as their accounts.
    rights.accounts = vec![(name("carol"), Rank::Voice), (name("Bob"), Rank::Operator)];
    let expected = [
        ("empty".to_owned(), Some(Rights::default())),
        ("ops".to_owned(), Some(rights.clone())),
        ("lobby".to_owned(), None),
    ];
    assert_eq!(told(&open.kept), expected);
    assert_eq!(open.kept.last_id, 9);
    assert_eq!(open.kept.sanctions, [ban.clone(), mute]);
    assert_eq!(open.kept.accounts, [name("alice"), name("Bob"), name("carol")]);
    assert_eq!(open.acts(9).len(), 2);
    // What was said goes, what is set stays; with an account its ranks go.
    assert_eq!(transfer::forget(&file, &Forget::Before(NOW + DAY)).unwrap(), 2);
    accounts::delete_account(&file, &name("bob")).unwrap();
    open.stop();
    let settings = Settings { keep: Keep::Days(0), ..settings(&file) };
    let open = Open::with(&settings, NOW + DAY).unwrap();
    rights.accounts = vec![(name("carol"), Rank::Voice)];
    let expected =
        [("empty".to_owned(), Some(Rights::default())), ("ops".to_owned(), Some(rights))];
    assert_eq!(told(&open.kept), expected);
    assert_eq!(open.kept.sanctions, [ban], "the other one is over");
    open.stop();
    assert_eq!(examine(&file), ("ok".to_owned(), 0));
}

#[test]
fn talk_crowds_out_nothing_that_operators_do() {
    let folder = Folder::new("crowded");
    let mut open = Open::new(&folder.file("chat.db"));
    open.settle();
    let other = Connection::open(folder.file("chat.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut records: Vec<_> = (1..=20_000).map(|id| line(id, "lobby", "alice", "x")).collect();
    open.archive.record(&mut records);
    open.record(Record::Rights { room: "lobby".to_owned(), rights: Rights::of_new_room() });
    open.record(Record::Sanction(sanction(20_001, SanctionKind::Ban, "192.0.2.7/32", None)));
    open.record(Record::Sanction(sanction(20_002, SanctionKind::Ban, "192.0.2.8/32", None)));
    open.record(Record::Lifted(20_001));
    open.record(Record::Act(act(NOW, "ban", "192.0.2.8/32")));
    open.says(20_003, "lobby", "alice", "lost");
    let health = open.archive.health();
    assert_eq!((health.waiting, health.lost), (8192, 11_809));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(open.acts(9), [act(NOW, "ban", "192.0.2.8/32")]);
    open.stop();
    let open = Open::new(&folder.file("chat.db"));
    assert_eq!(open.kept.sanctions.iter().map(|it| it.id).collect::<Vec<_>>(), [20_002]);
    assert_eq!(open.kept.rooms[0].rights, Some(Rights::of_new_room()));
    assert_eq!(open.kept.last_id, 20_002);
    open.stop();
}

#[test]
fn of_many_acts_the_last_are_kept() {
    let folder = Folder::new("acts");
    let mut open = Open::new(&folder.file("chat.db"));
    for number in 0..10_010 {
        open.record(Record::Act(act(NOW + number, "kick", "bob")));
    }
    let acts = open.acts(usize::MAX);
    assert_eq!(acts.len(), 10_000);
    assert!(acts.iter().map(|act| act.at).eq((NOW + 10..NOW + 10_010).rev()));
    open.stop();
    let connection = Connection::open(folder.file("chat.db")).unwrap();
    let count = connection.query_row("SELECT count(*) FROM act", (), |row| row.get::<_, i64>(0));
    assert_eq!(count.unwrap(), 10_000);
}

#[test]
fn a_search_tells_twenty_hits_and_then_more() {
    let folder = Folder::new("more");
    let mut open = Open::new(&folder.file("chat.db"));
    for id in 1..=45 {
        open.says(id, "lobby", "alice", if id % 2 == 0 { "even" } else { "even odd" });
    }
    let query = || Query::parse("even").unwrap();
    let (first, more) = open.search_by(query(), None);
    assert_eq!((first, more), ((26..=45).rev().collect(), true));
    let (second, more) = open.search_by(query(), Some(26));
    assert_eq!((second, more), ((6..=25).rev().collect(), true));
    assert_eq!(open.search_by(query(), Some(6)), ((1..=5).rev().collect(), false));
    assert_eq!(open.search_by(query(), Some(21)), ((1..=20).rev().collect(), false));
    let Answer::Found { hits, .. } = open.ask(Request::Search { query: query(), before: Some(2) })
    else {
        panic!()
    };
    let said = Said {
        id: 1,
        unix_seconds: NOW + 60,
        from: "alice".to_owned(),
        text: "even odd".to_owned(),
        mask: "web@nowhere".to_owned(),
        ..Said::default()
    };
    assert_eq!(hits, [Hit { room: "lobby".to_owned(), said }]);
    open.stop();
}

#[test]
fn the_index_finds_what_looking_at_every_line_finds() {
    const WORDS: [&str; 12] = [
        "red",
        "Green",
        "blue",
        "re",
        "d",
        "中国",
        "国人",
        "人",
        "東京",
        "カタカナ",
        "한국어",
        "ok",
    ];
    let folder = Folder::new("oracle");
    let mut open = Open::new(&folder.file("chat.db"));
    let mut rng = fastrand::Rng::with_seed(7);
    let mut lines = Vec::new();
    for id in 1..=2000_u64 {
        let between = [" ", "", ", ", "。"];
        let text: String = (0..rng.usize(1..8))
            .flat_map(|_| [WORDS[rng.usize(..12)], between[rng.usize(..4)]])
            .collect();
        open.says(id, "lobby", "alice", &text);
        lines.push((id, text));
        if id % 500 == 0 {
            open.settle();
        }
    }
    let is_han = |c: char| c >= '\u{3000}';
    for _ in 0..300 {
        // A whole word, or part of a run without spaces.
        let (_, text) = &lines[rng.usize(..lines.len())];
        let mut parts: Vec<String> = vec![String::new()];
        for c in text.chars() {
            let last = parts.last().and_then(|part| part.chars().last());
            if last.is_some_and(|last| is_han(last) != is_han(c)) || !c.is_alphanumeric() {
                parts.push(String::new());
            }
            parts.last_mut().unwrap().extend(Some(c).filter(|c| c.is_alphanumeric()));
        }
        parts.retain(|part| !part.is_empty());
        let part = &parts[rng.usize(..parts.len())];
        let chars: Vec<char> = part.chars().collect();
        let wanted: String = if is_han(chars[0]) {
            let start = rng.usize(..chars.len());
            chars[start..rng.usize(start + 1..=chars.len())].iter().collect()
        } else {
            part.clone()
        };
        let is_in = |text: &str| {
            if is_han(chars[0]) {
                return text.contains(&wanted);
            }
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.into_iter().any(|word| word.eq_ignore_ascii_case(&wanted))
        };
        let expected: Vec<u64> =
            lines.iter().rev().filter(|(_, text)| is_in(text)).map(|(id, _)| *id).collect();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let (hits, more) = open.search_by(Query::parse(&wanted).unwrap(), before);
            found.extend(hits);
            before = found.last().copied();
            if !more {
                break;
            }
        }
        assert_eq!(found, expected, "{wanted}");
    }
    open.stop();
}

#[test]
fn somebody_is_forgotten_with_all_that_they_said() {
    let folder = Folder::new("forget");
    let mut open = Open::new(&folder.file("chat.db"));
    let said = |id, author, account: Option<&str>, text: &str| Record::Said {
        said: Said {
            id,
            unix_seconds: NOW,
            from: "xylophone".to_owned(),
            text: text.to_owned(),
            ..Said::default()
        },
        room: "lobby".to_owned(),
        author,
        account: account.map(str::to_owned),
    };
    for id in 1..=1500 {
        open.record(said(id, 100, None, "zanzibar"));
        if id % 300 == 0 {
            open.settle();
        }
    }
    open.record(said(2001, 200, Some("xyz"), "quagmire"));
    open.record(said(2002, 201, Some("xyz"), "quagmire"));
    open.record(said(2003, 202, None, "plain"));
    open.record(topic(2004, "ops", "xylophone", "zanzibar"));
    assert_eq!(open.forget(100, None), 1500);
    assert_eq!(open.search("zanzibar"), [0; 0]);
    assert_eq!(open.search("from:xylophone"), [2003, 2002, 2001]);
    assert_eq!(open.forget(200, Some("xyz")), 2);
    assert_eq!(open.search("from:xylophone"), [2003]);
    assert_eq!(open.forget(0, None), 0);
    assert_eq!(open.forget(202, None), 1);
    assert_eq!(open.history("lobby", Before::Now, 9), (vec![], false));
    // Also from the file, little by little.
    let mut rounds = 0;
    while ["zanzibar", "quagmire", "xylophone"].iter().any(|text| holds(folder.path(), text)) {
        assert!(rounds < PATIENCE.as_millis() / 10, "something is still in the file");
        rounds += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    open.stop();
    let open = Open::new(&folder.file("chat.db"));
    assert_eq!(open.kept, Kept { last_id: 2004, ..Kept::default() });
    open.stop();
    assert_eq!(examine(&folder.file("chat.db")), ("ok".to_owned(), 0));
}

#[test]
fn what_is_too_old_goes_and_the_file_shrinks() {
    let folder = Folder::new("keep");
    let mut settings = settings(&folder.file("chat.db"));
    let name = |name| Nickname::parse(name).unwrap();
    settings.keep = Keep::Days(90);
    settings.keep_rooms = vec![
        (name("Ops"), Keep::Days(10)),
        (name("news"), Keep::Forever),
        (name("quiet"), Keep::Days(0)),
    ];
    let mut open = Open::with(&settings, NOW).unwrap();
    for day in 0..100_u64 {
        for (number, room) in ["lobby", "ops", "news", "quiet"].into_iter().enumerate() {
            for n in 0..5 {
                let id = day * 100 + number as u64 * 10 + n + 1;
                let text = format!("{room} {} {}", day, "words ".repeat(50));
                let mut record = line(id, room, "alice", &text);
                if let Record::Said { said, .. } = &mut record {
                    said.unix_seconds = NOW - (100 - day) * DAY;
                }
                open.record(record);
            }
        }
        open.settle();
    }
    open.record(topic(99_999, "quiet", "alice", "hush"));
    open.stop();
    let before = fs::metadata(folder.file("chat.db")).unwrap().len();
    let mut open = Open::with(&settings, NOW).unwrap();
    let counts = |open: &mut Open| {
        let rooms = ["lobby", "ops", "news", "quiet"];
        rooms.map(|room| open.all(room).len())
    };
    // It happens when nothing else is to be done.
    wait_until(|| counts(&mut open) == [450, 50, 500, 0]);
    // Later.
    open.archive.set_keep(Keep::Days(1), &[]);
    open.archive.set_time(NOW + 10 * DAY);
    wait_until(|| counts(&mut open) == [0; 4]);
    wait_until(|| fs::metadata(folder.file("chat.db")).unwrap().len() < before / 4);
    open.stop();
    assert_eq!(examine(&folder.file("chat.db")), ("ok".to_owned(), 0));
}

/// Waits until something is so that is done in another thread.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it did not become so");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_in_one_sentence() {
    let folder = Folder::new("refused");
    let file = folder.file("chat.db");
    let check = |file: &Path, expected: &str| {
        let error = Open::with(&settings(file), NOW).map(drop).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains(expected), "{sentence}");
        assert!(sentence.contains(&*file.to_string_lossy()) && !sentence.contains('\n'));
        error.why
    };
    assert_eq!(check(folder.path(), "not a regular file"), Unusable::NotAFile);
    assert_eq!(check(&folder.file("no/chat.db"), "no such file or folder"), Unusable::Missing);
    for text in ["x", "hello\n", &"some text\n".repeat(1000)] {
        fs::write(&file, text).unwrap();
        assert_eq!(check(&file, "not a file of chinwag"), Unusable::Foreign);
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "it is not touched");
        fs::remove_file(&file).unwrap();
    }
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(other);
    assert_eq!(check(&file, "not a file of chinwag"), Unusable::Foreign);
    fs::remove_file(&file).unwrap();

    // An empty file is one that was to be made.
    fs::write(&file, "").unwrap();
    let mut open = Open::new(&file);
    assert_eq!(check(&file, "another server uses it"), Unusable::Locked);
    #[cfg(unix)]
    {
        let link = folder.file("link.db");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(check(&link, "another server uses it"), Unusable::Locked);
    }
    for id in 1..2000 {
        open.says(id, "lobby", "alice", "something that is said in the lobby");
    }
    open.stop();
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(connection);
    assert_eq!(check(&file, "a newer chinwag has written it"), Unusable::Newer(99, 3));
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA user_version = 3").unwrap();
    drop(connection);
    let mut rights = fs::metadata(&file).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&file, rights.clone()).unwrap();
    assert_eq!(check(&file, "it is read-only"), Unusable::ReadOnly);
    #[expect(clippy::permissions_set_readonly_false, reason = "it is in a folder of our own")]
    rights.set_readonly(false);
    fs::set_permissions(&file, rights).unwrap();
    let bytes = fs::read(&file).unwrap();
    for length in [1, 50, 99, 100, 4095, 4096, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&file, &bytes[..length]).unwrap();
        match Open::with(&settings(&file), NOW) {
            Ok(_) => panic!("cut to {length} bytes, it is taken"),
            Err(OpenError { why: Unusable::Damaged(_) | Unusable::Foreign, .. }) => {}
            Err(error) => panic!("cut to {length} bytes: {error}"),
        }
        assert_eq!(fs::read(&file).unwrap(), &bytes[..length], "it is not touched");
    }
    fs::write(&file, bytes).unwrap();
    Open::new(&file).stop();
}

/// What an export gives, line by line.
fn exported(file: &Path, room: Option<&str>, after: Option<u64>) -> Vec<String> {
    let mut out = Vec::new();
    let count = transfer::export(file, room, after, &mut out).unwrap();
    let lines: Vec<_> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, count);
    lines
}

/// What comes at the end of an export: an emote with odd characters, and a notice.
fn emote_and_notice() -> [Said; 2] {
    let said = Said {
        id: 2502,
        unix_seconds: NOW,
        from: "bob".to_owned(),
        text: "\"quoted\" \u{1f44b}".to_owned(),
        emote: true,
        ..Said::default()
    };
    let noted = Said {
        id: 2503,
        millis: 7,
        text: "noted".to_owned(),
        emote: false,
        notice: true,
        mask: "bob@host".to_owned(),
        ..said.clone()
    };
    [said, noted]
}

#[test]
fn an_archive_is_exported_while_a_server_writes_and_imported_as_it_was() {
    let folder = Folder::new("export");
    let mut open = Open::new(&folder.file("chat.db"));
    for id in 1..=2500 {
        open.says(id, if id % 2 == 0 { "lobby" } else { "ops" }, "alice", &format!("line {id}"));
    }
    open.record(topic(2501, "ops", "bob", "the deploy"));
    for said in emote_and_notice() {
        let (room, account) = ("lobby".to_owned(), Some("robert".to_owned()));
        open.record(Record::Said { said, room, author: 2490, account });
    }
    open.settle();
    let lines = exported(&folder.file("chat.db"), None, None);
    assert_eq!(lines.len(), 2503);
    let expected = format!(
        r#"{{"id":2503,"at":{NOW},"millis":7,"room":"lobby","kind":"notice","from":"bob","#
    ) + r#""author":2490,"account":"robert","mask":"bob@host","text":"noted"}"#;
    assert_eq!(lines[2502], expected);
    let expected =
        format!(r#"{{"id":1,"at":{},"room":"ops","kind":"said","from":"alice","#, NOW + 60)
            + r#""author":1,"mask":"web@nowhere","text":"line 1"}"#;
    assert_eq!(lines[0], expected);
    assert_eq!(exported(&folder.file("chat.db"), Some("#OPS"), None).len(), 1251);
    assert_eq!(exported(&folder.file("chat.db"), None, Some(NOW + 2401 * 60)).len(), 101);
    let missing = transfer::export(&folder.file("chat.db"), Some("none"), None, &mut Vec::new());
    assert!(matches!(missing, Err(TransferError::Room(_))));

    let lobby = Nickname::parse("lobby").unwrap();
    let import = |file: &Path, text: &str| transfer::import(file, &lobby, &mut text.as_bytes());
    let text = lines.join("\n");
    assert!(
        matches!(import(&folder.file("chat.db"), &text), Err(TransferError::Open(_))),
        "in use"
    );
    open.stop();
    let copy = folder.file("copy.db");
    assert_eq!(import(&copy, &text).unwrap(), Imported { taken: 2503, known: 0, skipped: 0 });
    assert_eq!(import(&copy, &text).unwrap(), Imported { taken: 0, known: 2503, skipped: 0 });
    assert_eq!(exported(&copy, None, None), lines);
    assert_eq!(examine(&copy), ("ok".to_owned(), 2502));
    // What has no number, or one that is not free, comes at the end.
    let log = "[2020-01-01 10:00:00] carol: old\n[2020-01-01 10:00:01]  * dave joined.\n\
               2020-01-01 10:00:02\t+erin\tolder\n";
    assert_eq!(import(&copy, log).unwrap(), Imported { taken: 2, known: 0, skipped: 1 });
    let huge = lines[0].replace(r#""id":1,"#, r#""id":9223372036854775807,"#);
    let forged = lines[0].replace("web@nowhere", "web@nowhere PRIVMSG");
    for (line, why) in [(huge, "a number that is too high"), (forged, "a host that cannot be")] {
        let error = import(&copy, &line).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let error = import(&copy, "what is this\n").unwrap_err();
    assert!(matches!(error, TransferError::Line(1, _)), "{error}");
    let mut open = Open::new(&copy);
    assert_eq!(open.kept.last_id, 2505);
    assert_eq!(open.search("from:carol before:2021-01-01"), [2504]);
    assert_eq!(open.search("from:erin"), [2505]);
    open.stop();
}

#[test]
fn a_name_or_a_time_is_forgotten_while_a_server_uses_the_file() {
    let folder = Folder::new("forget-by-hand");
    let mut open = Open::new(&folder.file("chat.db"));
    for id in 1..=1000 {
        open.says(id, "lobby", ["Alice", "b0b", "bob", "alice"][id as usize % 4], "narwhal");
    }
    open.record(topic(1001, "lobby", "ALICE", "narwhal"));
    open.settle();
    let forget = |what| transfer::forget(&folder.file("chat.db"), &what).unwrap();
    assert_eq!(forget(Forget::Name("alice".to_owned())), 500);
    assert_eq!(open.history("lobby", Before::Now, 1000).0.len(), 500);
    assert_eq!(open.search("from:alice"), [0; 0]);
    assert_eq!(open.search("narwhal from:bob")[..2], [998, 997]);
    assert_eq!(forget(Forget::Name("alice".to_owned())), 0);
    // Somebody comes again under a name that was forgotten.
    open.says(1002, "lobby", "alice", "back");
    assert_eq!(open.search("from:alice"), [1002]);
    assert_eq!(forget(Forget::Before(NOW + 600 * 60)), 300);
    let ids = open.history("lobby", Before::Now, 1000).0;
    assert_eq!((ids.len(), ids[0]), (201, 601));
    assert_eq!(forget(Forget::Before(NOW + DAY)), 201);
    open.stop();
    assert!(!holds(folder.path(), "narwhal") && !holds(folder.path(), "alice"));
    assert_eq!(examine(&folder.file("chat.db")), ("ok".to_owned(), 0));
}

#[test]
fn nobody_waits_when_nothing_can_be_written() {
    let folder = Folder::new("busy");
    let mut open = Open::new(&folder.file("chat.db"));
    open.says(1, "lobby", "alice", "hi");
    open.settle();
    // Another program writes, and does not end.
    let other = Connection::open(folder.file("chat.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (lines, long) = (20_000, "x".repeat(1000));
    for id in 2..2 + lines {
        open.says(id, "lobby", "alice", &long);
    }
    let health = open.archive.health();
    assert_eq!(health.waiting as u64 + health.lost, lines);
    assert!((3000..4 << 10).contains(&health.waiting), "4 MiB: {}", health.waiting);
    assert_eq!(open.archive.health().written, 1);
    other.execute_batch("COMMIT").unwrap();
    open.settle();
    assert_eq!(open.archive.health().written, 1 + health.waiting as u64);
    open.stop();
    // And of short lines, so many.
    let mut open = Open::new(&folder.file("chat.db"));
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut records: Vec<_> = (100_000..120_000).map(|id| line(id, "lobby", "al", "x")).collect();
    open.archive.record(&mut records);
    assert_eq!((records.len(), open.archive.health().waiting), (0, 8192));
    assert_eq!(open.archive.stop(Duration::ZERO), 8192, "and the stop does not wait for longer");
    other.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_log_of_changes_that_is_cut_off_costs_only_its_end() {
    let folder = Folder::new("cut");
    let mut open = Open::new(&folder.file("chat.db"));
    for id in 1..=100 {
        open.says(id, "lobby", "alice", "hi");
        open.settle();
    }
    let copy = folder.file("copy.db");
    let wal = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
    let changes = fs::read(wal(&folder.file("chat.db"))).unwrap();
    let file = fs::read(folder.file("chat.db")).unwrap();
    open.stop();
    let mut before = 0;
    for length in [0, 1, 32, 4096, changes.len() / 2, changes.len() - 1, changes.len()] {
        fs::write(&copy, &file).unwrap();
        fs::write(wal(&copy), &changes[..length]).unwrap();
        let open = Open::new(&copy);
        let last = open.kept.last_id;
        assert!(last >= before, "{length} bytes: {last} lines");
        before = last;
        open.stop();
        assert_eq!(examine(&copy), ("ok".to_owned(), last as i64), "{length} bytes");
    }
    assert_eq!(before, 100);
}

/// Not a test, but the process that `a_kill_at_any_moment_…` kills.
#[test]
fn a_process_that_writes() {
    let Some(file) = env::var_os("CHINWAG_TEST_ARCHIVE") else { return };
    let mut open = Open::new(Path::new(&file));
    let mut id = open.kept.last_id;
    let before = id;
    let mut banned: Vec<u64> = open.kept.sanctions.iter().map(|sanction| sanction.id).collect();
    loop {
        for _ in 0..20 {
            id += 1;
            open.says(id, "lobby", "alice", &format!("this is line {id}"));
        }
        // One sanction takes the place of another, and an act says so.
        open.record(Record::Sanction(sanction(id, SanctionKind::Ban, "mallory", None)));
        banned.drain(..).for_each(|id| open.record(Record::Lifted(id)));
        banned.push(id);
        open.record(Record::Act(act(id, "ban", "mallory")));
        let health = open.archive.health();
        println!("written {}", before + health.written);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_kill_at_any_moment_costs_only_what_was_not_written() {
    let folder = Folder::new("kill");
    let mut rng = fastrand::Rng::with_seed(3);
    for round in 0..20 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_process_that_writes", "--nocapture"])
            .env("CHINWAG_TEST_ARCHIVE", folder.file("chat.db"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut written, mut lines) = (0, rng.u32(..400));
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(count) = line.unwrap().strip_prefix("written ").map(str::to_owned) else {
                continue;
            };
            written = count.parse::<i64>().unwrap();
            lines = lines.saturating_sub(1);
            if lines == 0 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut open = Open::new(&folder.file("chat.db"));
        let last = open.kept.last_id as i64;
        assert!(last >= written, "round {round}: {written} were written, {last} are there");
        assert!(
            open.all("lobby").into_iter().eq(1..=last as u64),
            "round {round}: a line is missing"
        );
        assert_eq!(open.search(&format!("{last}")), [last as u64]);
        // Twenty lines, a ban instead of the one before, an act: perhaps cut off somewhere.
        let acted = open.acts(1).first().map_or(0, |act| act.at as i64);
        assert!((acted..=acted + 40).contains(&last), "round {round}: {acted} of {last}");
        let banned: Vec<_> = open.kept.sanctions.iter().map(|it| it.id as i64).collect();
        let is_so = matches!(*banned, [.., one] if banned.len() <= 2 && one >= acted);
        assert!(is_so || (acted == 0 && banned.is_empty()), "round {round}: {acted}, {banned:?}");
        open.stop();
        assert_eq!(examine(&folder.file("chat.db")), ("ok".to_owned(), last), "round {round}");
    }
}
