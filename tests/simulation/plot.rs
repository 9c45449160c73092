//! What the adversary of [`super::adversary`] does: a plan for each of its connections. Each says
//! and reads something at a pace of its own, goes in some way, and comes back.

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use chinwag::dialect::{Dialect, Transport};
use fastrand::Rng;
use serde_json::json;

use super::adversary::guest;
use super::browser;
use super::client::Client;
use super::server::Server;
use super::socket::End;
use super::swarm::Swarm;

/// Whom the adversary is after.
const VICTIMS: [&str; 2] = ["alice", "bob"];

/// The pace that `--flood` allows.
pub(crate) const PACE: Duration = Duration::from_millis(100);

/// Connections that one world may see. Each costs time in every turn that follows.
const COMINGS_MAX: usize = 400;

/// The time it takes to come in, also for those who are told each thing alone.
const COMING: Duration = Duration::from_millis(500);

/// What a connection has to send before it says no more.
const UNSENT_MAX: usize = 16 * 1024;

/// What one connection says, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    Nothing,
    Lines,
    /// A line to one of the pair.
    Private,
    Who,
    History,
    Help,
    Ignore,
    Rename,
    /// Frames of a browser that say nothing.
    Pings,
    Fragments,
    /// A page is asked for by HTTP, and nobody comes in.
    Visit,
}

/// How one connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    Nothing,
    /// So many bytes in each second.
    Steadily(usize),
    /// So many bytes at once, and then nothing for a while.
    Gulps(usize, Duration),
    /// So many bytes in each second, the latter, and what keeps it no further behind the room.
    Behind(usize, usize),
}

/// How one connection goes. What has not been read by then is read a byte at a time, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Quit,
    Fin,
    Close,
    Reset,
}

/// What one connection does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// Its name; unless there is one, it has one that nobody else has.
    pub(crate) name: Option<&'static str>,
    pub(crate) talk: Talk,
    /// Bytes of a line, or of frames that are sent at once.
    pub(crate) length: usize,
    /// Lines that it says at once when it has come, and how often it says one later.
    pub(crate) burst: usize,
    pub(crate) every: Duration,
    pub(crate) reads: Reads,
    /// What its socket takes although it does not read.
    pub(crate) buffer: usize,
    pub(crate) stays: Duration,
    pub(crate) way: Way,
    /// How long after it has gone it comes again.
    pub(crate) back: Duration,
}

impl Plan {
    /// It is there, and reads everything.
    pub(crate) fn new(dialect: Dialect) -> Plan {
        Plan {
            dialect,
            name: None,
            talk: Talk::Nothing,
            length: 100,
            burst: 0,
            every: PACE,
            reads: Reads::All,
            buffer: 64 * 1024,
            stays: Duration::MAX,
            way: Way::Quit,
            back: Duration::ZERO,
        }
    }

    fn draw(rng: &mut Rng, dialects: &[Dialect]) -> Plan {
        let is_browser = |dialect: &Dialect| browser::speaks(*dialect);
        let mut plan = Plan::new(dialects[rng.usize(..dialects.len())]);
        plan.draw_reading(rng);
        match rng.u8(..12) {
            0..2 => {}
            2..5 => plan.talk = Talk::Lines,
            5 => plan.talk = Talk::Private,
            6 => plan.talk = [Talk::Who, Talk::History, Talk::Help][rng.usize(..3)],
            7 => plan.talk = [Talk::Ignore, Talk::Rename][rng.usize(..2)],
            8 => plan.name = Some(VICTIMS[rng.usize(..2)]),
            9 => {
                plan.stays = Duration::from_millis(rng.u64(100..5000));
                plan.back = Duration::from_millis(rng.u64(..2000));
                plan.talk = [Talk::Nothing, Talk::Lines][rng.usize(..2)];
                plan.way = [Way::Quit, Way::Fin, Way::Close, Way::Reset][rng.usize(..4)];
            }
            _ if !dialects.iter().any(is_browser) => {}
            10 => plan.talk = [Talk::Pings, Talk::Fragments][rng.usize(..2)],
            _ => {
                plan.talk = Talk::Visit;
                plan.back = Duration::from_millis(rng.u64(..2000));
                plan.stays = plan.back;
            }
        }
        if matches!(plan.talk, Talk::Pings | Talk::Fragments | Talk::Visit) {
            plan.dialect = dialects.iter().copied().find(is_browser).unwrap();
        }
        plan.length = if rng.bool() { rng.usize(1..200) } else { rng.usize(200..4090) };
        plan.burst = if rng.bool() { 30 } else { 0 };
        plan.every = PACE * [1, 1, 1, 5, 20][rng.usize(..5)];
        plan
    }

