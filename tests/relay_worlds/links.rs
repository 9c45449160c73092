//! Links to one engine without hubs: what each must notice by itself, step by step. Nothing is
//! executed but what a test says, so that one has read what others have not.

use std::time::{Duration, Instant};

use chinwag::Now;
use chinwag::relay::{Link, LinkEvent, LinkSettings, LogLength, Side};

use super::engine::Engine;

const SHORT: LogLength = LogLength { kept: 5, verified: 5, checkpoint_every: 1000 };

/// A server, as far as the log goes.
struct Node {
    label: String,
    link: Link,
    wires: [Option<usize>; 2],
    /// What stood in the log since it was read from its beginning or from a checkpoint.
    heard: Vec<String>,
    /// So often it was.
    resets: usize,
}

/// An engine, and servers that share it.
struct Links {
    engine: Engine,
    nodes: Vec<Node>,
    ms: u64,
    began: Instant,
}

impl Links {
    /// So many servers, which can write, and have read something.
    fn new(count: usize, log: LogLength) -> Links {
        let (engine, nodes) = (Engine::default(), Vec::new());
        let mut links = Links { engine, nodes, ms: 0, began: Instant::now() };
        (0..count).for_each(|_| links.begin(log));
        links.writes(0, "first");
        links.run(&(0..count).collect::<Vec<_>>());
        links
    }

    /// One more server.
    fn begin(&mut self, log: LogLength) {
        let (place, now) = (self.nodes.len(), self.now());
        let (label, login, seed) = (format!("s{place}"), None, place as u64);
        let settings =
            LinkSettings { label: label.clone(), log, login, addresses: 1, seed, secret: [7; 16] };
        let link = Link::new(settings, now);
        self.nodes.push(Node { label, link, wires: [None; 2], heard: Vec::new(), resets: 0 });
        self.run(&[place]);
    }

    fn now(&self) -> Now {
        let instant = self.began + Duration::from_millis(self.ms);
        Now { instant, unix_seconds: 1_700_000_000 + self.ms / 1000 }
    }

    /// Those servers do all that there is to do, for a second.
    fn run(&mut self, places: &[usize]) {
        for _ in 0..50 {
            self.ms += 20;
            for place in places {
                self.executes(*place, Side::Commands);
                self.executes(*place, Side::Reader);
            }
        }
    }

    /// A server writes, and is told that it has, but reads nothing.
    fn writes(&mut self, place: usize, lines: &str) {
        self.ms += 2;
        let now = self.now();
        self.nodes[place].link.submit(lines.to_owned(), now);
        self.executes(place, Side::Commands);
    }

    /// The first server writes more than a short log keeps, and reads it.
    fn writes_ten(&mut self) {
        for number in 0..10 {
            self.writes(0, &number.to_string());
            self.reads(0);
        }
    }

    /// A server reads what there is.
    fn reads(&mut self, place: usize) {
        self.executes(place, Side::Reader);
    }

    /// What a server has sent over one of its connections is executed, and answered.
    fn executes(&mut self, place: usize, side: Side) {
        let (now, node, engine) = (self.now(), &mut self.nodes[place], &mut self.engine);
        node.turn(engine, now);
        if let Some(wire) = node.wires[side as usize] {
            while engine.step(wire, self.ms) {}
        }
        node.turn(engine, now);
    }
}

impl Node {
    fn turn(&mut self, engine: &mut Engine, now: Now) {
        self.link.handle_timeout(now);
        self.drop_if_wanted(engine);
        while let Some((side, _)) = self.link.poll_dial() {
            self.wires[side as usize] = Some(engine.connect());
            self.link.handle_open(side, now);
        }
        for side in Side::BOTH {
            let Some(wire) = self.wires[side as usize] else { continue };
            let bytes = engine.take_output(wire);
            self.link.handle_bytes(side, &bytes, now);
            if !engine.is_open(wire) {
                self.link.handle_broken("cut", now);
            }
            self.hears();
            self.drop_if_wanted(engine);
        }
        for side in Side::BOTH {
            let bytes = self.link.poll_transmit(side);
            if let Some(wire) = self.wires[side as usize] {
                engine.receive(wire, &bytes);
            }
        }
    }

    fn drop_if_wanted(&mut self, engine: &mut Engine) {
        if self.link.poll_drop() {
            let wires = self.wires.iter_mut().filter_map(Option::take);
            wires.for_each(|wire| engine.cut(wire, false));
        }
    }

    fn hears(&mut self) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Reset { checkpoint, .. } => {
                    self.resets += 1;
                    self.heard =
                        checkpoint.iter().flat_map(|it| it.lines()).map(str::to_owned).collect();
                    let name = format!("{}.{}", self.label, self.resets);
                    self.link.write_as(&name.into());
                }
                LinkEvent::Entry(entry) => {
                    let entry = entry.relayed();
                    self.heard.push(format!("{} {}", entry.at_ms / 1000, entry.lines));
                }
                LinkEvent::Checkpoint { place, stands } => {
                    self.link.save((place, &stands), &self.heard.join("\n"));
                }
                LinkEvent::Secret(_) | LinkEvent::Live(_) | LinkEvent::Missing(_) => {}
            }
        }
    }
}

