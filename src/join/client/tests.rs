//! The client in the course of a connection, as transcripts: what the server tells, what is typed,
//! what is sent, what is seen. No socket, no terminal; the time is what a test says.

use std::time::{Duration, Instant};

use chinwag::Now;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::Identity;
use super::super::link::End;
use super::super::message::ServerMessage;
use super::super::settings::{Settings, Switch};
use super::super::words::Lang;
use super::{Act, Client};

/// 2023-11-14 22:13:20 UTC.
const START: u64 = 1_700_000_000;

/// A client with its clock.
struct Sitting {
    client: Client,
    now: Now,
}

impl Sitting {
    /// Alice is in the lobby, where bob has said one thing.
    fn new() -> Sitting {
        let now = Now { instant: Instant::now(), unix_seconds: START };
        let identity = Identity { nick: Some("alice".to_owned()), ..Identity::default() };
        let settings = Settings { time: Switch::Off, ..Settings::default() };
        let client = Client::new(Lang::En, settings, identity, Vec::new(), (TimeZone::UTC, now, 1));
        let mut sitting = Sitting { client, now };
        assert_eq!(sitting.acts(), [Act::Connect]);
        sitting.opens();
        assert_eq!(sitting.sent(), [json!({"type": "nick", "name": "alice"})]);
        sitting.welcome(10, &[("say", "bob", "hi", 9)]);
        sitting
    }

    fn opens(&mut self) {
        self.client.handle_open(self.now);
        self.told(&json!({"type": "ask", "motd": [], "line_bytes_max": 100}));
    }

    fn entered(id: u64, lines: &[(&str, &str, &str, u64)]) -> Value {
        let line = |&(kind, from, text, id): &(&str, &str, &str, u64)| {
            let at = START;
            json!({"type": kind, "from": from, "text": text, "at": at, "id": id})
        };
        let history: Vec<_> = lines.iter().map(line).collect();
        json!({"room": "#lobby", "members": ["alice", "bob"], "count": 2, "id": id,
            "history": history})
    }

    fn welcome(&mut self, id: u64, lines: &[(&str, &str, &str, u64)]) {
        let mut welcome = Self::entered(id, lines);
        welcome["type"] = json!("welcome");
        welcome["name"] = json!("alice");
        welcome["token"] = json!("t1");
        self.told(&welcome);
    }

    fn resumed(&mut self, id: u64, gap: bool, lines: &[(&str, &str, &str, u64)]) {
        let mut room = Self::entered(id, lines);
        room["gap"] = json!(gap);
        self.told(&json!({"type": "resumed", "name": "alice", "token": "t2", "rooms": [room]}));
    }

    fn told(&mut self, message: &Value) {
        let message = ServerMessage::parse(&message.to_string()).unwrap();
        self.client.handle_message(message, self.now);
    }

    fn says(&mut self, from: &str, text: &str, id: u64, seconds: u64) {
        let at = START + seconds;
        self.told(&json!({"type": "say", "from": from, "text": text, "at": at, "id": id,
            "room": "#lobby"}));
    }

    fn shows(&mut self, room: char) {
        let key = KeyEvent::new(KeyCode::Char(room), KeyModifiers::ALT);
        self.client.handle_key(key, (60, 20), self.now);
    }

    /// The server lets us into another room.
    fn comes_into(&mut self, room: &str) {
        self.told(&json!({"type": "welcome", "name": "alice", "room": room, "members": ["alice"],
            "count": 1, "id": 20, "history": []}));
    }

    fn refuses(&mut self, why: &str) {
        let text = json!({"en": "no", "zh": "不"});
        self.told(&json!({"type": "refused", "why": why, "text": text}));
    }

    fn types(&mut self, line: &str) {
        for letter in line.chars() {
            self.press(KeyCode::Char(letter));
        }
        self.press(KeyCode::Enter);
    }

    fn press(&mut self, code: KeyCode) {
        self.client.handle_key(KeyEvent::new(code, KeyModifiers::NONE), (60, 20), self.now);
    }

    fn passes(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.unix_seconds += seconds;
        self.client.handle_time(self.now);
    }

    fn loses(&mut self) {
        self.client.handle_end(End::Lost("cut".to_owned()), self.now);
    }