    fn draw_reading(&mut self, rng: &mut Rng) {
        self.buffer = 1024 << rng.u32(..9);
        let rate = rng.usize(1000..600_000);
        self.reads = match rng.u8(..8) {
            0 => Reads::Nothing,
            1 => Reads::Steadily(rate / 20),
            2 => Reads::Steadily(rate),
            3 => {
                let bytes = (512 << 10) + rng.usize(..512 << 10);
                Reads::Gulps(bytes, Duration::from_millis(rng.u64(500..20_000)))
            }
            4 => Reads::Behind(rng.usize(400 << 10..1 << 20), [0, rate / 20][rng.usize(..2)]),
            _ => Reads::All,
        };
    }
}

/// The plans, when each of them begins, and what became of it until now.
#[derive(Debug)]
pub(crate) struct Plot {
    address: [u8; 4],
    members: Vec<Member>,
    /// Connections that have gone, and are still there: when they read their next byte.
    lingering: Lingering,
    /// How long one of these reads nothing.
    trickle: Duration,
    comings: usize,
    /// Bytes that the room has said, by dialect, as those have counted them who read everything.
    said: [usize; Dialect::COUNT],
}

type Lingering = Vec<(usize, Instant)>;

/// Whoever follows a plan.
#[derive(Debug)]
struct Member {
    plan: Plan,
    /// Its connection, if there is one, and since when.
    here: Option<(usize, Instant)>,
    /// When it comes, if it is not here.
    comes: Instant,
    says: Instant,
    reads: Instant,
    /// Lines that it will say at once.
    burst: usize,
    /// What it may read without going too fast.
    allowance: usize,
    received: usize,
    /// What the room had said when it began to fall behind.
    said_before: usize,
}

/// What plans need to be carried out.
pub(crate) struct Scene<'a> {
    pub(crate) server: &'a mut Server,
    pub(crate) clients: &'a mut Vec<Client>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) swarm: &'a Swarm,
    /// The time since the last step.
    pub(crate) tick: Duration,
}

impl Plot {
    /// Each plan begins a while after the one before.
    pub(crate) fn new(plans: Vec<Plan>, start: Instant, stagger: Duration) -> Plot {
        let member = |(number, plan)| {
            let comes = start + stagger * number;
            Member {
                plan,
                here: None,
                comes,
                says: comes,
                reads: comes,
                burst: 0,
                allowance: 0,
                received: 0,
                said_before: 0,
            }
        };
        Plot {
            address: [10, 6, 6, 6],
            members: (0..).zip(plans).map(member).collect(),
            lingering: Vec::new(),
            trickle: Duration::from_secs(1),
            comings: 0,
            said: [0; Dialect::COUNT],
        }
    }

    /// A few plans, each for many connections.
    pub(crate) fn draw(rng: &mut Rng, start: Instant) -> Plot {
        let web = "web".parse::<Dialect>().ok();
        let classic = Dialect::CLASSIC.into_iter().filter(|_| rng.u8(..4) == 0);
        let dialects: Vec<_> =
            [Dialect::Lines, Dialect::Lines].into_iter().chain(web).chain(classic).collect();
        let mut plans = Vec::new();
        for _ in 0..rng.usize(1..5) {
            let plan = Plan::draw(rng, &dialects);
            let vary = rng.bool();
            for _ in 0..rng.usize(1..=63) {
                let mut one = plan.clone();
                if vary {
                    one.draw_reading(rng);
                }
                plans.push(one);
            }
        }
        rng.shuffle(&mut plans);
        plans.truncate(63);
        let stagger = Duration::from_millis([0, 1, 10, 100][rng.usize(..4)]);
        let mut plot = Plot::new(plans, start, stagger);
        plot.trickle = Duration::from_millis(rng.u64(100..20_000));
        plot
    }

    /// The browsers that send frames that say nothing, and when they came.
    pub(crate) fn pinging(&self) -> impl Iterator<Item = (usize, Instant)> {
        let pings = |member: &&Member| matches!(member.plan.talk, Talk::Pings | Talk::Fragments);
        self.members.iter().filter(pings).filter_map(|member| member.here)
    }

    /// Whether somebody at this address is the adversary.
    pub(crate) fn is_behind(&self, remote: SocketAddr) -> bool {
        remote.ip().to_canonical() == IpAddr::from(self.address)
    }

