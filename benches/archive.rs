//! What the archive costs: how many lines a second it takes, how many bytes a line takes on the
//! disk, how long it takes to open, to search and to go back, and how much memory it needs; and how
//! long it takes to try a password.
//!
//! ```text
//! cargo bench --bench archive            # 1,000,000 lines
//! cargo bench --bench archive -- 100000  # fewer
//! ```
//!
//! Lines have about 50 bytes, one in ten in Chinese; words are as rare and as frequent as in a
//! language (Zipf). They come as fast as they are taken, so that none is lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "it tells what it has measured"
)]

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use chinwag::archive::{AccountRequest, Answer, Archive, Before, Keeper, Proof, Query, Record};
use chinwag::archive::{Request, Settings, accounts};
use chinwag::config::Keep;
use chinwag::event::Said;
use chinwag::nickname::Nickname;
use chinwag::token::Secret;

/// Seconds since 1970 at the first line; 20 lines come in each second.
const BEGIN: u64 = 1_767_225_600;
const LINES_PER_SECOND: u64 = 20;

const ROOMS: u64 = 20;
const AUTHORS: u64 = 1000;
const WORDS: usize = 30_000;
const CHARACTERS: usize = 3000;

/// Bytes of a line.
const LINE_BYTES: usize = 50;

/// Lines that come at once.
const BATCH: u64 = 256;