    /// What is to be done, but for what is kept in files.
    fn acts(&mut self) -> Vec<Act> {
        let acts = self.client.poll_acts();
        acts.into_iter().filter(|act| !matches!(act, Act::Log { .. })).collect()
    }

    fn sent(&mut self) -> Vec<Value> {
        let sent = |act| if let Act::Send(message) = act { Some(message) } else { None };
        self.acts().into_iter().filter_map(sent).collect()
    }

    /// The log as it is to be seen.
    fn log(&self) -> Vec<String> {
        let frame = self.client.frame(60, 40);
        let rows = frame.rows.iter().take(38);
        let text = |row: &Vec<super::super::screen::Span>| {
            row.iter().map(|span| &*span.text).collect::<String>()
        };
        rows.map(text).filter(|row| !row.is_empty()).collect()
    }
}

#[test]
fn what_is_said_is_marked_until_it_is_confirmed_whichever_comes_first() {
    let mut sitting = Sitting::new();
    sitting.types("one");
    sitting.types("//etc");
    let message = |text, key| json!({"type": "say", "text": text, "room": "#lobby", "key": key});
    assert_eq!(sitting.sent(), [message("one", "c1"), message("//etc", "c2")]);
    assert_eq!(sitting.log()[2..], ["alice: one …", "alice: /etc …"]);
    sitting.told(&json!({"type": "ack", "key": "c1", "id": 11}));
    sitting.says("alice", "one", 11, 0);
    sitting.says("alice", "/etc", 12, 0);
    sitting.told(&json!({"type": "ack", "key": "c2", "id": 12}));
    assert_eq!(sitting.log()[2..], ["alice: one", "alice: /etc"]);
    // The server may have taken something out of it.
    sitting.types("a    b");
    sitting.says("alice", "a b", 13, 0);
    sitting.told(&json!({"type": "ack", "key": "c3", "id": 13}));
    assert_eq!(sitting.log()[4..], ["alice: a b"]);
    sitting.types("\u{2800}");
    assert_eq!(sitting.log().len(), 5, "what says nothing has no answer");
}

#[test]
fn a_private_message_that_was_sent_is_one_row_and_keeps_its_key() {
    let mut sitting = Sitting::new();
    sitting.types("/msg bob psst");
    assert_eq!(sitting.sent(), [json!({"type": "msg", "to": "bob", "text": "psst", "key": "c1"})]);
    assert_eq!(sitting.log()[2..], ["[you -> bob] psst …"]);
    sitting.told(&json!({"type": "sent", "to": "bob", "text": "psst", "at": START}));
    sitting.told(&json!({"type": "ack", "key": "c1", "id": 11}));
    assert_eq!(sitting.log()[2..], ["[you -> bob] psst"]);
}

#[test]
fn what_was_refused_stands_in_the_input_again_where_it_was_typed_if_that_is_empty() {
    let mut sitting = Sitting::new();
    let text = json!({"en": "no", "zh": "不"});
    let refused = |key: &str| json!({"type": "refused", "why": "nobody", "key": key, "text": text});
    for (typed, key) in [("/msg carol psst", "c1"), ("/me waves", "c2"), ("//etc", "c3")] {
        sitting.types(typed);
        sitting.told(&refused(key));
        assert_eq!(sitting.client.editor.value(), typed);
        assert_eq!(sitting.log().last().unwrap(), "! no");
        sitting.client.editor.set(String::new());
    }
    // What is being typed stays; the line is among those that were typed.
    sitting.types("/msg carol again");
    sitting.press(KeyCode::Char('h'));
    sitting.told(&refused("c4"));
    assert_eq!(sitting.client.editor.value(), "h");
    sitting.press(KeyCode::Up);
    assert_eq!(sitting.client.editor.value(), "/msg carol again");
    sitting.client.editor.set(String::new());
    // In another room it waits until that is shown.
    sitting.types("hello");
    sitting.comes_into("#ops");
    sitting.told(&refused("c5"));
    assert_eq!(sitting.client.editor.value(), "");
    sitting.shows('1');
    assert_eq!(sitting.client.editor.value(), "hello");
}

