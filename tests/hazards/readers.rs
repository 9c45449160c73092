//! Hazards of those who do not read, and of many at once: 12 to 15.

use std::collections::HashSet;

use super::crowd::{Stranger, as_many_as, crowd, deaf_member};
use crate::common::{Notice, Person, Server, left_by_reset};

/// A line of 4,000 bytes.
fn long_line(number: usize) -> String {
    format!("{number:.>4000}")
}

/// `talker` says so many lines, beginning with this number, and each of `readers` gets each of
/// them; they go hand in hand, so that nobody is slow who should not be. Returns what else
/// the first of them received.
#[track_caller]
fn talk(talker: &mut Person, readers: &mut [Person], from: usize, lines: usize) -> Vec<String> {
    let numbers = from..from + lines;
    let text: String = numbers.clone().map(|number| long_line(number) + "\n").collect();
    talker.sends(text.as_bytes());
    let mut others = Vec::new();
    for (place, reader) in readers.iter_mut().enumerate() {
        for number in numbers.clone() {
            let mut line = reader.sees_a_line();
            while line.starts_with("* ") {
                if place == 0 {
                    others.push(line);
                }
                line = reader.sees_a_line();
            }
            assert_eq!(line, format!("talker: {}", long_line(number)));
        }
    }
    others
}

/// 12
#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_never_reads_costs_nobody_a_line_and_the_server_no_memory() {
    const BATCH: usize = 64;
    let watched = super::system::Watched::start(&["--flood", "0"]);
    let [mut talker, bob, carol, dave] =
        crate::common::room(&watched.server, ["talker", "bob", "carol", "dave"]);
    let mut readers = [bob, carol, dave];
    let deaf = deaf_member(&watched.server, "deaf");
    for person in readers.iter_mut().chain([&mut talker]) {
        person.sees("* deaf joined (5 here)");
    }
    watched.takes_peak_memory();
    talk(&mut talker, &mut readers, 0, BATCH);
    let before = watched.takes_peak_memory();
    let mut notices = Vec::new();
    for batch in 1..(100 << 20) / 4000 / BATCH {
        notices.extend(talk(&mut talker, &mut readers, batch * BATCH, BATCH));
    }
    let growth = watched.takes_peak_memory().saturating_sub(before);
    assert_eq!(notices, ["* deaf left: too slow (4 here)"]);
    assert!(growth < 8 << 20, "the server has grown by {growth} bytes");
    for person in &mut readers {
        person.sees_nothing_more();
    }
    talker.sees("* deaf left: too slow (4 here)");
    talker.sees_nothing_more();

    // What it got before is whole lines, or was cut off where the connection ends.
    let (seen, _) = deaf.reads_to_the_end();
    let seen = String::from_utf8(seen).unwrap();
    let lines = seen.split_inclusive('\n').filter(|line| line.starts_with("talker: "));
    for (number, line) in lines.enumerate() {
        let expected = format!("talker: {}\n", long_line(number));
        assert!(line == expected || !line.ends_with('\n') && expected.starts_with(line));
    }
}

/// 13
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_readers_that_never_read_cost_one_backlog() {
    let count = as_many_as(1000);
    let watched = super::system::Watched::start(&["--flood", "0"]);
    let mut talker = Person::join(&watched.server, "talker");
    let deaf = deaf_members(&watched.server, count);
    let mut readers = [Person::join(&watched.server, "hearer")];
    talker.sees_until(&format!("* hearer joined ({} here)", count + 2));
    talk(&mut talker, &mut readers, 0, 1);
    watched.takes_peak_memory();
    let before = watched.takes_peak_memory();
    let left = talk_until_gone(&mut talker, &mut readers, count);
    let growth = watched.takes_peak_memory().saturating_sub(before);
    assert_eq!(left, count);
    assert!(growth < 4 << 20, "the server has grown by {growth} bytes");
    drop(deaf);
}

/// 13: the same for those who come when much has been said.
#[cfg(target_os = "linux")]
#[test]
fn newcomers_that_never_read_cost_one_history() {
    let count = as_many_as(500);
    let watched = super::system::Watched::start(&["--flood", "0"]);
    let mut talker = Person::join(&watched.server, "talker");
    let mut readers = [Person::join(&watched.server, "hearer")];
    talker.sees("* hearer joined (2 here)");
    talk(&mut talker, &mut readers, 0, 50);
    watched.takes_peak_memory();
    let before = watched.takes_peak_memory();
    let deaf = deaf_members(&watched.server, count);
    talker.sees_until(&format!("* deaf{} joined ({} here)", count - 1, count + 2));
    let growth = watched.takes_peak_memory().saturating_sub(before);
    assert!(growth < 4 << 20, "the server has grown by {growth} bytes");
    drop(deaf);
}

