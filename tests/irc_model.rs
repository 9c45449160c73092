//! Random lives of IRC clients in a hub without a network, each from a seed of its own, beside a
//! naive model that knows what each of them must be told, line by line and in which order. Some do
//! not read for a while, and then must find all of it.
//!
//! `CHINWAG_IRC_LIVES=100000` lives so many; `CHINWAG_IRC_SEED=7` lives that one alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../benches/hub/mod.rs"]
mod hub;
#[path = "irc_model/life.rs"]
mod life;

use std::env;

use chinwag::config::Config;
use chinwag::dialect::Dialect;
use hub::Room;
use life::Life;

/// Lives in an ordinary test run, and what is done in each.
const LIVES: u64 = 1500;
const ACTS: usize = 120;

#[test]
fn everybody_is_told_just_what_the_protocol_says() {
    let setting = |name: &str| -> Option<u64> { env::var(name).ok()?.parse().ok() };
    let seeds = match setting("CHINWAG_IRC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("CHINWAG_IRC_LIVES").unwrap_or(LIVES),
    };
    let mut counts = [0; life::KINDS];
    for seed in seeds.clone() {
        let mut life = Life::new(seed);
        for _ in 0..ACTS {
            counts[life.act()] += 1;
        }
        life.ends();
    }
    if seeds.end - seeds.start >= LIVES {
        assert!(counts.iter().all(|count| *count > 100), "all of it was done: {counts:?}");
    }
}

/// Who was in several rooms is told of once for all of them, and not in the notice of one.
#[test]
fn who_leaves_first_is_told_of_first_in_however_many_rooms_they_were() {
    let mut room = Room::that_keeps(&Config::default());
    let [al, bo, cy] = [("al", "#lobby"), ("bo", "#lobby"), ("cy", "#lobby,#ops")].map(|it| {
        let key = room.connect("irc".parse::<Dialect>().unwrap());
        let (name, rooms) = it;
        room.hear(key, format!("NICK {name}\r\nUSER x 0 * :X\r\nJOIN {rooms}\r\n").as_bytes());
        key
    });
    room.takes(al);
    room.lose(bo);
    room.lose(cy);
    let told = room.takes(al);
    let leavers = told.lines().filter(|line| line.contains(" QUIT "));
    let leavers: Vec<_> = leavers.map(|line| &line[1..3]).collect();
    assert_eq!(leavers, ["bo", "cy"], "{told}");
}