/// How often each question is asked.
const TIMES: usize = 100;

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    // `cargo bench` adds flags of its own.
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let count: u64 = count.unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("chinwag-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("chat.db");
    let before = resident();
    let (mut archive, _) = open(&file, count);
    let mut lines = Lines { rng: fastrand::Rng::with_seed(1) };
    let (mut records, mut peak) = (Vec::new(), 0);
    let begun = Instant::now();
    let mut id = 1;
    while id <= count {
        if archive.health().waiting > 4096 {
            peak = peak.max(resident());
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        records.extend((id..(id + BATCH).min(count + 1)).map(|id| lines.next(id)));
        id += BATCH;
        archive.record(&mut records);
    }
    while archive.health().written < count {
        thread::sleep(Duration::from_millis(1));
    }
    let spent = begun.elapsed();
    assert_eq!(archive.health().lost, 0);
    println!("written      {:>9.0} lines a second", count as f64 / spent.as_secs_f64());
    println!("memory       {:>9.1} MiB more while writing", mib(peak.saturating_sub(before)));
    assert_eq!(archive.stop(PATIENCE), 0);
    let bytes = fs::metadata(&file).unwrap().len();
    println!("disk         {:>9.1} bytes a line of {LINE_BYTES}", bytes as f64 / count as f64);
    let begun = Instant::now();
    let before = resident();
    let (mut archive, woken) = open(&file, count);
    println!("open         {:>9.1} ms", ms(begun.elapsed()));
    for (name, question) in [
        ("frequent word", (|_| "w1".to_owned()) as fn(&mut Lines) -> String),
        ("any word", |lines| word(lines.rng.usize(..WORDS))),
        ("two words", |lines| format!("w3 {}", word(lines.rng.usize(..100)))),
        ("missing word", |_| "missing".to_owned()),
        ("two characters", |lines| {
            format!("{}{}", character(zipf(&mut lines.rng, CHARACTERS)), character(2))
        }),
        ("three characters", |_| "一二三".to_owned()),
        ("one character", |_| character(5).to_string()),
        ("word from one", |lines| format!("w1 from:person{}", lines.rng.u64(..AUTHORS))),
        ("last of one", |lines| format!("from:person{}", lines.rng.u64(..AUTHORS))),
        ("word in a room", |lines| format!("w2 in:room{}", lines.rng.u64(..ROOMS))),
        ("before a date", |_| "w2 before:2026-01-01T02:00".to_owned()),
    ] {
        let times = (0..TIMES).map(|_| {
            let query = Query::parse(&question(&mut lines)).unwrap();
            ask(&mut archive, &woken, Request::Search { query, before: None })
        });
        tell(name, times.collect());
    }
    let history = (0..TIMES).map(|_| {
        let (room, id) = (format!("room{}", lines.rng.u64(..ROOMS)), lines.rng.u64(1..=count));
        ask(&mut archive, &woken, Request::History { room, before: Before::Id(id), count: 50 })
    });
    tell("50 lines back", history.collect());
    println!("memory       {:>9.1} MiB more", mib(resident().saturating_sub(before)));
    assert_eq!(archive.stop(PATIENCE), 0);
    passwords(&file);
    fs::remove_dir_all(&folder).unwrap();
}

fn open(file: &Path, count: u64) -> (Archive, Receiver<()>) {
    let (wake, woken) = channel();
    let settings = Settings {
        file: file.to_owned(),
        keep: Keep::Days(90),
        keep_rooms: Vec::new(),
        rooms_max: 1000,
        history_lines_max: 50,
    };
    let now = BEGIN + count / LINES_PER_SECOND;
    let wake = move || wake.send(()).unwrap_or_default();
    (Archive::open(&settings, now, wake).unwrap().0, woken)
}

/// How long the answer takes.
fn ask(archive: &mut Archive, woken: &Receiver<()>, request: Request) -> Duration {
    let begun = Instant::now();
    archive.ask(1, request).unwrap();
    loop {
        match archive.poll_answer() {
            Some((_, Answer::Failed)) => panic!("it failed"),
            Some(_) => return begun.elapsed(),
            None => woken.recv_timeout(PATIENCE).unwrap(),
        }
    }
}

fn tell(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{name:<16} {:>5.2} ms, at most {:.2} ms", ms(middle), ms(last));
}

/// Lines as people might say them.
struct Lines {
    rng: fastrand::Rng,
}

impl Lines {
    fn next(&mut self, id: u64) -> Record {
        let author = self.rng.u64(..AUTHORS);
        let mut text = String::new();
        if self.rng.u8(..10) == 0 {
            while text.len() + 3 <= LINE_BYTES {
                text.push(character(zipf(&mut self.rng, CHARACTERS)));
            }
        } else {
            while text.len() < LINE_BYTES {
                text += &word(zipf(&mut self.rng, WORDS));
                text.push(' ');
            }
            text.truncate(LINE_BYTES);
        }
        let said = Said {
            id,
            unix_seconds: BEGIN + id / LINES_PER_SECOND,
            from: format!("person{author}"),
            text,
            mask: "person@abcdefgh.ip".to_owned(),
            ..Said::default()
        };
        let room = format!("room{}", self.rng.u64(..ROOMS));
        Record::Said { said, room, author: 1 + author, account: None }
    }
}

/// How long it takes to try a password, and to find that it is wrong or that there is no account.
fn passwords(file: &Path) {
    let name = |name: &str| Nickname::parse(name).unwrap();
    accounts::add_account(file, &name("alice"), "correct horse", BEGIN).unwrap();
    let (wake, woken) = channel();
    let wake = move || wake.send(()).unwrap_or_default();
    let mut keeper = Keeper::open(Some(file), Vec::new(), BEGIN, wake).unwrap();
    for (what, account, password) in [
        ("a password", "alice", "correct horse"),
        ("a wrong password", "alice", "battery staple"),
        ("no account", "bob", "battery staple"),
    ] {
        let times = (0..TIMES).map(|_| {
            let proof = Proof::Password(Secret::new(password));
            let name = name(account);
            let begun = Instant::now();
            keeper.ask(1, AccountRequest::Login { name, proof, wants_token: false }).unwrap();
            while keeper.poll_answer().is_none() {
                woken.recv_timeout(PATIENCE).unwrap();
            }
            begun.elapsed()
        });
        tell(what, times.collect());
    }
    keeper.stop(PATIENCE);
}

/// A number below `count`; each is as frequent as its inverse.
fn zipf(rng: &mut fastrand::Rng, count: usize) -> usize {
    ((count as f64).powf(rng.f64()) as usize).saturating_sub(1)
}

/// Frequent words are short.
fn word(rank: usize) -> String {
    format!("w{rank}{}", &"abcdefgh"[..(rank.max(1).ilog2() as usize / 2).min(8)])
}

/// A Chinese character.
fn character(rank: usize) -> char {
    u32::try_from(rank).ok().and_then(|rank| char::from_u32(0x4e00 + rank)).unwrap_or('一')
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes of memory that the process has, where the system tells it so easily.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
