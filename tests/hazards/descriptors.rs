//! Hazard 4: descriptors run out. A limit is given to the server before it starts, or to its
//! process while it runs.

use std::time::{Duration, Instant};

use super::crowd::Stranger;
use super::system::Watched;
use crate::common::{PATIENCE, Person, WELCOME, room};

/// Much more than the server waits before it tries again.
const GRACE: Duration = Duration::from_secs(5);

/// 4: the server believes its limit of descriptors, and turns away whom it cannot serve.
#[test]
fn with_few_descriptors_those_inside_chat_on_and_the_next_get_in_when_some_leave() {
    let watched = Watched::start_under("ulimit -n 64", &[]);
    let server = &watched.server;
    let [mut alice, mut bob] = room(server, ["alice", "bob"]);
    let mut crowd: Vec<Person> = (0..200).map(|_| Person::connect(server)).collect();
    // Who is too many is told so, or just closed if not even that can be done.
    let is_welcome = |person: &mut Person| {
        let welcome = person.sees_within(PATIENCE).as_deref() == Some(WELCOME);
        if !welcome {
            person.sees_until_cut_off();
        }
        welcome
    };
    let welcome = crowd.iter_mut().map(is_welcome).filter(|is_welcome| *is_welcome).count();
    assert!((14..62).contains(&welcome), "{welcome} are welcome with 64 descriptors");
    let load = watched.load();
    assert!(load < 0.1, "{load} of a processor for nothing");
    they_chat(&mut alice, &mut bob);
    drop(crowd);
    let start = Instant::now();
    while !is_welcome(&mut Person::connect(server)) {
        assert!(start.elapsed() < PATIENCE, "the server stays full");
    }
    they_chat(&mut alice, &mut bob);
}

/// 4: the limit is lower than the server believes, so that accepting fails. Those who come are
/// accepted with the spare descriptor, and closed.
#[test]
fn out_of_descriptors_those_who_come_are_closed_and_those_inside_chat_on() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let [mut alice, mut bob] = room(server, ["alice", "bob"]);
    watched.leave_descriptors(20);
    let crowd: Vec<Stranger> =
        (0..200).map(|_| Stranger::connect(server.address("lines"))).collect();
    they_chat(&mut alice, &mut bob);
    let load = watched.load();
    assert!(load < 0.1, "{load} of a processor for nothing");
    let mut inside = Vec::new();
    for (number, mut stranger) in crowd.into_iter().enumerate() {
        // In the order of their coming: those for whom there is a descriptor, and the others.
        if number < 20 {
            stranger.waits_for(WELCOME);
            inside.push(stranger);
        } else {
            let (seen, _) = stranger.reads_to_the_end();
            assert_eq!(String::from_utf8_lossy(&seen), "", "{number}");
        }
    }
    // One place is free when its connection has ended on both sides.
    let mut leaver = inside.remove(7);
    leaver.half_closes();
    leaver.waits_for("\n");
    assert!(leaver.reads_to_the_end().1, "no orderly end");
    Person::connect(server).sees(WELCOME);
    they_chat(&mut alice, &mut bob);
}

/// 4: when everyone who came has been closed, there is nothing to do.
#[test]
fn out_of_descriptors_nothing_is_tried_in_vain() {
    let mut watched = Watched::start(&[]);
    let _alice = Person::join(&watched.server, "alice");
    watched.leave_descriptors(2);
    let address = watched.server.address("lines");
    let mut crowd: Vec<Stranger> = (0..5).map(|_| Stranger::connect(address)).collect();
    for late in crowd.drain(2..) {
        assert_eq!(late.reads_to_the_end().0, b"");
    }
    let load = watched.load();
    assert!(load < 0.1, "{load} of a processor for nothing");
    watched.server.terminate();
    drop(crowd);
    assert_eq!(watched.server.wait(), Some(0));
    let log = watched.server.log().lines_at_the_end();
    let tried = log.iter().filter(|line| line.contains("cannot accept")).count();
    assert!(tried < 3, "tried {tried} times to accept somebody when nobody was there");
}

/// 4: not even the spare descriptor can be had. Nobody new gets in, and the server neither runs hot
/// nor forgets them: they wait until there are descriptors again, without doing anything.
#[test]
fn without_any_descriptor_those_who_come_wait_until_there_are_some() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let [mut alice, mut bob] = room(server, ["alice", "bob"]);
    watched.limit_descriptors(3);
    let mut waiting: Vec<Person> = (0..20).map(|_| Person::connect(server)).collect();
    they_chat(&mut alice, &mut bob);
    let load = watched.load();
    assert!(load < 0.1, "{load} of a processor for nothing");
    they_chat(&mut alice, &mut bob);
    watched.limit_descriptors(1000);
    // The first may have been closed with the spare descriptor before that was gone too.
    let deadline = Instant::now() + GRACE;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let greeted = waiting.iter_mut().filter_map(|person| person.sees_within(left())).count();
    assert!(greeted >= 19, "{greeted} of 20 were greeted");
    Person::connect(server).sees(WELCOME);
    they_chat(&mut alice, &mut bob);
}

fn they_chat(alice: &mut Person, bob: &mut Person) {
    for number in 0..10 {
        alice.says(&format!("do you hear me? {number}"));
        bob.sees(&format!("alice: do you hear me? {number}"));
        bob.says(&format!("yes {number}"));
        alice.sees(&format!("bob: yes {number}"));
    }
}