    pub(crate) fn step(&mut self, scene: &mut Scene<'_>) {
        let now = scene.server.now.instant;
        let mut counted = [false; Dialect::COUNT];
        for member in &mut self.members {
            let dialect = member.plan.dialect.index();
            if member.here.is_some() {
                let read = member.step(scene, self.said[dialect], &mut self.lingering);
                // Whoever talks is not told what they say themselves.
                let counts = member.plan.reads == Reads::All && member.plan.talk != Talk::Lines;
                if counts && !mem::replace(&mut counted[dialect], true) {
                    self.said[dialect] += read;
                }
            } else if member.comes <= now && self.comings < COMINGS_MAX {
                self.comings += 1;
                member.come(self.address, scene);
            }
        }
        let mut nothing = Vec::new();
        self.lingering.retain_mut(|(id, at)| {
            let socket = &mut scene.clients[*id].socket;
            if *at <= now {
                *at = now + self.trickle;
                socket.receive(&mut nothing, 1);
            }
            !socket.dropped
        });
    }

    /// Everyone goes, and nobody comes back. Whoever is owed something may not be heard before they
    /// have read it, and whoever talks not before all of that is heard, so they do not say that
    /// they go.
    pub(crate) fn end(&mut self, scene: &mut Scene<'_>) {
        self.comings = COMINGS_MAX;
        for (id, _) in &self.lingering {
            let client = &mut scene.clients[*id];
            if !client.silent {
                client.socket.finish(End::Reset);
            }
        }
        // They share their pace with all of their address, and have much that is still to be heard.
        let by_datagrams = |member: &Member| member.plan.dialect == Dialect::Datagram;
        let is_talked_over = self.members.iter().any(by_datagrams);
        for member in &mut self.members {
            let Some((id, _)) = member.here else { continue };
            let Client { socket, unsent, silent, .. } = &scene.clients[id];
            let is_heard = member.plan.talk == Talk::Nothing
                && !is_talked_over
                && unsent.is_empty()
                && !socket.is_unread()
                && socket.underway() == 0;
            let ways = match *silent || is_heard {
                true => [Way::Quit, Way::Fin],
                false => [Way::Close, Way::Reset],
            };
            member.plan.way = ways[scene.rng.usize(..2)];
            member.go(scene, &mut self.lingering);
        }
    }
}

