//! One run: a server, its clients, the time that passes between them, and in the end the
//! reckoning. All of it follows from the seed.

use std::time::{Duration, Instant};

use chinwag::Now;
use chinwag::dialect::{Dialect, Transport};
use chinwag::event::CloseReason;
use fastrand::Rng;

use super::browser::{self, Browser};
use super::client::Client;
use super::lines::{self, Heard, Line};
use super::log;
use super::names::{Name, Names};
use super::order::{LOBBY, Order, ROOMS, Rooms, WITNESS, WITNESS_NAME, What};
use super::outlaw;
use super::script::Scene;
use super::server::Server;
use super::socket::End;
use super::swarm::{Swarm, happens};
use super::verdict;
use super::wanderer::{self, Wanderer};

/// Turns in a row that may neither move a byte nor come from a deadline.
const IDLE_TURNS_MAX: usize = 300;

/// When the faults have stopped, rounds in a row in which nothing may be said or heard before
/// everything has come to rest. How many rounds there are in all depends on how much was said that
/// may only be heard at a pace; that they end is watched over from outside.
const IDLE_ROUNDS_MAX: usize = 1000;

/// Nothing but the silence of those who come by datagrams is waited for any longer than this.
const REST_MAX: Duration = Duration::from_secs(300);

const STALLED: CloseReason = CloseReason::Stalled;

/// How many connections were closed for each reason, by [`CloseReason::index`].
pub(crate) type Closings = [u64; CloseReason::COUNT];

