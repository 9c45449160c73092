//! What a delivered line costs with several rooms, beside one room with as many lines and
//! deliveries: all of it, from the bytes that come to the last member's bytes that go, without
//! sockets. All members are browsers, who can be in several rooms.
//!
//! ```text
//! cargo bench --bench rooms                # the table
//! cargo bench --bench rooms -- --quick     # less exact, faster
//! ```
//!
//! The two cases of many rooms are measured over sockets as well (`rooms/sockets.rs`), where most
//! of what a line costs is the system's.
//!
//! The cases take turns (A B C A B C …), so that whatever else the machine has to do meets all of
//! them; the table shows medians of the rounds, and the median of each round's ratio.

#![allow(clippy::print_stdout, reason = "the table is what stdout is for")]
#![allow(clippy::panic, reason = "a bench that cannot go on has nobody to be polite to")]
#![cfg_attr(not(feature = "web"), allow(dead_code, unused_imports, reason = "it needs browsers"))]

use std::env;
use std::io;
use std::time::Instant;

use chinwag::ConnectionKey;
use chinwag::config::Config;
use chinwag::dialect::Dialect;
use hub::{LINE_BYTES, Room, speech};
use spread::Spread;

mod hub;
#[cfg(feature = "web")]
#[path = "load/process.rs"]
#[allow(dead_code, reason = "each benchmark uses its own part of this")]
mod process;
#[cfg(feature = "web")]
#[path = "rooms/sockets.rs"]
mod sockets;
#[path = "load/spread.rs"]
mod spread;

/// Odd, so that a median is a measured value.
const ROUNDS: usize = 21;
const ROUNDS_QUICK: usize = 5;

/// Deliveries in a round of one case, at least.
const DELIVERIES: usize = 200_000;

/// How many join in one turn.
const JOINING: usize = 100;

/// Rooms, who is in them, and what is said in a turn.
struct Case {
    name: &'static str,
    /// The case with which it is compared.
    beside: usize,
    members: usize,
    /// None but the lobby, if 0.
    rooms: usize,
    /// How many rooms each member is in.
    each_in: usize,
    /// Lines in a turn, each of another talker as long as there are others.
    lines: usize,
}

const CASES: [Case; 10] = [
    Case::one_room("1,000 in one room, 100 talkers", 0, (1000, 100)),
    Case::one_room("1,000 in one room, 10 talkers", 1, (1000, 10)),
    Case::one_room("10 in one room, 1 line a turn", 2, (10, 1)),
    Case::one_room("10 in one room, 100 lines a turn", 3, (10, 100)),
    Case::rooms("… in 10 of 100 rooms, 10 lines each of 100", 0, (1000, 100, 10), 1000),
    Case::rooms("… in 10 of 100 rooms, 1 line each of 100", 1, (1000, 100, 10), 100),
    Case::rooms("100 rooms of 10, 1 line a turn", 2, (1000, 100, 1), 1),
    Case::rooms("1,000 rooms of 10, 1 line a turn", 2, (10_000, 1000, 1), 1),
    Case::rooms("100 rooms of 10, 100 lines a turn", 3, (1000, 100, 1), 100),
    Case::rooms("1,000 rooms of 10, 100 lines a turn", 3, (10_000, 1000, 1), 100),
];

impl Case {
    const fn one_room(name: &'static str, beside: usize, (members, lines): (usize, usize)) -> Case {
        Case { name, beside, members, rooms: 0, each_in: 1, lines }
    }

    const fn rooms(
        name: &'static str,
        beside: usize,
        (members, rooms, each_in): (usize, usize, usize),
        lines: usize,
    ) -> Case {
        Case { name, beside, members, rooms, each_in, lines }
    }

    /// Which rooms a member is in; it is spread so that few have the same ones in common.
    fn rooms_of(&self, member: usize) -> impl Iterator<Item = usize> {
        let step = 1 + member / self.rooms % 7 * 2;
        (0..self.each_in).map(move |nth| (member + nth * step) % self.rooms)
    }

