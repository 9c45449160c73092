//! Hazards of time: 16, 17, 18 and 57.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chinwag::Now;
#[cfg(target_os = "linux")]
use chinwag::config::ListenerSpec;
use chinwag::config::{Config, Flood, Limits};
use chinwag::dialect::Dialect;
use chinwag::hub::Hub;
#[cfg(target_os = "linux")]
use chinwag::server::Server as InProcess;
#[cfg(target_os = "linux")]
use chinwag::turn::Budgets;

use super::crowd::{Sender, Stranger};
#[cfg(target_os = "linux")]
use crate::common::awaits_arrival;
use crate::common::{PATIENCE, Person, Server, WELCOME};

/// 16: in each dialect something comes all the time that is not a name, however many times it is
/// read as one: what is sent faster than the server reads arrives together.
#[test]
fn whoever_trickles_and_gives_no_name_is_cut_on_time_at_every_door() {
    const TRICKLES: [(&str, &[u8]); 5] = [
        ("lines", b"\xff\xf1"),
        ("lines", b"\r\n"),
        ("nick", b" "),
        ("register", b"-"),
        ("mention", b" "),
    ];
    let server = Server::start_with_listeners(
        &["lines", "nick", "register", "mention"],
        &["--nick-timeout=0.4"],
    );
    for (dialect, bytes) in TRICKLES {
        let start = Instant::now();
        let mut stranger = Stranger::connect(server.address(dialect));
        let mut stream = stranger.stream().try_clone().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // Until the server ends the connection; what it says meanwhile is of no interest.
        loop {
            assert!(start.elapsed() < PATIENCE, "{dialect}: {bytes:?} puts the time off");
            stranger.tries_to_send(bytes);
            match std::io::Read::read(&mut stream, &mut [0; 4096]) {
                Ok(0) => break,
                Err(error) if !super::crowd::is_timeout(&error) => break,
                _ => {}
            }
        }
        assert!(start.elapsed() >= Duration::from_millis(400), "{dialect}: {:?}", start.elapsed());
    }
}

/// 17: each deadline in a server in which nothing else happens.
#[test]
fn a_deadline_needs_nothing_else_to_happen() {
    // The time to give a name.
    let server = Server::start(&["--nick-timeout", "0.2"]);
    let mut silent = Person::connect(&server);
    silent.sees(WELCOME);
    silent.sees_prefix("! ");
    silent.sees_eof();

    // The pace: what was said too fast is read later.
    let server = Server::start(&["--flood", "1/0.2"]);
    let mut alice = Person::join(&server, "alice");
    let mut bob = Person::join(&server, "bob");
    bob.sends(b"one\ntwo\nthree\n");
    alice.sees("* bob joined (2 here)");
    for text in ["one", "two", "three"] {
        alice.sees(&format!("bob: {text}"));
    }

    // The pauses between what `register` says to a newcomer.
    let server = Server::start(&["--listen", "register=127.0.0.1:0"]);
    let mut stranger = Stranger::connect(server.address("register"));
    stranger.waits_for("请输入昵称:");
    stranger.sends(b"rosa");
    stranger.waits_for("昵称设置成功\n");
    stranger.waits_for("系统消息rosa进入了聊天室\n");

    // The end of a message that was cut in the middle of a character, whose rest never comes.
    let server = Server::start_with_listeners(&["lines", "nick"], &[]);
    let mut alice = Person::join(&server, "alice");
    let (mut nina, _) = Stranger::enters(&server, "nick", "nina", &mut alice);
    nina.sends(b"hi\xf0\x9f");
    nina.waits_for("UTF-8");

    // A UDP peer that has fallen silent.
    let args = ["--udp-expiry=0.3"];
    let server = Server::start_with_listeners(&["lines", "datagram"], &args);
    let mut alice = Person::join(&server, "alice");
    let dora = Sender::to(server.address("datagram"));
    dora.sends("dora".as_bytes());
    alice.sees("* dora joined (2 here)");
    alice.sees("* dora left: timed out (1 here)");
}

/// 17: somebody who was told goodbye and does not go is cut off, although nothing happens.
#[cfg(target_os = "linux")]
#[test]
fn whoever_does_not_go_after_goodbye_is_cut_off() {
    let watched = super::system::Watched::start(&[]);
    // Whoever has joined has seen the end of the server's beginning.
    let _bob = Person::join(&watched.server, "bob");
    let before = watched.descriptors().len();
    let mut alice = Person::join(&watched.server, "alice");
    alice.says("/quit");
    alice.sees("* Goodbye.");
    alice.sees_eof();
    let start = Instant::now();
    while watched.descriptors().len() > before {
        assert!(start.elapsed() < PATIENCE, "the connection stays open");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() > Duration::from_secs(1), "it had no time to go by itself");
}