#[test]
fn what_was_typed_without_a_connection_is_said_also_after_a_restart() {
    let mut sitting = Sitting::new();
    sitting.types("heard by nobody knows whom");
    sitting.loses();
    sitting.types("later");
    sitting.types("/msg bob psst");
    sitting.acts();
    sitting.opens();
    sitting.refuses("token");
    assert_eq!(sitting.sent()[1..], [json!({"type": "nick", "name": "alice"})]);
    sitting.welcome(900, &[]);
    let said = json!({"type": "say", "text": "later", "room": "#lobby", "key": "c2"});
    let told = json!({"type": "msg", "to": "bob", "text": "psst", "key": "c3"});
    assert_eq!(sitting.sent(), [said, told]);
    let log = sitting.log();
    assert!(log[3].starts_with("? heard by nobody knows whom (not confirmed"), "{log:?}");
    assert_eq!(log[log.len() - 2..], ["alice: later …", "[you -> bob] psst …"]);
    // Nobody can tell any more, now that it was sent.
    sitting.loses();
    sitting.opens();
    sitting.refuses("token");
    sitting.acts();
    sitting.welcome(1900, &[]);
    assert_eq!(sitting.sent(), [] as [Value; 0]);
}

#[test]
fn a_line_feed_ends_a_line_as_enter_does() {
    let mut sitting = Sitting::new();
    for letter in "hi".chars() {
        sitting.press(KeyCode::Char(letter));
    }
    let control_j = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::CONTROL);
    sitting.client.handle_key(control_j, (60, 20), sitting.now);
    assert_eq!(sitting.sent()[0]["text"], "hi");
}

#[test]
fn where_there_is_no_history_that_is_told() {
    let mut sitting = Sitting::new();
    sitting.told(&json!({"type": "history", "room": "#lobby", "lines": [], "more": false}));
    assert_eq!(sitting.log()[2..], ["* Nothing was found."]);
}

fn join(room: &str) -> Value {
    json!({"type": "join", "room": room, "key": format!("join {room}")})
}

#[test]
fn what_is_typed_after_join_is_for_that_room() {
    let mut sitting = Sitting::new();
    for line in ["/join ops", "hello", "/topic tea", "/join dev", "there"] {
        sitting.types(line);
    }
    sitting.client.handle_paste("/pasted\nhal", sitting.now);
    assert_eq!(sitting.sent(), [join("#ops")]);
    assert_eq!(
        sitting.log()[2..],
        ["hello …", "/topic tea …", "/join dev …", "there …", "//pasted …"]
    );
    sitting.comes_into("#ops");
    let message = |text, room, key| json!({"type": "say", "text": text, "room": room, "key": key});
    let topic = json!({"type": "say", "text": "/topic tea", "room": "#ops"});
    assert_eq!(sitting.sent(), [message("hello", "#ops", "c1"), topic, join("#dev")]);
    assert_eq!(sitting.client.editor.value(), "hal");
    sitting.press(KeyCode::Char('f'));
    sitting.press(KeyCode::Enter);
    sitting.comes_into("#dev");
    let expected = [("there", "c2"), ("//pasted", "c3"), ("half", "c4")];
    assert_eq!(sitting.sent(), expected.map(|(text, key)| message(text, "#dev", key)));
    sitting.shows('1');
    assert_eq!((sitting.client.editor.value(), sitting.log().len()), ("", 2));
}

#[test]
fn what_waits_for_a_room_is_given_back_if_one_may_not_come_in() {
    let mut sitting = Sitting::new();
    for line in ["/join ops", "one", "two", "three"] {
        sitting.types(line);
    }
    sitting.told(&json!({"type": "refused", "why": "invite_only", "key": "join #ops",
        "text": {"en": "Not you.", "zh": "不"}}));
    assert_eq!(sitting.sent(), [join("#ops")]);
    assert_eq!(sitting.client.editor.value(), "one");
    assert_eq!(sitting.log()[2..], ["! 2 more lines were not said.", "! Not you."]);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.sent()[0]["room"], "#lobby");
}

#[test]
fn what_waits_for_a_room_waits_also_over_a_cut_and_for_nothing_else() {
    let mut sitting = Sitting::new();
    sitting.comes_into("#dev");
    sitting.types("/join ops sesame");
    sitting.types("one");
    let mut asked = join("#ops");
    asked["text"] = json!("sesame");
    assert_eq!(sitting.sent(), [asked.clone()]);
    sitting.shows('1');
    sitting.types("here");
    assert_eq!(sitting.sent()[0]["room"], "#lobby");
    sitting.loses();
    sitting.opens();
    sitting.acts();
    sitting.resumed(20, false, &[]);
    assert_eq!(sitting.sent()[1..], [asked]);
    sitting.comes_into("#ops");
    assert_eq!(sitting.sent()[0]["room"], "#ops");
    // Whoever leaves is not held up.
    sitting.types("/join slow");
    sitting.types("/quit");
    assert_eq!(sitting.sent()[1], json!({"type": "quit", "text": ""}));
}