/// A simulated world.
pub(crate) struct World {
    rng: Rng,
    swarm: Swarm,
    server: Server,
    clients: Vec<Client>,
    wanderers: Vec<Wanderer>,
    names: Names,
    order: Order,
    /// Readers that have stopped one by one, and whether they are going on one by one now.
    swizzled: Vec<usize>,
    resuming: bool,
    /// Bytes of the witness that are in the order already.
    witnessed: usize,
    started: Instant,
    idle_turns: usize,
    stopped: bool,
    verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64, verbose: bool) -> World {
        log::begin();
        let mut rng = Rng::with_seed(seed);
        let swarm = Swarm::draw(&mut rng);
        if verbose {
            eprintln!("{swarm:#?}");
        }
        let started = Instant::now();
        let now = Now { instant: started, unix_seconds: 1_000_000_000 + rng.u64(..100_000) };
        World {
            server: Server::new(&swarm, now),
            names: Names::new(&mut rng),
            clients: Vec::new(),
            wanderers: (0..swarm.wanderers).map(Wanderer::new).collect(),
            order: Order::default(),
            swizzled: Vec::new(),
            resuming: false,
            witnessed: 0,
            started,
            idle_turns: 0,
            stopped: false,
            verbose,
            rng,
            swarm,
        }
    }

    /// Lives through the whole of it. At most `steps_max` steps are made before all comes to rest.
    /// Returns how many connections were closed for each reason.
    pub(crate) fn run(&mut self, steps_max: usize) -> Closings {
        if self.swarm.witness {
            self.witness_joins();
        }
        for _ in 0..self.swarm.steps.min(steps_max) {
            self.step();
        }
        self.calm_down();
        if self.swarm.stops {
            self.wanderers.iter_mut().for_each(Wanderer::gives_up);
            self.stop();
        } else {
            self.come_to_rest(REST_MAX);
            self.check_all(true);
            self.everyone_leaves();
        }
        self.come_to_rest(Duration::MAX);
        assert_eq!(self.server.open(), 0, "sockets that nobody uses");
        assert!(self.server.hub().is_at_rest(), "something is left: {:?}", self.server.hub());
        self.check_all(false);
        if let Err(difference) = self.server.hub().replays_alike() {
            panic!("applied again, the entries give something else: {difference}");
        }
        *self.server.hub().closings()
    }

    // ── while faults happen ──────────────────────────────────────────────────────────────────────

    fn step(&mut self) {
        self.pass_time();
        if happens(&mut self.rng, self.swarm.connect) && self.server.open() <= self.swarm.population
        {
            self.connect(false);
        }
        if happens(&mut self.rng, self.swarm.storm) {
            for _ in 0..self.rng.usize(1..25) {
                self.connect(true);
            }
        }
        if happens(&mut self.rng, self.swarm.swizzle) {
            self.swizzle();
        }
        let mut turn: Vec<_> = (usize::from(self.swarm.witness)..self.clients.len()).collect();
        self.rng.shuffle(&mut turn);
        for id in turn {
            let mut scene = Scene {
                rng: &mut self.rng,
                swarm: &self.swarm,
                names: &mut self.names,
                roster: &self.order.roster,
            };
            self.clients[id].act(&mut scene);
            self.clients[id].step(&mut self.rng, &self.swarm);
        }
        self.wander(false);
        if happens(&mut self.rng, self.swarm.resume) {
            self.server.datagrams.drain();
        }
        if !happens(&mut self.rng, self.swarm.lazy_server) {
            for _ in 0..1 + self.rng.usize(..2) {
                self.turn_if_needed();
            }
        }
    }

    /// Those who wander do what they do. Returns how many had anything to do.
    fn wander(&mut self, calm: bool) -> usize {
        let World { wanderers, server, clients, rng, swarm, .. } = self;
        let mut scene = wanderer::Scene { clients, listener: &mut server.listener, rng, swarm };
        wanderers.iter_mut().map(|wanderer| usize::from(wanderer.step(&mut scene, calm))).sum()
    }

    /// One more reader stops, until all have; then one more goes on, in another order.
    fn swizzle(&mut self) {
        if !self.resuming {
            let first = usize::from(self.swarm.witness);
            let reads = |client: &&Client| client.id >= first && !client.stalled && !client.gone;
            let reading: Vec<_> = self.clients.iter().filter(reads).map(|c| c.id).collect();
            match self.rng.choice(reading) {
                Some(id) => {
                    self.clients[id].stall();
                    self.swizzled.push(id);
                }
                None => self.resuming = true,
            }
        } else if self.swizzled.is_empty() {
            self.resuming = false;
        } else {
            let at = self.rng.usize(..self.swizzled.len());
            self.clients[self.swizzled.swap_remove(at)].stalled = false;
        }
    }

    fn pass_time(&mut self) {
        let jumps = happens(&mut self.rng, self.swarm.jump);
        let most = if jumps { self.swarm.jump_max } else { self.swarm.tick_max };
        let time = Duration::from_micros(self.rng.u64(..=most.as_micros() as u64));
        self.wait(time);
        if jumps && self.rng.bool() {
            // The wall clock is set anew, perhaps back.
            self.server.now.unix_seconds = 1_000_000_000 + self.rng.u64(..100_000);
        }
    }

    fn wait(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let seconds = |now: Now, start| now.instant.saturating_duration_since(start).as_secs();
        let before = seconds(self.server.now, self.started);
        self.server.now.instant += time;
        self.idle_turns = 0;
        let after = seconds(self.server.now, self.started);
        self.server.now.unix_seconds += after - before;
    }

    fn connect(&mut self, silent: bool) {
        let block = match self.swarm.outlaws && self.rng.u8(..4) == 0 {
            true => Some(if self.rng.bool() { outlaw::BANNED } else { outlaw::MUTED }),
            false => (!self.swarm.loopback).then(|| self.rng.usize(..3)),
        };
        let dialect = self.swarm.dialects[self.rng.usize(..self.swarm.dialects.len())];
        let id = self.clients.len();
        let mut client = Client::new(id, dialect, block, &mut self.rng, &self.swarm);
        client.silent = silent;
        client.greet();
        client.events_before = self.order.events.len();
        if client.is_irc() {
            self.order.roomless.insert(id);
        }
        // Nobody is there by datagrams before the first one.
        if dialect.transport() == Transport::Tcp {
            self.server.listener.push_back(client.id);
        }
        self.clients.push(client);
    }

    /// A turn of the server, if it would wake up.
    fn turn_if_needed(&mut self) -> bool {
        if !self.server.has_work(&mut self.clients, &mut self.rng, &self.swarm) {
            self.check_holds();
            return false;
        }
        let before = (self.server.moved, self.server.now.instant);
        self.server.turn(&mut self.clients, &mut self.rng, &self.swarm);
        let moved = self.server.moved > before.0;
        self.idle_turns = if moved { 0 } else { self.idle_turns + 1 };
        assert!(
            self.idle_turns < IDLE_TURNS_MAX,
            "the server turns and turns, and does nothing: {:?}",
            self.server
        );
        let known = self.order.events.len();
        if self.swarm.witness {
            self.witness();
            self.check_bounds(known);
            self.check_shares();
            if !self.stopped {
                self.check_expiry(known);
            }
        }
        true
    }

    /// Nothing is kept for longer than anybody may need it. In this turn happened what follows the
    /// first `known` events.
    fn check_bounds(&self, known: usize) {
        let limits = &self.swarm.config.limits;
        let (journal, own) = self.server.hub().kept_bytes();
        let events = &self.order.events[known..];
        let left = events.iter().filter(|(what, _)| matches!(what, What::Left { .. })).count();
        // The longest line, said by the longest name, where whoever leaves may say a last one; and
        // the names of those who came and went.
        let line = limits.line_bytes_max + 256;
        let journal_max = 2 * limits.backlog_bytes_max + line * (1 + left) + 256 * events.len();
        assert!(journal <= journal_max, "a journal of {journal} bytes, at most {journal_max}");
        let answer = 4096 + line * limits.history_lines_max;
        let own_max = limits.backlog_bytes_max.max(64 * 1024) + answer;
        assert!(own <= own_max, "an outbox of {own} bytes, at most {own_max}");
    }

    /// No block of addresses has more members than its share; nor more who are cut off.
    fn check_shares(&self) {
        let last = self.order.events.len();
        let members = || self.order.ids().map(|id| &self.clients[id]);
        for client in members() {
            let Some(max) = client.block_max(&self.swarm.config.limits) else { continue };
            let is_counted = |other: &&Client| other.block_max(&self.swarm.config.limits).is_some();
            let of_block = members().filter(is_counted).filter(|o| o.block == client.block);
            let is_cut = |other: &&Client| self.order.is_cut_before(other.id, last);
            let (cut, here): (Vec<_>, Vec<_>) = of_block.partition(is_cut);
            assert!(here.len() <= max && cut.len() <= max, "more than {max} of one block");
        }
    }

    /// While the server has nothing to do, whoever is not heard although they may say as much as
    /// they like waits for somebody in the same room who does not read. Nobody else is waited for.
    fn check_holds(&self) {
        if self.swarm.config.limits.flood.is_some() {
            return;
        }
        let is_slow = |reader: &Client| reader.socket.watching_writable || !reader.has_commands();
        let slow = self.server.holders().filter(|id| is_slow(&self.clients[*id]));
        let slow: Vec<_> = slow.map(|id| self.order.rooms_of_client(id)).collect();
        for talker in self.server.holders().filter(|id| self.clients[*id].unheard) {
            let rooms = self.order.rooms_of_client(talker);
            // Who is on the way in is not heard.
            let excuse = rooms == 0 || slow.iter().any(|theirs| theirs & rooms != 0);
            assert!(excuse, "client {talker} is not heard although all in its room read");
        }
    }

    /// Whoever came by datagrams and has not been heard for long is not there any more, and nobody
    /// else has timed out in this turn, which began after `known` events.
    fn check_expiry(&self, known: usize) {
        let expiry = self.swarm.config.limits.udp_expiry;
        let silent = |id: usize| Some(self.server.now.instant - self.clients[id].heard_at?);
        for id in self.order.ids() {
            assert!(silent(id).is_none_or(|time| time < expiry), "client {id} is still here");
        }
        for ((what, _), id) in self.order.events.iter().zip(&self.order.by).skip(known) {
            let expired = matches!(what, What::Left { why: Some(why), .. } if why == "timed out");
            if expired && !self.clients[*id].is_browser() {
                let since = silent(*id);
                assert!(since.is_some_and(|time| time >= expiry), "{what:?} after {since:?}");
            }
        }
    }

    // ── the witness ──────────────────────────────────────────────────────────────────────────────

    fn witness_joins(&mut self) {
        let one_room = self.swarm.rooms == 1 && self.swarm.wanderers == 0;
        let dialect = if one_room { Dialect::Lines } else { "web".parse().unwrap() };
        let mut client = Client::new(WITNESS, dialect, None, &mut self.rng, &self.swarm);
        client.socket.inbox_max = usize::MAX;
        client.socket.outbox_max = usize::MAX;
        (client.slow, client.impolite, client.silent) = (false, false, true);
        if one_room {
            let name = Name { typed: WITNESS_NAME.to_owned(), shown: WITNESS_NAME.to_owned() };
            client.unsent.extend(format!("{WITNESS_NAME}\n").bytes());
            client.lines.push(Line::name(name).0);
        } else {
            client.browser = Some(Browser::steady());
            client.greet();
            client.unsent.extend(browser::introduce(WITNESS_NAME, &mut self.rng));
            for room in &ROOMS[1..self.swarm.rooms] {
                client.unsent.extend(browser::join(room, &mut self.rng));
            }
        }
        self.server.listener.push_back(WITNESS);
        self.clients.push(client);
        while self.order.lines < self.swarm.rooms {
            self.clients[WITNESS].step(&mut self.rng, &self.swarm);
            if !self.turn_if_needed() {
                // It may not say so much at once.
                let next = self.server.hub().poll_timeout();
                let next = next.unwrap_or_else(|| panic!("the witness does not get in"));
                self.wait(next.saturating_duration_since(self.server.now.instant));
            }
        }
    }

    /// The witness reads all that has come, and it goes into the order.
    fn witness(&mut self) {
        let now = self.server.now;
        let witness = &mut self.clients[WITNESS];
        witness.socket.receive(&mut witness.received, usize::MAX);
        let heard = match &mut witness.browser {
            None => lines_heard(&witness.received, &mut self.witnessed, self.order.lines == 0),
            Some(browser) => {
                witness.unsent.extend(browser.pongs(&witness.received, &mut self.rng));
                witness.socket.send(&mut witness.unsent);
                let events = browser::events(&witness.received, &mut self.witnessed);
                events.iter().map(browser::heard_in_rooms).collect()
            }
        };
        for (rooms, heard, number) in heard {
            if self.verbose {
                eprintln!("{:?} {rooms:b} {heard:?}", now.instant - self.started);
            }
            self.order.hear(heard, rooms, now, &self.server.addresses);
            number.iter().for_each(|number| self.order.number(*number));
        }
        self.order.catch_up(now, &self.server.addresses);
        let inside = !self.stopped && self.clients[WITNESS].ending == End::Open;
        if inside {
            assert_eq!(self.server.hub().members(), self.order.roster.len(), "members");
        }
    }

    // ── when faults have stopped ─────────────────────────────────────────────────────────────────

    /// Everyone reads, and nothing breaks from now on.
    fn calm_down(&mut self) {
        self.swarm.calm_down();
        self.server.datagrams.drain();
        for client in &mut self.clients {
            client.stalled = false;
            let socket = &mut client.socket;
            socket.inbox_max = socket.inbox_max.max(4096);
            socket.outbox_max = socket.outbox_max.max(4096);
        }
    }

    /// Lets the time pass until nothing is left to be done. It must not take for ever.
    fn come_to_rest(&mut self, wait_max: Duration) {
        let mut stalled = u64::MAX;
        let (mut idle, mut heard, mut waited) = (0, 0, Duration::ZERO);
        for round in 0.. {
            assert!(idle < IDLE_ROUNDS_MAX, "it does not come to rest");
            // Some may have stalled for too long before. After that, whoever reads is written to.
            let closed = self.server.hub().closings()[STALLED.index()];
            assert!(closed <= stalled, "somebody is closed as stalled although everyone reads");
            if round >= 5 {
                stalled = closed;
            }
            let before = self.server.moved;
            let mut moved = 0;
            for client in &mut self.clients {
                moved += client.step(&mut self.rng, &self.swarm);
            }
            moved += self.wander(true);
            let turned = self.turn_if_needed();
            idle = if moved > 0 || self.server.moved > before { 0 } else { idle + 1 };
            if turned || moved > 0 {
                continue;
            }
            let Some(next) = self.server.hub().poll_timeout() else { return };
            let time = next.saturating_duration_since(self.server.now.instant);
            // To browsers something is always sent.
            let now_heard = self.clients.iter().map(Client::heard_bytes).sum();
            waited = if heard == now_heard { waited.saturating_add(time) } else { time };
            heard = now_heard;
            if waited > wait_max || self.is_witness_alone() {
                return;
            }
            self.wait(time);
        }
    }

    /// Whether nobody is there but a witness who is asked for ever whether it is.
    fn is_witness_alone(&self) -> bool {
        let stays = |witness: &Client| witness.is_browser() && witness.ending == End::Open;
        let has_witness = self.swarm.witness && !self.stopped;
        let is_alone = self.server.open() == 1 && self.server.hub().held() == 0;
        has_witness && is_alone && stays(&self.clients[WITNESS])
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.server.wants_stop = true;
    }

    /// Everyone leaves in one way or another, the witness last.
    fn everyone_leaves(&mut self) {
        let first = usize::from(self.swarm.witness);
        self.wanderers.iter_mut().for_each(Wanderer::gives_up);
        for id in first..self.clients.len() {
            if self.clients[id].gone || self.clients[id].ending != End::Open {
                continue;
            }
            if !self.clients[id].has_commands() {
                self.leave_in_an_older_way(id);
                continue;
            }
            match self.rng.u8(..4) {
                0 => self.clients[id].end(End::Reset),
                1 => {
                    if self.clients[id].is_browser() && !self.clients[id].is_visitor() {
                        let farewell = browser::farewell(&mut self.rng);
                        self.clients[id].unsent.extend(farewell);
                    }
                    self.clients[id].end(End::Fin);
                }
                2 => self.clients[id].end(End::Closed),
                _ => {
                    let quit = Line::always(b"/quit", lines::Wish::Quit(String::new()));
                    self.clients[id].send(quit.0, b"/quit", false, (&mut self.rng, &self.swarm));
                }
            }
        }
        self.come_to_rest(Duration::MAX);
        if first > 0 {
            assert_eq!(self.order.roster, [WITNESS_NAME], "everyone has left");
            self.clients[WITNESS].end(End::Fin);
        }
    }

    fn leave_in_an_older_way(&mut self, id: usize) {
        let client = &mut self.clients[id];
        let way = self.rng.u8(..4);
        if client.dialect == Dialect::Datagram {
            if way > 0 && client.heard_at.is_some() && !client.socket.dropped {
                client.socket.datagrams_in.push_back(b"Exit".to_vec());
            }
            return;
        }
        match way {
            0 => client.end(End::Reset),
            1 => client.end(End::Closed),
            2 => client.end(End::Fin),
            _ => {
                let word = match client.dialect {
                    Dialect::Anonymous => "\r\n",
                    Dialect::Register => "quit",
                    _ => "exit",
                };
                client.unsent.extend(word.bytes());
                client.end(End::Fin);
            }
        }
    }

    /// Holds what each client has received against the order.
    fn check_all(&mut self, here: bool) {
        if self.swarm.witness {
            let metrics = self.server.hub().metrics();
            let counted = (metrics.lines, metrics.deliveries);
            let (config, manner) = (&self.swarm.config, (here, self.verbose));
            let people = (&self.clients[..], &self.wanderers[..]);
            verdict::check(people, &self.order, config, counted, manner);
        }
    }
}

/// What has come at `lines` after the first `seen` bytes; at first, that somebody has come in.
fn lines_heard(
    received: &[u8],
    seen: &mut usize,
    is_outside: bool,
) -> Vec<(Rooms, Heard, Option<u64>)> {
    let fresh = std::str::from_utf8(&received[*seen..]).unwrap();
    assert!(fresh.is_empty() || fresh.ends_with('\n'), "half a line to who takes all");
    *seen = received.len();
    let hear = |line: &str| match line.strip_prefix("* You are ").filter(|_| is_outside) {
        Some(_) => Heard::Room(vec![What::Joined(WITNESS_NAME.to_owned())], 0, None),
        None => lines::hear(line),
    };
    fresh.lines().map(|line| (LOBBY, hear(line), None)).collect()
}