/// 18: no test can set this machine's clock, but who does not ask it cannot be misled by it. It is
/// asked in one place, for the times in the history; the log's times are its own affair.
#[test]
fn the_wall_clock_is_asked_in_one_place_and_only_for_times_to_show() {
    let mut asking = Vec::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![sources.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&sources).unwrap().to_string_lossy().into_owned();
            let calls = text.matches("SystemTime::now").count();
            asking.extend(std::iter::repeat_n(name.clone(), calls));
            // What is shown is seconds; nothing is computed with them but an hour and a minute.
            let shows = text.contains("unix_seconds");
            let decides =
                ["connection.rs", "config", "delivery"].iter().any(|of| name.starts_with(of));
            assert!(!(shows && decides), "{name} knows the wall clock");
        }
    }
    assert_eq!(asking, ["server.rs"]);
}

/// 57: the names and a sign of life come while the process is stopped, and in time; when it goes
/// on, the deadlines are long over.
#[cfg(target_os = "linux")]
#[test]
fn what_came_in_time_is_heard_although_the_process_was_stopped_until_later() {
    const LIMIT: Duration = Duration::from_secs(5);
    let args = ["--nick-timeout=5", "--udp-expiry=5"];
    let server = Server::start_with_listeners(&["lines", "datagram"], &args);
    let mut witness = Person::join(&server, "witness");
    let dora = Sender::to(server.address("datagram"));
    dora.sends(b"dora");
    witness.sees("* dora joined (2 here)");
    let mut alice = Person::connect(&server);
    alice.sees(WELCOME);
    server.pause();
    alice.says("alice");
    dora.sends(b"I am still here");
    server.awaits_arrival_at(1);
    std::thread::sleep(LIMIT);
    server.resume();
    alice.sees_prefix("* You are alice. ");
    let lines = [witness.sees_a_line(), witness.sees_a_line()];
    for line in ["dora: I am still here", "* alice joined (3 here)"] {
        assert!(lines.iter().any(|seen| seen == line), "{lines:?}");
    }
}

/// 57: also if the system tells of the sockets one by one.
#[cfg(target_os = "linux")]
#[test]
fn all_that_came_in_time_is_heard_before_a_deadline() {
    const NAMES: usize = 20;
    let limit = Duration::from_millis(200);
    let config = Config {
        listeners: vec![ListenerSpec {
            address: ([127, 0, 0, 1], 0).into(),
            ..ListenerSpec::usual(Dialect::Lines)
        }],
        limits: Limits { nick_timeout: limit, ..Limits::default() },
        ..Config::default()
    };
    let budgets = Budgets { events_per_poll: 1, ..Budgets::default() };
    let mut server = InProcess::bind_with(&config, budgets).unwrap();
    let address = server.listeners().next().unwrap().address;
    let mut people: Vec<_> = (0..NAMES).map(|_| Person::connect_to(address)).collect();
    // All come in in one turn and are greeted in the next. Nothing more happens until the last.
    for _ in 0..2 {
        server.turn().unwrap();
    }
    for (number, person) in people.iter_mut().enumerate() {
        person.sees(WELCOME);
        person.says(&format!("crowd{number}"));
    }
    awaits_arrival(address.port(), NAMES);
    std::thread::sleep(limit);
    server.turn().unwrap();
    for (number, person) in people.iter_mut().enumerate() {
        person.sees_prefix(&format!("* You are crowd{number}. "));
    }
}

/// 57: what waits for its pace was not said too late either, if its pace let it be said in time.
#[test]
fn what_could_be_said_in_time_is_heard_before_a_deadline() {
    let flood = Flood { lines: 1, per: Duration::from_secs(10) };
    for (nick_timeout, closed) in [(20, 0), (5, 1)] {
        let nick_timeout = Duration::from_secs(nick_timeout);
        let limits = Limits { nick_timeout, flood: Some(flood), ..Limits::default() };
        let start = Now { instant: Instant::now(), unix_seconds: 0 };
        let mut hub = Hub::new(&Config { limits, ..Config::default() }, start);
        let remote = ([127, 0, 0, 1], 4000).into();
        let alice = hub.handle_connect(Dialect::Lines, remote, start).unwrap();
        hub.handle_input(alice, b"no name\nalice\n", start);
        let late = Now { instant: start.instant + Duration::from_secs(30), ..start };
        hub.handle_timeout(late);
        assert_eq!(
            (hub.members(), hub.closings().iter().sum::<u64>()),
            (1 - closed, closed as u64)
        );
    }
}