#[test]
fn after_a_cut_nothing_is_shown_or_said_twice() {
    let mut sitting = Sitting::new();
    sitting.types("heard");
    sitting.types("not heard");
    sitting.acts();
    sitting.loses();
    sitting.passes(1);
    assert_eq!(sitting.acts(), [Act::Connect]);
    sitting.opens();
    let rooms = json!({"#lobby": 10});
    assert_eq!(sitting.sent(), [json!({"type": "resume", "token": "t1", "rooms": rooms})]);
    let missed =
        [("say", "bob", "hi", 9), ("say", "alice", "heard", 11), ("say", "bob", "alice?", 12)];
    sitting.resumed(12, false, &missed);
    let again = json!({"type": "say", "text": "not heard", "room": "#lobby", "key": "c2"});
    let acts = sitting.acts();
    assert!(acts.contains(&Act::Ring), "{acts:?}");
    assert!(acts.contains(&Act::Send(again)), "{acts:?}");
    let expected = [
        "* There was no connection from 22:13 to 22:13.",
        "── 1 missed ──",
        "alice: heard",
        "bob: alice?",
        "alice: not heard …",
    ];
    assert_eq!(sitting.log()[2..], expected);
    sitting.says("bob", "alice?", 12, 0);
    assert_eq!(sitting.log()[2..], expected);
}

#[test]
fn what_the_server_no_longer_has_is_a_gap_and_no_count() {
    let mut sitting = Sitting::new();
    sitting.loses();
    sitting.opens();
    sitting.resumed(90, true, &[("say", "bob", "late", 90)]);
    assert_eq!(sitting.log()[3..], ["── more was missed than the server has ──", "bob: late"]);
}

#[test]
fn after_a_restart_it_is_told_if_the_archive_has_more() {
    for (lines, rules) in [
        (&[("say", "bob", "hi", 9), ("say", "bob", "late", 90)][..], "── 1 missed ──"),
        (&[("say", "bob", "late", 90)][..], "── more was missed: /history 1000 ──"),
    ] {
        let sitting = back_after_a_restart(95, lines);
        assert_eq!(sitting.log()[3..], [rules, "bob: late"]);
    }
}

/// Alice comes back to a server that was restarted and has all that was said.
fn back_after_a_restart(id: u64, lines: &[(&str, &str, &str, u64)]) -> Sitting {
    let mut sitting = Sitting::new();
    sitting.loses();
    sitting.opens();
    sitting.refuses("token");
    sitting.acts();
    let mut welcome = Sitting::entered(id, lines);
    welcome["type"] = json!("welcome");
    welcome["name"] = json!("alice");
    welcome["kept"] = json!(true);
    sitting.told(&welcome);
    sitting
}

fn history(before: u64, more: bool, lines: &[(&str, &str, &str, u64)]) -> Value {
    json!({"type": "history", "room": "#lobby", "key": format!("missed {before}"), "more": more,
        "lines": Sitting::entered(0, lines)["history"]})
}

#[test]
fn after_a_restart_what_was_missed_is_fetched_and_stands_below_its_rule() {
    let mut sitting = back_after_a_restart(95, &[("say", "bob", "late", 90)]);
    let asked = |before: u64| {
        json!({"type": "history", "room": "#lobby", "before": before, "count": 100,
            "key": format!("missed {before}")})
    };
    assert_eq!(sitting.sent(), [asked(90)]);
    sitting.says("bob", "meanwhile", 96, 0);
    let two = [("say", "alice", "of mine", 80), ("me", "bob", "looks for alice", 81)];
    sitting.told(&history(90, true, &two));
    let acts = sitting.client.poll_acts();
    assert!(acts.contains(&Act::Ring) && acts.contains(&Act::Send(asked(80))), "{acts:?}");
    let logged = acts.iter().filter(|act| matches!(act, Act::Log { .. })).count();
    assert_eq!(logged, 2, "each line of others once: {acts:?}");
    assert!(sitting.log()[3].starts_with("── more was missed"), "{:?}", sitting.log());
    sitting.told(&history(80, true, &[("say", "bob", "hi", 9), ("say", "bob", "early", 70)]));
    assert_eq!(sitting.sent(), [] as [Value; 0]);
    let expected = [
        "── 3 missed ──",
        "bob: early",
        "alice: of mine",
        "** bob looks for alice",
        "bob: late",
        "bob: meanwhile",
    ];
    assert_eq!(sitting.log()[3..], expected);
    sitting.says("bob", "last", 97, 0);
    assert_eq!(sitting.log()[9..], ["bob: last"]);
}