    /// What a member sends to come in and go to its rooms.
    fn wishes(&self, member: usize) -> Vec<String> {
        let mut wishes = vec![format!(r#"{{"type":"nick","name":"{}"}}"#, speech::name(member))];
        if self.rooms > 0 {
            let join = |room| format!(r##"{{"type":"join","room":"#r{room}"}}"##);
            wishes.extend(self.rooms_of(member).map(join));
            wishes.push(r##"{"type":"part","room":"#lobby"}"##.to_owned());
        }
        wishes
    }

    /// Who says the line with this number, in one of its rooms after the other, and what it sends.
    fn line(&self, said: usize) -> (usize, String) {
        // As many talkers as there are in a turn, but no more than 100.
        let talkers = self.lines.min(100).min(self.members);
        let (talker, round) = (said % talkers * (self.members / talkers), said / talkers);
        let text = speech::text(said % speech::NUMBERS, LINE_BYTES);
        if self.rooms == 0 {
            return (talker, format!(r#"{{"type":"say","text":"{text}"}}"#));
        }
        let talker = if self.each_in == 1 { said * 10 % self.members } else { talker };
        let room = self.rooms_of(talker).nth(round % self.each_in).unwrap_or_default();
        (talker, format!(r##"{{"type":"say","text":"{text}","room":"#r{room}"}}"##))
    }

    /// How many there are in a room.
    fn room_size(&self) -> usize {
        self.members * self.each_in / self.rooms.max(1)
    }
}

/// A case that is being measured.
struct Running {
    case: &'static Case,
    room: Room,
    members: Vec<ConnectionKey>,
    /// Lines that have been said.
    said: usize,
}

#[cfg(not(feature = "web"))]
fn main() {}

#[cfg(feature = "web")]
fn main() {
    // In cargo bench -- FILTER, FILTER is meant for all benchmarks.
    let filters: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "rooms".contains(filter)) {
        return;
    }
    let rounds = match env::args().any(|word| word == "--quick" || word == "--test") {
        true => ROUNDS_QUICK,
        false => ROUNDS,
    };
    let mut running: Vec<_> = CASES.iter().map(Running::new).collect();
    for case in &mut running {
        case.cost();
    }
    let samples: Vec<Vec<f64>> =
        (0..rounds).map(|_| running.iter_mut().map(Running::cost).collect()).collect();
    print_table(&samples, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    drop(running);
    let numbers = [0, 4, 1, 5];
    let joined = numbers.map(|number| sockets::Crowd::join(&CASES[number]));
    let crowds: io::Result<Vec<_>> = joined.into_iter().collect();
    let measured = crowds.and_then(|mut crowds| {
        let mut round = || crowds.iter_mut().map(|crowd| crowd.cost(DELIVERIES)).collect();
        (0..=rounds).map(|_| round()).collect::<io::Result<Vec<Vec<f64>>>>()
    });
    match measured {
        // The first round warms up.
        Ok(samples) => print_table(&samples[1..], &numbers),
        Err(error) => println!("over sockets: {error}"),
    }
}

#[cfg(feature = "web")]
impl Running {
    /// Everybody comes in, goes to their rooms, and leaves the lobby if they have others.
    fn new(case: &'static Case) -> Running {
        let mut config = Config::default();
        config.limits.clients_max = case.members + JOINING;
        config.limits.rooms_max = case.rooms + 1;
        config.limits.flood = None;
        let (mut room, mut members) = (Room::new(&config), Vec::new());
        while members.len() < case.members {
            for _ in 0..JOINING.min(case.members - members.len()) {
                let (number, key) = (members.len(), room.connect(Dialect::Web));
                room.hear(key, speech::HANDSHAKE.as_bytes());
                for wish in case.wishes(number) {
                    ask(&mut room, key, &wish);
                }
                members.push(key);
            }
            room.turn();
        }
        room.turn();
        Running { case, room, members, said: 0 }
    }

    /// Nanoseconds that one delivery takes.
    fn cost(&mut self) -> f64 {
        let turns = DELIVERIES.div_ceil(self.case.lines * self.case.room_size()).min(4000);
        let before = self.room.hub().metrics().deliveries;
        let begun = Instant::now();
        for _ in 0..turns {
            for _ in 0..self.case.lines {
                self.say_one();
            }
            self.room.turn();
        }
        let took = begun.elapsed().as_nanos() as f64;
        let delivered = (self.room.hub().metrics().deliveries - before) as usize;
        assert_eq!(delivered, turns * self.case.lines * self.case.room_size(), "deliveries");
        took / delivered as f64
    }

    /// The next talker says the next line, in one of its rooms after the other.
    fn say_one(&mut self) {
        let (talker, line) = self.case.line(self.said);
        self.said += 1;
        ask(&mut self.room, self.members[talker], &line);
    }
}

/// A browser sends a message.
#[cfg(feature = "web")]
fn ask(room: &mut Room, key: ConnectionKey, message: &str) {
    room.hear(key, &speech::masked(message));
}

/// `rounds` have the cases of these numbers, in that order.
fn print_table(rounds: &[Vec<f64>], numbers: &[usize]) {
    println!("A delivery in ns: median (least-most) of {} rounds, and the ratio", rounds.len());
    println!("to that of the line with this number.");
    println!();
    let of = |round: &Vec<f64>, number| {
        let place = numbers.iter().position(|one| *one == number);
        place.map_or(f64::NAN, |place| round[place])
    };
    for number in numbers {
        let case = &CASES[*number];
        let Spread { least, median, most } = Spread::of(rounds.iter().map(|it| of(it, *number)));
        let ratios = rounds.iter().map(|round| of(round, *number) / of(round, case.beside));
        let ratio = Spread::of(ratios).median;
        let times = format!("{median:.0} ({least:.0}-{most:.0})");
        println!("{number} {:<45} {times:>20} {ratio:>6.2} × {}", case.name, case.beside);
    }
    println!();
}
