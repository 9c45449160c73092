//! Real IRC clients, as they come from the distribution, and bots in Python: they connect, join,
//! talk with people who came by other ways, and come back. `.ci/run` installs them; where one is
//! missing, its test fails and says what to install.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

#[cfg(feature = "web")]
#[allow(dead_code, reason = "coming back is tried elsewhere")]
#[path = "resume/browser.rs"]
mod browser;
#[path = "irc/client.rs"]
mod client;
mod common;
#[path = "irc/terminal.rs"]
mod terminal;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::Irc;
use common::{Folder, PATIENCE, Person, Server};
use terminal::Terminal;

fn server() -> Server {
    Server::start_with_listeners(&["irc", "lines"], &[])
}

/// What `look` finds, as soon as it finds something.
fn waits_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

// ── irssi ────────────────────────────────────────────────────────────────────────────────────────

/// irssi in a terminal, connected under this name.
fn irssi(server: &Server, folder: &Folder, name: &str) -> Terminal {
    let port = server.address("irc").port().to_string();
    let home = format!("--home={}", folder.path().display());
    let terminal = Terminal::run("irssi", &[&home, "-c", "127.0.0.1", "-p", &port, "-n", name]);
    terminal.sees("There is no message of the day");
    terminal
}

#[test]
fn irssi_joins_talks_and_keeps_order() {
    let server = server();
    let folder = Folder::new("irssi");
    let mut lena = Person::join(&server, "lena");
    let mut ann = irssi(&server, &folder, "ann");
    ann.types("/join #lobby");
    lena.sees("* ann joined (2 here)");
    ann.sees("Total of 2 nicks");
    lena.says("hello from nc");
    ann.sees("lena> hello from nc");
    ann.types("hi from irssi");
    lena.sees("ann: hi from irssi");
    ann.types("/me waves");
    lena.sees("** ann waves");
    lena.says("/me nods");
    ann.sees("* lena nods");
    ann.types("/msg lena psst");
    lena.sees("[ann -> you] psst");
    ann.types("/part #lobby to work");
    lena.sees("* ann left: to work (1 here)");
}

#[test]
fn irssi_is_an_operator_of_the_room_that_it_opens() {
    let server = server();
    let folder = Folder::new("irssi-op");
    let mut ann = irssi(&server, &folder, "ann");
    ann.types("/join #ops");
    ann.sees("[@ann]");
    ann.types("/topic the deploy of tonight");
    ann.sees("the deploy of tonight");
    let mut bo = Irc::comes(&server, "bo");
    bo.joins("#ops");
    ann.types("/op bo");
    assert!(bo.sees_until(" MODE #ops +o bo").len() == 1);
    ann.types("/ban bo!*@*");
    ann.sees("mode/#ops [+b bo!*@*]");
    bo.sees_until(" MODE #ops +b bo!*@*");
    ann.types("/kick bo enough");
    bo.sees_until(" KICK #ops bo :enough");
    assert_eq!(bo.answers("JOIN #ops"), ["474 bo #ops :Cannot join channel (+b)"]);
    ann.types("/unban bo!*@*");
    ann.sees("mode/#ops [-b bo!*@*]");
    bo.joins("#ops");
}

#[test]
fn irssi_takes_another_name_if_its_own_is_taken_and_comes_back() {
    let server = server();
    let folder = Folder::new("irssi-again");
    let _ann = Irc::comes(&server, "ann");
    let mut lena = Person::join(&server, "lena");
    let mut other = irssi(&server, &folder, "ann");
    other.types("/join #lobby");
    lena.sees("* ann_ joined (2 here)");
    other.types("/disconnect 127");
    lena.sees_a("that it leaves", |line| line.starts_with("* ann_ left"));
    let port = server.address("irc").port();
    other.types("/window goto 1");
    other.types("/clear");
    other.types(&format!("/connect 127.0.0.1 {port}"));
    other.sees("Welcome to chinwag");
    other.types("/join #lobby");
    lena.sees_a("that it is back", |line| line.starts_with("* ann") && line.contains("joined"));
}

#[cfg(feature = "web")]
#[test]
fn a_browser_nc_and_irssi_sit_in_one_room() {
    use browser::Browser;
    let server = Server::start_with_listeners(&["irc", "lines", "web"], &[]);
    let folder = Folder::new("irssi-three");
    let mut lena = Person::join(&server, "lena");
    let mut wendy = Browser::joins(&server, "wendy");
    lena.sees("* wendy joined (2 here)");
    let mut ann = irssi(&server, &folder, "ann");
    ann.types("/join #lobby");
    lena.sees("* ann joined (3 here)");
    assert_eq!(wendy.sees_a("join")["names"][0], "ann");
    ann.sees("Total of 3 nicks");
    ann.types("\x02bold\x02 for those who can");
    lena.sees("ann: bold for those who can");
    wendy.sees_said("bold for those who can");
    wendy.says("seen in the browser");
    ann.sees("wendy> seen in the browser");
    lena.sees("wendy: seen in the browser");
    ann.types("/msg wendy psst");
    let private = wendy.sees_said("seen in the browser");
    assert_eq!(private["from"], "wendy", "its own line comes first");
    let private = wendy.sees_a("msg");
    assert_eq!((&private["from"], &private["text"]), (&"ann".into(), &"psst".into()));
    lena.says("/quit so long");
    ann.sees("lena");
    ann.sees("so long");
}