#[test]
fn what_was_read_in_another_order_is_read_anew() {
    let mut links = Links::new(3, LogLength::default());
    links.writes(0, "one");
    links.writes(1, "two");
    links.writes(0, "three");
    links.reads(2);
    assert_eq!(links.nodes[2].heard.len(), 4);
    // Only one has read what is lost. The others write it again, and the last is the same.
    links.engine.restart(false);
    links.engine.lose_tail(3);
    links.run(&[1]);
    links.run(&[0]);
    links.run(&[0, 1, 2]);
    assert_eq!(links.nodes.iter().map(|node| node.resets).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(links.nodes[2].heard, links.nodes[0].heard);
}

#[test]
fn what_is_written_again_was_said_when_it_was_written_first() {
    let mut links = Links::new(2, LogLength::default());
    links.writes(0, "one");
    links.reads(1);
    links.engine.restart(false);
    links.engine.lose_tail(1);
    links.ms += 1000;
    links.run(&[0]);
    links.run(&[0, 1]);
    assert_eq!(links.nodes[0].heard.len(), 2);
    assert_eq!(links.nodes[1].heard, links.nodes[0].heard);
    assert_eq!(links.nodes[1].resets, 1);
}

#[test]
fn who_finds_no_beginning_asks_those_who_know_what_was_there() {
    let mut links = Links::new(1, SHORT);
    links.writes_ten();
    links.begin(SHORT);
    assert!(!links.nodes[1].link.is_live());
    (0..3).for_each(|_| links.run(&[0, 1]));
    assert!(links.nodes[1].link.is_live());
    assert_eq!(links.nodes[1].heard, links.nodes[0].heard);
    assert_eq!(links.nodes[1].heard.len(), 11);
}

#[test]
fn who_finds_no_beginning_reads_on_to_where_the_log_has_begun_anew() {
    let mut links = Links::new(1, SHORT);
    links.writes_ten();
    let later = 1_800_000_000_000;
    let earlier = links.engine.say_begun(later).unwrap();
    links.begin(SHORT);
    links.run(&[0, 1]);
    links.engine.say_begun(earlier);
    links.begin(SHORT);
    (0..3).for_each(|_| links.run(&[0, 1, 2]));
    assert!(links.nodes[2].link.is_live());
    assert_eq!(links.engine.say_begun(later), Some(later));
}

#[test]
fn who_was_too_slow_for_the_log_begins_with_a_checkpoint() {
    let mut links = Links::new(2, SHORT);
    links.writes_ten();
    links.reads(1);
    (0..3).for_each(|_| links.run(&[0, 1]));
    assert_eq!(links.nodes[1].heard, links.nodes[0].heard);
    assert_eq!(links.nodes[1].heard.len(), 11);
}

#[test]
fn who_reads_what_it_wrote_last_and_not_what_it_wrote_before_begins_anew() {
    let mut links = Links::new(1, LogLength::default());
    links.writes(0, "one");
    links.engine.lose_tail(1);
    links.writes(0, "two");
    links.reads(0);
    assert!(!links.nodes[0].link.is_live());
    links.run(&[0]);
    assert_eq!(links.nodes[0].resets, 2);
}

#[test]
fn who_only_waits_notices_too_that_what_it_has_read_is_lost() {
    let mut links = Links::new(2, LogLength::default());
    links.writes(0, "one");
    links.reads(0);
    links.reads(1);
    links.engine.lose_tail(1);
    (0..3).for_each(|_| links.run(&[0, 1]));
    assert_eq!(links.nodes.iter().map(|node| node.resets).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn who_writes_at_a_place_that_it_has_read_begins_anew() {
    let mut links = Links::new(1, LogLength::default());
    links.writes(0, "one");
    links.reads(0);
    links.engine.lose_tail(1);
    links.writes(0, "two");
    assert!(!links.nodes[0].link.is_live());
    links.run(&[0]);
    assert_eq!(links.nodes[0].resets, 2);
}

#[test]
fn a_checkpoint_of_what_is_lost_is_not_believed() {
    let log = LogLength { checkpoint_every: 2, ..LogLength::default() };
    let mut links = Links::new(2, log);
    links.writes(0, "one");
    links.reads(0);
    links.engine.lose_tail(1);
    // What it has saved comes late.
    links.executes(0, Side::Commands);
    links.writes(1, "two");
    links.writes(1, "three");
    links.begin(log);
    links.run(&[0, 1, 2]);
    assert_eq!(links.nodes[2].heard, links.nodes[1].heard);
}

#[test]
fn the_longer_it_takes_to_tell_what_was_read_the_less_often_is_read() {
    let waits = |took| {
        let mut links = Links::new(2, LogLength::default());
        for text in ["one", "two", "three"] {
            links.writes(0, text);
            links.reads(1);
            links.nodes[1].link.note_turn(took);
        }
        let before = links.ms;
        while links.nodes[1].heard.len() < 4 {
            assert!(links.ms < before + 100, "it is not read at all");
            links.ms += 1;
            links.reads(1);
        }
        links.ms - before
    };
    assert_eq!(waits(Duration::ZERO), 0);
    // Eight times as long, 2 ms of which had gone when the last was written.
    assert_eq!(waits(Duration::from_micros(500)), 2);
    // But never more than 5 ms.
    assert_eq!(waits(Duration::from_secs(1)), 3);
}