/// 15
#[test]
fn a_hundred_readers_that_are_too_slow_at_once_leave_once_each() {
    let server = Server::start(&["--flood", "0", "--backlog", "64K"]);
    let mut talker = Person::join(&server, "talker");
    let deaf = deaf_members(&server, 100);
    let mut readers = [Person::join(&server, "hearer")];
    talker.sees_until("* hearer joined (102 here)");
    assert_eq!(talk_until_gone(&mut talker, &mut readers, 100), 100);
    // Nothing follows that would make them more.
    talk(&mut talker, &mut readers, 0, 1);
    readers[0].sees_nothing_more();
    assert_eq!(readers[0].answers_to("/who"), ["* 2 here: hearer, talker"]);
    drop(deaf);
}

fn deaf_members(server: &Server, count: usize) -> Vec<Stranger> {
    (0..count).map(|number| deaf_member(server, &format!("deaf{number}"))).collect()
}

/// `talker` talks until `count` have left as too slow, of whom nobody is named twice. Returns how
/// many did.
#[track_caller]
fn talk_until_gone(talker: &mut Person, readers: &mut [Person], count: usize) -> usize {
    /// More than a thousand sockets with little room hold each.
    const LINES_MAX: usize = (32 << 20) / 4000;
    let (mut left, mut number) = (0, 0);
    let mut names = HashSet::new();
    while left < count {
        assert!(number < LINES_MAX, "only {left} of {count} have left");
        for line in talk(talker, readers, number, 8) {
            let notice = Notice::parse(&line).unwrap_or_else(|| panic!("{line:?}"));
            assert_eq!(notice.what, "left: too slow");
            left += notice.names.len() + notice.unnamed;
            assert_eq!(notice.here, count + 2 - left, "{line:?}");
            for name in notice.names {
                assert!(names.insert(name), "{line:?} names somebody who had left");
            }
        }
        number += 8;
    }
    left
}

/// 14: nobody measures time here. Those who come and those who go share a notice; otherwise each
/// who stays would be told thousands of times.
#[test]
fn when_thousands_are_gone_at_once_the_rest_stay_and_hear_it_in_few_words() {
    let count = as_many_as(5000);
    let server = Server::start(&["--nick-timeout", "600"]);
    let mut alice = Person::join(&server, "alice");
    let mut leavers = crowd(&server, count);
    let mut stayers: Vec<Person> = leavers.drain(..count / 2).collect();
    let leaving = leavers.len();
    #[cfg(target_os = "linux")]
    server.pause();
    leavers.into_iter().for_each(Person::resets);
    #[cfg(target_os = "linux")]
    server.resume();

    let (mut joined, mut left, mut notices) = (0, 0, 0);
    while left < leaving {
        let line = alice.sees_a_line();
        let notice = Notice::parse(&line).unwrap_or_else(|| panic!("{line:?}"));
        let people = notice.names.len() + notice.unnamed;
        match &*notice.what {
            "joined" => joined += people,
            // Under wine it shows after all if they are written to before they are polled.
            what if what == left_by_reset() || what == "left: connection lost" => {
                left += people;
                notices += 1;
            }
            _ => panic!("{line:?}"),
        }
    }
    assert_eq!((joined, left), (count, leaving));
    // The poll brings thousands of events at once, and all of these in a few turns.
    if cfg!(target_os = "linux") {
        assert!(notices < 10, "{notices} notices");
    }
    alice.says("who is still here?");
    for stayer in &mut stayers {
        let heard = stayer.sees_until("alice: who is still here?");
        assert!(heard.iter().all(|line| Notice::parse(line).is_some()));
        let last = heard.last().and_then(|line| Notice::parse(line)).unwrap();
        assert_eq!(last.here, stayers_and_alice(count, leaving));
    }
    let last = stayers.len() - 1;
    stayers[last].says("I am");
    alice.sees(&format!("crowd{last}: I am"));
}

fn stayers_and_alice(count: usize, leaving: usize) -> usize {
    count - leaving + 1
}