#[test]
fn where_nothing_was_missed_after_a_restart_there_is_no_rule() {
    let mut sitting = back_after_a_restart(95, &[]);
    assert_eq!(sitting.sent()[0]["before"], 96);
    sitting.told(&history(96, false, &[("say", "bob", "hi", 9)]));
    assert_eq!(sitting.log()[1..].len(), 2, "{:?}", sitting.log());
}

#[test]
fn what_the_server_does_not_find_is_left_to_be_asked_for() {
    let mut sitting = back_after_a_restart(95, &[("say", "bob", "late", 90)]);
    sitting.acts();
    let text = json!({"en": "The archive has failed.", "zh": ""});
    sitting.told(&json!({"type": "refused", "why": "archive_failed", "text": text,
        "key": "missed 90"}));
    assert_eq!(sitting.log()[3..], ["── more was missed: /history 1000 ──", "bob: late"]);
    // Nor is asked without end for what is too much.
    let mut sitting = back_after_a_restart(5000, &[("say", "bob", "late", 4990)]);
    let mut questions = 0;
    while let [question] = &*sitting.sent() {
        let before = question["before"].as_u64().unwrap();
        sitting.told(&history(before, true, &[("say", "bob", "one", before - 1)]));
        questions += 1;
    }
    assert_eq!(questions, 20);
    assert!(sitting.log().contains(&"── more was missed: /history 1000 ──".to_owned()));
}

#[test]
fn an_outage_is_one_line_that_counts_down_however_often_one_tries() {
    let mut sitting = Sitting::new();
    for _ in 0..25 {
        sitting.loses();
        let about = |rows: Vec<String>| rows.iter().filter(|it| it.contains("connection")).count();
        assert_eq!(about(sitting.log()), 1);
        sitting.passes(40);
    }
    assert!(sitting.acts().iter().all(|act| *act == Act::Connect));
    sitting.loses();
    let row = sitting.log().pop().unwrap();
    let seconds = row.split(' ').nth_back(1).unwrap().parse::<u64>().unwrap();
    assert!((18..=33).contains(&seconds), "{row}");
    sitting.passes(2);
    assert!(sitting.log().pop().unwrap().contains(&format!("{} s", seconds - 2)));
}

#[test]
fn who_comes_back_too_late_has_the_name_again_and_is_offered_what_is_unsure() {
    let mut sitting = Sitting::new();
    sitting.types("/me waves");
    sitting.loses();
    sitting.opens();
    sitting.acts();
    sitting.refuses("token");
    assert_eq!(sitting.sent(), [json!({"type": "nick", "name": "alice"})]);
    sitting.refuses("taken");
    assert_eq!(sitting.sent(), [] as [Value; 0], "our own lost connection may have it");
    sitting.passes(4);
    assert_eq!(sitting.sent(), [json!({"type": "nick", "name": "alice"})]);
    sitting.welcome(50, &[]);
    assert!(sitting.log()[3].starts_with("? /me waves (not confirmed; /again "));
    sitting.acts();
    sitting.types("/again");
    let again = json!({"type": "me", "text": "waves", "room": "#lobby", "key": "c2"});
    assert_eq!(sitting.sent(), [again]);
    assert_eq!(sitting.log().last().unwrap(), "** alice waves …");
}

#[test]
fn a_silent_server_is_given_up_within_30_seconds() {
    let mut sitting = Sitting::new();
    let noticed = (1..).find(|_| {
        sitting.passes(1);
        sitting.acts().contains(&Act::Drop)
    });
    assert!(noticed.unwrap() <= 30, "{noticed:?}");
    let mut sitting = Sitting::new();
    for _ in 0..100 {
        sitting.passes(1);
        for act in sitting.acts() {
            let Act::Ping(number) = act else { panic!("{act:?}") };
            sitting.client.handle_pong(number, sitting.now);
        }
    }
}