// ── WeeChat ──────────────────────────────────────────────────────────────────────────────────────

/// WeeChat without a screen, in a terminal: it is told what to do through a pipe, and logs what it
/// shows.
struct WeeChat {
    _terminal: Terminal,
    folder: Folder,
}

impl WeeChat {
    fn start(server: &Server, name: &str) -> WeeChat {
        let folder = Folder::new(&format!("weechat-{name}"));
        let port = server.address("irc").port();
        let directory = folder.path().display().to_string();
        let settings = [
            format!("/set irc.server_default.nicks {name}"),
            "/set logger.file.flush_delay 0".to_owned(),
            "/set weechat.look.confirm_quit off".to_owned(),
            format!("/server add chin 127.0.0.1/{port} -notls"),
            "/set irc.server.chin.autojoin #lobby".to_owned(),
            "/set irc.server.chin.autorejoin off".to_owned(),
            "/connect chin".to_owned(),
        ];
        let mut args = vec!["-d", &directory];
        for setting in &settings {
            args.extend(["-r", setting]);
        }
        let _terminal = Terminal::run("weechat-headless", &args);
        WeeChat { _terminal, folder }
    }

    /// Gives a command, or says something, in one of its buffers.
    fn does(&self, buffer: &str, what: &str) {
        let pipe = waits_for("WeeChat's pipe", || {
            let entries = fs::read_dir(self.folder.path()).unwrap();
            let mut paths = entries.map(|entry| entry.unwrap().path());
            paths.find(|path| path.to_string_lossy().contains("weechat_fifo"))
        });
        fs::write(pipe, format!("irc.{buffer} *{what}\n")).unwrap();
    }

    /// Waits until the log of a buffer has a line with all of these, and returns it.
    #[track_caller]
    fn sees(&self, buffer: &str, parts: &[&str]) -> String {
        let log = self.folder.file(&format!("logs/irc.{buffer}.weechatlog"));
        waits_for(&format!("{parts:?} in {}", log.display()), || {
            let log = fs::read_to_string(&log).ok()?;
            let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            line.map(str::to_owned)
        })
    }
}

#[test]
fn weechat_joins_finds_what_was_said_talks_and_comes_back() {
    let server = server();
    let mut lena = Person::join(&server, "lena");
    lena.says("said before");
    let before = lena.answers_to("/history");
    let wes = WeeChat::start(&server, "wes");
    lena.sees("* wes joined (2 here)");
    let lobby = "chin.#lobby";
    wes.sees(lobby, &["Channel #lobby: 2 nicks"]);
    // The same minute as in the history, whenever it came.
    let minute = before[0].split([' ', ']']).next().unwrap().trim_start_matches('[').to_owned();
    wes.sees(lobby, &[&format!(" {minute}:"), "lena\tsaid before"]);
    lena.says("hello from nc");
    wes.sees(lobby, &["lena\thello from nc"]);
    wes.does(lobby, "hello from weechat");
    lena.sees("wes: hello from weechat");
    wes.does(lobby, "/me nods");
    lena.sees("** wes nods");
    wes.does(lobby, "/msg lena psst");
    lena.sees("[wes -> you] psst");
    lena.says("/msg wes yes?");
    lena.sees("[you -> wes] yes?");
    wes.sees("chin.lena", &["lena\tyes?"]);
    wes.does("server.chin", "/join #new");
    wes.sees("chin.#new", &["Channel #new: 1 nick (1 op"]);
    wes.does("chin.#new", "/topic about this");
    wes.sees("chin.#new", &["has changed topic for #new to \"about this\""]);
    wes.does("server.chin", "/disconnect chin");
    lena.sees_a("that it leaves", |line| line.starts_with("* wes left"));
    wes.does("server.chin", "/connect chin");
    lena.sees("* wes joined (2 here)");
}

#[test]
fn weechat_is_kicked_by_an_operator() {
    let server = server();
    let mut al = Irc::comes(&server, "al");
    al.joins("#ops");
    let wes = WeeChat::start(&server, "wex");
    wes.sees("chin.#lobby", &["Channel #lobby: 1 nick"]);
    wes.does("server.chin", "/join #ops");
    al.sees_until(" JOIN #ops");
    al.says("KICK #ops wex :out");
    wes.sees("chin.#ops", &["al has kicked wex (out)"]);
}

// ── bots ─────────────────────────────────────────────────────────────────────────────────────────

/// A bot, which is gone with the test.
struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The bot that needs no library is in `docs/bots.md`.
#[test]
fn a_bot_on_an_irc_library_answers() {
    let found = Command::new("python3").args(["-c", "import irc.bot"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found, "the Python package irc is missing: python3 -m pip install irc");
    let server = server();
    let mut lena = Person::join(&server, "lena");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/irc/bot_library.py");
    let port = server.address("irc").port().to_string();
    let child = Command::new("python3").arg(path).args([&port]).stdin(Stdio::null()).spawn();
    let _bot = Bot(child.unwrap_or_else(|error| panic!("python3: {error}")));
    lena.sees("* echobot joined (2 here)");
    lena.says("!echo hi there");
    lena.sees("echobot: hi there");
}