impl Member {
    fn come(&mut self, address: [u8; 4], scene: &mut Scene<'_>) {
        let now = scene.server.now.instant;
        let id = scene.clients.len();
        let mut client = guest(id, self.plan.dialect, address, (scene.rng, scene.swarm));
        client.socket.outbox_max = self.plan.buffer;
        client.socket.unseen = Some(0);
        if self.plan.dialect.transport() == Transport::Tcp {
            scene.server.listener.push_back(id);
        }
        if self.plan.talk == Talk::Visit {
            client.silent = true;
            client.unsent.extend(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
        } else {
            let name = self.plan.name.map_or_else(|| format!("eve{id}"), str::to_owned);
            introduce(&mut client, &name, scene.rng);
        }
        scene.clients.push(client);
        self.here = Some((id, now));
        self.says = now + COMING;
        self.burst = self.plan.burst;
        (self.reads, self.allowance) = (now, 0);
    }

    /// Does what is due. The room has said so many bytes until now. Returns how many it has read.
    fn step(&mut self, scene: &mut Scene<'_>, said: usize, lingering: &mut Lingering) -> usize {
        let Some((id, since)) = self.here else { return 0 };
        let now = scene.server.now.instant;
        self.feed(scene.tick, now);
        let client = &mut scene.clients[id];
        if self.says <= now && client.unsent.len() < UNSENT_MAX {
            self.says = (self.says + self.plan.every).max(now);
            for _ in 0..=mem::take(&mut self.burst) {
                say(client, &self.plan, scene.rng);
            }
        }
        if !client.socket.dropped {
            client.socket.send(&mut client.unsent);
        }
        let most = match self.plan.reads {
            Reads::All => usize::MAX,
            // First it reads the welcome.
            Reads::Behind(..) if now.saturating_duration_since(since) < COMING => {
                (self.said_before, self.received) = (said, 0);
                usize::MAX
            }
            Reads::Behind(bytes, _) => {
                let behind = (said - self.said_before).saturating_sub(self.received);
                behind.saturating_sub(bytes).max(self.allowance)
            }
            Reads::Nothing | Reads::Steadily(_) | Reads::Gulps(..) => self.allowance,
        };
        let read = client.socket.receive(&mut Vec::new(), most);
        self.received += read;
        self.allowance = self.allowance.saturating_sub(read);
        client.socket.datagrams_out.clear();
        let closed = client.socket.shut || client.socket.dropped;
        if closed || now.saturating_duration_since(since) >= self.plan.stays {
            self.go(scene, lingering);
        }
        read
    }

    /// Lets it read what it may in this time.
    fn feed(&mut self, tick: Duration, now: Instant) {
        match self.plan.reads {
            Reads::Steadily(rate) | Reads::Behind(_, rate) => {
                // What was not there to be read is not made up for.
                let fresh = bytes_in(rate, tick);
                self.allowance = self.allowance.min(fresh) + fresh;
            }
            Reads::Gulps(bytes, pause) if self.reads <= now => {
                self.reads = now + pause;
                self.allowance = bytes;
            }
            _ => {}
        }
    }

    fn go(&mut self, scene: &mut Scene<'_>, lingering: &mut Lingering) {
        let Some((id, _)) = self.here.take() else { return };
        let now = scene.server.now.instant;
        self.comes = now + self.plan.back;
        let client = &mut scene.clients[id];
        if client.dialect == Dialect::Datagram {
            return client.socket.datagrams_in.push_back(b"Exit".to_vec());
        }
        if client.socket.dropped {
            return;
        }
        client.unsent.clear();
        match self.plan.way {
            // The older dialects end with the connection.
            Way::Quit if !Dialect::CLASSIC.contains(&client.dialect) => {
                client.unsent.extend(framed(client.dialect, "/quit", scene.rng));
                client.socket.send(&mut client.unsent);
            }
            Way::Quit | Way::Fin => client.socket.finish(End::Fin),
            Way::Close => client.socket.finish(End::Closed),
            Way::Reset => client.socket.finish(End::Reset),
        }
        lingering.push((id, now));
    }
}

/// So many bytes pass in this time, of so many in each second.
pub(crate) fn bytes_in(rate: usize, time: Duration) -> usize {
    (rate as u128 * time.as_micros() / 1_000_000) as usize
}

/// Gives a name, as its dialect has it.
pub(crate) fn introduce(client: &mut Client, name: &str, rng: &mut Rng) {
    let bytes = match client.dialect {
        Dialect::Anonymous => return,
        Dialect::Datagram => {
            client.socket.datagrams_in.push_back(format!("{name} : hello").into_bytes());
            return;
        }
        Dialect::Mention => framed(client.dialect, &format!("!{name}"), rng),
        dialect if browser::speaks(dialect) => {
            client.unsent.extend(browser::HANDSHAKE.bytes());
            browser::introduce(name, rng)
        }
        dialect => framed(dialect, name, rng),
    };
    client.unsent.extend(bytes);
}

/// Says what the plan has it say.
fn say(client: &mut Client, plan: &Plan, rng: &mut Rng) {
    let text = "x".repeat(plan.length);
    let victim = VICTIMS[rng.usize(..VICTIMS.len())];
    let is_classic = Dialect::CLASSIC.contains(&client.dialect);
    let text = match plan.talk {
        Talk::Nothing | Talk::Visit => return,
        Talk::Lines => text,
        Talk::Private if is_classic => format!("{text}@{victim}"),
        Talk::Private => format!("/msg {victim} {text}"),
        Talk::Who if client.dialect == Dialect::Mention => "#".to_owned(),
        Talk::Who => "/who".to_owned(),
        Talk::History => "/history".to_owned(),
        Talk::Help => "/help".to_owned(),
        Talk::Ignore if rng.bool() => format!("/ignore {victim}"),
        Talk::Ignore => format!("/unignore {victim}"),
        Talk::Rename => format!("/nick eve{}or{}", client.id, rng.u8(..)),
        Talk::Pings | Talk::Fragments => {
            while client.unsent.len() < plan.length {
                // A message begins that never ends.
                let fragment = u8::from(client.said == 0);
                let first = if plan.talk == Talk::Pings { 0x89 } else { fragment };
                client.unsent.extend(browser::masked(first, b"", rng));
                client.said += 1;
            }
            return;
        }
    };
    if client.dialect == Dialect::Datagram {
        client.socket.datagrams_in.push_back(text.into_bytes());
    } else {
        client.unsent.extend(framed(client.dialect, &text, rng));
    }
}

/// A line as it is sent in this dialect.
pub(crate) fn framed(dialect: Dialect, text: &str, rng: &mut Rng) -> Vec<u8> {
    if browser::speaks(dialect) {
        return browser::message(&json!({ "type": "say", "text": text }), rng);
    }
    format!("{text}\n").into_bytes()
}