#[test]
fn a_question_does_not_take_what_was_being_typed() {
    let mut sitting = Sitting::new();
    sitting.loses();
    for letter in "half".chars() {
        sitting.press(KeyCode::Char(letter));
    }
    sitting.client.handle_open(sitting.now);
    sitting.acts();
    sitting.told(&json!({"type": "login", "name": "alice"}));
    assert_eq!(sitting.client.frame(60, 4).rows[3][0].text, "Password of alice: ");
    sitting.types("secret");
    assert_eq!(sitting.sent(), [json!({"type": "password", "text": "secret"})]);
    assert_eq!(sitting.client.editor.value(), "half");
}

#[test]
fn days_have_a_rule_and_older_lines_come_before_all() {
    let mut sitting = Sitting::new();
    sitting.says("bob", "night", 11, 24 * 60 * 60);
    assert_eq!(sitting.log()[2..], ["── Wednesday, 15 November 2023 ──", "bob: night"]);
    let older = json!({"type": "say", "from": "bob", "text": "long ago", "at": 0, "id": 3});
    let key = sitting.client.rooms[0].older_key();
    sitting.told(&json!({"type": "history", "room": "#lobby", "lines": [older], "more": false,
        "key": key}));
    let log = sitting.log();
    assert_eq!(log[..2], ["── Thursday, 1 January 1970 ──", "bob: long ago"]);
    assert_eq!(log[2..4], ["── Tuesday, 14 November 2023 ──", "bob: hi"]);
}

#[test]
fn a_line_that_is_too_long_or_has_no_place_stays_to_be_typed() {
    let mut sitting = Sitting::new();
    let long = "x".repeat(101);
    sitting.types(&long);
    assert_eq!(sitting.client.editor.value(), long);
    assert_eq!(sitting.log()[2], "! This line has 101 bytes, and may have 100.");
    sitting.client.editor.set(String::new());
    sitting.told(&json!({"type": "part", "room": "#lobby"}));
    sitting.types("hi");
    assert_eq!(sitting.client.editor.value(), "hi");
    assert_eq!(sitting.sent(), [] as [Value; 0]);
}

#[test]
fn of_a_paste_that_cannot_be_said_it_is_told_how_much_was_not() {
    let mut sitting = Sitting::new();
    let long = "x".repeat(101);
    sitting.client.handle_paste(&format!("one\n{long}\ntwo\nthree\n"), sitting.now);
    assert_eq!(sitting.sent().len(), 1);
    assert_eq!(sitting.client.editor.value(), long);
    let told = "! 2 more lines were not said.".to_owned();
    assert!(sitting.log().contains(&told), "{:?}", sitting.log());
}

#[test]
fn help_is_of_the_client() {
    let mut sitting = Sitting::new();
    let both = |text: &str| json!({"en": text, "zh": text});
    let commands =
        [("/quit [REASON]", "leave; also /exit, quit and exit"), ("/rooms", "the rooms")];
    let commands = commands.map(|(form, purpose)| {
        json!({"form": both(form),
        "purpose": both(purpose)})
    });
    sitting.told(&json!({"type": "help", "commands": commands}));
    let expected = [
        "* /quit [REASON]: leave. //text says /text",
        "* /rooms: the rooms",
        "* /set [NAME VALUE]: show or set colours, times, alerts",
        "* /again: say again what was not confirmed",
    ];
    assert_eq!(sitting.log()[2..], expected);
    // Of one command no other is told, whoever's it is.
    sitting.types("/help SET");
    assert_eq!(sitting.log()[6..], expected[2..3]);
    sitting.types("/help /again");
    assert_eq!(sitting.log()[7..], expected[3..]);
    assert_eq!(sitting.sent(), [] as [Value; 0]);
    let history = json!({"form": both("/history [COUNT]"), "purpose": both("lines, in UTC")});
    sitting.told(&json!({"type": "help", "commands": [history]}));
    let shown = "* /history [COUNT]: show the last lines again; also";
    assert!(sitting.log()[8].starts_with(shown), "{:?}", sitting.log());
    assert!(!sitting.log()[8..].concat().contains("UTC"), "the time is local");
    assert_eq!(sitting.log().len(), 10);
}
