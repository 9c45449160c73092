//! A server in a program of one's own: its handle stops it from another thread, and has bots in its
//! rooms. People come over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chinwag::config::{Config, Flood, ListenerSpec, Password};
use chinwag::dialect::Dialect;
use chinwag::handle::{Handle, JoinError, Said, SayError, UNREAD_LINES_MAX};
use chinwag::nickname::NicknameError;
use chinwag::server::Server;
use common::{PATIENCE, Person};

/// A server that a thread runs until it is stopped, or the test is over.
struct Embedded {
    handle: Handle,
    address: SocketAddr,
    running: Option<JoinHandle<std::io::Result<()>>>,
}

impl Embedded {
    fn start(change: impl FnOnce(&mut Config)) -> Embedded {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let lines = ListenerSpec { address, ..ListenerSpec::usual(Dialect::Lines) };
        let mut config = Config { listeners: vec![lines], ..Config::default() };
        change(&mut config);
        let mut server = Server::bind(&config).unwrap();
        let address = server.listeners().next().unwrap().address;
        let handle = server.handle();
        let running = Some(thread::spawn(move || server.run()));
        Embedded { handle, address, running }
    }

    fn person(&self, name: &str) -> Person {
        Person::join_at(self.address, name)
    }

    /// Waits until the server has stopped.
    fn ends(mut self) {
        self.running.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

/// The next thing that is said; what the server tells is passed over.
fn next(heard: &Receiver<Said>) -> Said {
    loop {
        match heard.recv_timeout(PATIENCE).unwrap() {
            Said::Notice(_) => {}
            said => return said,
        }
    }
}

/// Waits until the bot is told nothing more, for it is in the room no more.
fn ends(heard: &Receiver<Said>) {
    while heard.recv_timeout(PATIENCE).map_err(|error| error == RecvTimeoutError::Disconnected)
        != Err(true)
    {}
}

fn line(from: &str, text: &str) -> Said {
    Said::Line { from: from.to_owned(), text: text.to_owned() }
}

#[test]
fn a_bot_is_a_member_like_others() {
    let server = Embedded::start(|_| {});
    let mut lena = server.person("lena");
    let (bot, heard) = server.handle.join("reporter", "lobby", 64).unwrap();
    lena.sees("* reporter joined (2 here)");
    bot.say("The build is green.").unwrap();
    lena.sees("reporter: The build is green.");
    lena.says("fine");
    assert_eq!(next(&heard), line("lena", "fine"));
    lena.says("/me nods");
    let (from, text) = ("lena".to_owned(), "nods".to_owned());
    assert_eq!(next(&heard), Said::Emote { from, text });
    lena.says("/msg reporter psst");
    lena.sees("[you -> reporter] psst");
    let (from, text) = ("lena".to_owned(), "psst".to_owned());
    assert_eq!(next(&heard), Said::Private { from, text });
    let other = bot.clone();
    drop(bot);
    other.say("still here").unwrap();
    lena.sees("reporter: still here");
    drop(other);
    lena.sees("* reporter left (1 here)");
    ends(&heard);
    server.handle.join("reporter", "lobby", 1).unwrap();
}

#[test]
fn a_bot_comes_straight_into_its_room() {
    let server = Embedded::start(|config| {
        config.password = Some(Password::from_file(b"not for bots").unwrap());
    });
    let (ann, heard) = server.handle.join("ann", "#ops", 8).unwrap();
    let (bo, heard_by_bo) = server.handle.join("bo", "lobby", 8).unwrap();
    ann.say("in ops").unwrap();
    bo.say("in the lobby").unwrap();
    let (_carol, _) = server.handle.join("carol", "ops", 8).unwrap();
    let joined = |said: Said| matches!(said, Said::Notice(text) if text.contains("carol joined"));
    while !joined(heard.recv_timeout(PATIENCE).unwrap()) {}
    let (dan, _) = server.handle.join("dan", "lobby", 8).unwrap();
    dan.say("hi").unwrap();
    // Of those in #ops the lobby was told nothing, before that or of what they said.
    loop {
        match heard_by_bo.recv_timeout(PATIENCE).unwrap() {
            Said::Notice(text) => assert!(!text.contains("ann") && !text.contains("carol")),
            said => break assert_eq!(said, line("dan", "hi")),
        }
    }
}

#[test]
fn whoever_cannot_come_in_is_told_why() {
    let server = Embedded::start(|config| config.limits.rooms_fixed = true);
    let _lena = server.person("lena");
    let join = |name, room| server.handle.join(name, room, 1).map(|_| ());
    assert_eq!(join("lena", "lobby"), Err(JoinError::Taken));
    assert_eq!(join("LENA", "lobby"), Err(JoinError::Taken));
    assert_eq!(join("a b", "lobby"), Err(JoinError::Nickname(NicknameError::BadCharacter)));
    assert_eq!(join("server", "lobby"), Err(JoinError::Nickname(NicknameError::Reserved)));
    for (room, why) in
        [("none", "No other rooms"), ("a b", "cannot be the name"), ("-", "cannot be the name")]
    {
        let refused = join("bot", room);
        let says_why = |sentence: &str| sentence.contains(why) && !sentence.contains('!');
        assert!(
            matches!(&refused, Err(JoinError::Refused(sentence)) if says_why(sentence)),
            "{room}: {refused:?}"
        );
    }
    let _bot = server.handle.join("bot", "lobby", 1).unwrap();
    let server = Embedded::start(|config| config.limits.clients_max = 1);
    let _lena = server.person("lena");
    let full = server.handle.join("bot", "lobby", 1).map(|_| ());
    assert_eq!(full, Err(JoinError::Refused("The server is full.".to_owned())));
}

#[test]
fn what_a_bot_says_is_no_command_and_obeys_the_rules() {
    let server = Embedded::start(|config| config.limits.line_bytes_max = 600);
    let mut lena = server.person("lena");
    let (bot, _heard) = server.handle.join("bot", "lobby", 64).unwrap();
    lena.sees("* bot joined (2 here)");
    for text in ["/nick eve", "//", "/", "quit", " EXIT", "#", "& ", "! no", "* no", "[a -> you] x"]
    {
        bot.say(text).unwrap();
        lena.sees(&format!("bot: {text}"));
    }
    bot.say("a\x1b[2J\u{202e}b").unwrap();
    lena.sees("bot: a[2Jb");
    for blank in ["", " \t", "\u{feff}", "\x07"] {
        assert_eq!(bot.say(blank), Err(SayError::Blank), "{blank:?}");
    }
    for lines in ["a\nlena: b", "a\r", "\n"] {
        assert_eq!(bot.say(lines), Err(SayError::SeveralLines), "{lines:?}");
    }
    assert_eq!(bot.say(&"x".repeat(601)), Err(SayError::TooLong(600)));
    bot.say(&"x".repeat(600)).unwrap();
    lena.sees(&format!("bot: {}", "x".repeat(600)));
    assert_eq!(bot.say(&format!("/{}", "x".repeat(599))), Err(SayError::TooLong(600)));
}

#[test]
fn a_slow_receiver_holds_nobody_up_and_is_told_what_it_missed() {
    let server = Embedded::start(|config| config.limits.flood = None);
    let mut lena = server.person("lena");
    let (bot, heard) = server.handle.join("bot", "lobby", 4).unwrap();
    lena.sees("* bot joined (2 here)");
    assert!(matches!(heard.recv_timeout(PATIENCE), Ok(Said::Notice(_))), "it is welcomed");
    for number in 0..1000 {
        lena.says(&number.to_string());
    }
    // All of that was said when the next is answered, and told when the bot's own line comes.
    lena.answers_to("/who");
    bot.say("I listen").unwrap();
    lena.sees("bot: I listen");
    for number in 0..4 {
        assert_eq!(next(&heard), line("lena", &number.to_string()));
    }
    lena.says("and now?");
    assert_eq!(next(&heard), Said::Missed(996));
    assert_eq!(next(&heard), line("lena", "and now?"));
    drop(heard);
    lena.says("nobody hears");
    bot.say("but I speak").unwrap();
    lena.sees("bot: but I speak");
}

#[test]
fn a_bot_that_says_too_much_is_told_so() {
    // One line now, and the next in an hour.
    let server = Embedded::start(|config| {
        config.limits.flood = Some(Flood { lines: 1, per: Duration::from_secs(3600) });
    });
    let mut lena = server.person("lena");
    let (bot, _heard) = server.handle.join("bot", "lobby", 64).unwrap();
    lena.sees("* bot joined (2 here)");
    let said = (0..).map(|_| bot.say("x")).take_while(Result::is_ok).count();
    assert!(said >= UNREAD_LINES_MAX, "{said}");
    assert_eq!(bot.say("x"), Err(SayError::TooFast));
    lena.sees("bot: x");
}

#[test]
fn a_bot_that_is_removed_is_gone() {
    let server = Embedded::start(|_| {});
    let mut lena = server.person("lena");
    lena.says("/join ops");
    lena.sees("* You are in #ops. Here now: lena.");
    let (bot, heard) = server.handle.join("bot", "ops", 64).unwrap();
    lena.sees("* bot joined (2 here)");
    lena.says("/kick bot");
    lena.sees_a("that it is kicked", |line| line.starts_with("* ") && line.contains("bot"));
    ends(&heard);
    assert_eq!(bot.say("hi"), Err(SayError::Gone));
}

#[test]
fn any_thread_stops_the_server() {
    let server = Embedded::start(|_| {});
    let mut lena = server.person("lena");
    let (bot, heard) = server.handle.join("bot", "lobby", 64).unwrap();
    let handle = server.handle.clone();
    thread::spawn(move || {
        handle.stop();
        handle.stop();
    });
    lena.sees("* bot joined (2 here)");
    lena.sees_prefix("* The server is stopping");
    lena.sees_until_eof();
    ends(&heard);
    let handle = server.handle.clone();
    server.ends();
    assert_eq!(bot.say("hi"), Err(SayError::Gone));
    assert_eq!(handle.join("late", "lobby", 1).map(|_| ()), Err(JoinError::Stopped));
    handle.stop();
}

#[test]
fn a_server_that_was_never_run_keeps_nobody_waiting() {
    let listeners = vec![ListenerSpec {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ListenerSpec::usual(Dialect::Lines)
    }];
    let server = Server::bind(&Config { listeners, ..Config::default() }).unwrap();
    let handle = server.handle();
    let waiting = thread::spawn(move || handle.join("bot", "lobby", 1).map(|_| ()));
    drop(server);
    assert_eq!(waiting.join().unwrap(), Err(JoinError::Stopped));
}

#[test]
fn many_handles_and_bots_come_and_go() {
    let server = Embedded::start(|config| config.limits.flood = None);
    let (listener, heard) = server.handle.join("listener", "lobby", 100_000).unwrap();
    let talks = |number: usize, handle: Handle| {
        for round in 0..20 {
            let name = format!("bot{number:02}x{round:02}");
            let (bot, _) = handle.join(&name, "lobby", 1).unwrap();
            bot.say("here").unwrap();
        }
    };
    let handles = (0..16).map(|number| {
        let handle = server.handle.clone();
        thread::spawn(move || talks(number, handle))
    });
    let threads: Vec<_> = handles.collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut said: Vec<_> = (0..16 * 20).map(|_| next(&heard)).collect();
    said.sort_by_key(|said| format!("{said:?}"));
    said.dedup();
    assert_eq!(said.len(), 16 * 20, "each has said one line, with none lost");
    drop(listener);
    ends(&heard);
}
