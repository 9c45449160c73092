//! What one seed is like: which faults and operations there are at all, how often they come, and
//! how narrow the limits are. Each seed switches some off and draws wild rates for the rest: a
//! fault that is always there hides what only happens without it.

use std::time::Duration;

use chinwag::config::{Config, Flood, Limits};
use chinwag::dialect::Dialect;
use chinwag::nickname::Nickname;
use fastrand::Rng;

use super::order::ROOMS;

/// Chances are out of this many.
pub(crate) const SURE: u32 = 1000;

/// What clients ask for; the weights in [`Swarm::wishes`] are in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Emote,
    Tell,
    Reply,
    Name,
    Nick,
    BadName,
    Who,
    History,
    Ignore,
    Unignore,
    Ignoring,
    Help,
    Misuse,
    Unknown,
    Blank,
    Noise,
    TooLong,
    NotUtf8,
    Join,
    Part,
    Where,
    Rooms,
    WhoIn,
    Topic,
    AskTopic,
    Invite,
    WrongProtocol,
    Endless,
    Quit,
}

/// All kinds, and how often each comes where it comes.
const KINDS: [(Kind, u32); 30] = [
    (Kind::Text, 300),
    (Kind::Emote, 60),
    (Kind::Tell, 120),
    (Kind::Reply, 60),
    (Kind::Name, 60),
    (Kind::Nick, 80),
    (Kind::BadName, 20),
    (Kind::Who, 30),
    (Kind::History, 30),
    (Kind::Ignore, 60),
    (Kind::Unignore, 40),
    (Kind::Ignoring, 10),
    (Kind::Help, 10),
    (Kind::Misuse, 10),
    (Kind::Unknown, 15),
    (Kind::Blank, 15),
    (Kind::Noise, 30),
    (Kind::TooLong, 20),
    (Kind::NotUtf8, 20),
    (Kind::Join, 60),
    (Kind::Part, 10),
    (Kind::Where, 5),
    (Kind::Rooms, 10),
    (Kind::WhoIn, 15),
    (Kind::Topic, 15),
    (Kind::AskTopic, 5),
    (Kind::Invite, 15),
    (Kind::WrongProtocol, 3),
    (Kind::Endless, 1),
    (Kind::Quit, 20),
];

/// One seed's world.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) config: Config,
    pub(crate) steps: usize,
    /// So many take part at once.
    pub(crate) population: usize,
    /// Whether somebody is there from the first to the last who hears everything.
    pub(crate) witness: bool,
    /// How many rooms there are. Where nobody hears everything, there may be others.
    pub(crate) rooms: usize,
    /// So many come in who are in several rooms, are cut off and come back. They are told numbers,
    /// and so is the witness then.
    pub(crate) wanderers: usize,
    /// Chances in each step for one of these to be cut off, and to come back.
    pub(crate) cut: u32,
    pub(crate) come_back: u32,
    /// Whether the server is stopped in the end, instead of everyone leaving.
    pub(crate) stops: bool,
    pub(crate) wishes: Vec<(Kind, u32)>,
    /// Chances in each step, for each client unless said otherwise.
    pub(crate) talk: u32,
    pub(crate) burst: usize,
    pub(crate) long_text: u32,
    /// To ask for more than one can read.
    pub(crate) greed: u32,
    pub(crate) stall: u32,
    pub(crate) resume: u32,
    /// Instead, for the whole world: readers stop one by one, and then go on in another order.
    pub(crate) swizzle: u32,
    pub(crate) reset: u32,
    pub(crate) half_close: u32,
    pub(crate) close: u32,
    pub(crate) telnet: u32,
    pub(crate) crlf: u32,
    pub(crate) narrow: u32,
    pub(crate) impolite: u32,
    /// Chances in each step, for the whole world.
    pub(crate) connect: u32,
    pub(crate) storm: u32,
    pub(crate) jump: u32,
    pub(crate) lazy_server: u32,
    /// Chances for each event, read and write.
    pub(crate) spurious: u32,
    pub(crate) short_read: u32,
    pub(crate) short_write: u32,
    pub(crate) tick_max: Duration,
    pub(crate) jump_max: Duration,
    pub(crate) read_bytes: usize,
    pub(crate) read_bytes_per_turn: usize,
    pub(crate) loopback: bool,
    /// Whether some come from addresses that are banned or muted.
    pub(crate) outlaws: bool,
    /// The dialects of the listeners; `Lines` always.
    pub(crate) dialects: Vec<Dialect>,
    /// The chance that a message without an end is given one.
    pub(crate) lf: u32,
    /// Chances for each datagram that is written, and in each step to end that the socket is full.
    pub(crate) udp_full: u32,
    pub(crate) udp_error: u32,
    pub(crate) datagrams_per_turn: usize,
    /// Sockets of which one poll can tell.
    pub(crate) events: usize,
}

impl Swarm {
    pub(crate) fn draw(rng: &mut Rng) -> Swarm {
        let mut wishes: Vec<_> = KINDS
            .iter()
            .map(|&(kind, weight)| (kind, if rng.u8(..3) == 0 { 0 } else { weight }))
            .map(|(kind, weight)| (kind, if kind == Kind::Text { weight.max(1) } else { weight }))
            .collect();
        if rng.u8(..4) == 0 {
            // Everyone is mad about one thing.
            wishes[rng.usize(..KINDS.len() - 3)].1 *= 20;
        }
        let mut swarm = Swarm {
            config: config(rng),
            steps: rng.usize(20..120),
            population: rng.usize(1..=8),
            witness: rng.u8(..12) > 0,
            rooms: 1,
            wanderers: 0,
            cut: 0,
            come_back: 20 + wild(rng, 600),
            stops: rng.u8(..5) == 0,
            wishes,
            talk: 20 + wild(rng, 700),
            burst: if rng.bool() { 1 } else { rng.usize(1..60) },
            long_text: or_off(rng, SURE),
            greed: if rng.u8(..8) == 0 { wild(rng, 20) } else { 0 },
            stall: or_off(rng, 300),
            resume: 10 + wild(rng, 300),
            swizzle: if rng.u8(..4) == 0 { wild(rng, SURE) } else { 0 },
            reset: or_off(rng, 15),
            half_close: or_off(rng, 15),
            close: or_off(rng, 15),
            telnet: or_off(rng, 300),
            crlf: rng.u32(..SURE),
            narrow: if rng.u8(..3) == 0 { 0 } else { rng.u32(..SURE) },
            impolite: or_off(rng, 500),
            connect: 20 + wild(rng, 600),
            storm: or_off(rng, 20),
            jump: or_off(rng, 50),
            lazy_server: or_off(rng, 500),
            spurious: or_off(rng, 100),
            short_read: or_off(rng, SURE),
            short_write: or_off(rng, SURE),
            tick_max: Duration::from_millis(1 << rng.u32(..10)),
            jump_max: Duration::from_millis(100 << rng.u32(..10)),
            read_bytes: 1 << rng.u32(3..15),
            read_bytes_per_turn: 1 << rng.u32(5..17),
            loopback: rng.bool(),
            outlaws: false,
            dialects: vec![Dialect::Lines],
            lf: or_off(rng, SURE),
            udp_full: or_off(rng, 200),
            udp_error: or_off(rng, 10),
            datagrams_per_turn: 1 << rng.u32(..9),
            events: 1 << rng.u32(..5),
        };
        swarm.draw_places(rng);
        if rng.u8(..5) == 0 {
            swarm.crowd(rng);
        }
        // Whoever bans them must be able to say so, all at once.
        let limits = &swarm.config.limits;
        let fits = limits.line_bytes_max > 30 && limits.flood.is_none_or(|flood| flood.lines > 2);
        swarm.outlaws = fits && rng.clone().u8(..4) == 0;
        swarm
    }

    /// Draws by which dialects one can come, and which rooms there are.
    fn draw_places(&mut self, rng: &mut Rng) {
        if rng.u8(..6) > 0 {
            let older = Dialect::CLASSIC.into_iter().filter(|_| rng.bool());
            self.dialects.extend(older);
        }
        // If the crate has it.
        let web = "web".parse::<Dialect>().ok();
        self.dialects.extend(web.filter(|_| rng.bool()));
        let irc = "irc".parse::<Dialect>().ok();
        self.dialects.extend(irc.filter(|_| rng.bool()));
        // Whoever hears everything must be in all of them at once, which browsers can.
        if web.is_some() && rng.u8(..5) < 2 {
            self.rooms = rng.usize(2..=ROOMS.len());
        }
        if web.is_some() && rng.u8(..3) == 0 {
            self.wander(rng);
        }
        // Some are always there, whether anybody goes to them or not.
        let permanent = ROOMS[1..].iter().filter(|_| rng.u8(..4) == 0);
        self.config.rooms = permanent.map(|room| Nickname::parse(&room[1..]).unwrap()).collect();
        if !self.witness {
            self.config.limits.rooms_max = 1 + self.config.rooms.len() + rng.usize(..7);
            self.config.limits.rooms_fixed = rng.u8(..8) == 0;
        }
    }

    /// Those who are cut off are waited for. Mostly there are some who come back.
    fn wander(&mut self, rng: &mut Rng) {
        self.wanderers = rng.usize(..4);
        self.rooms = rng.usize(1..=ROOMS.len());
        self.cut = 5 + wild(rng, 300);
        let limits = &mut self.config.limits;
        limits.resume_grace = match rng.u8(..4) {
            0 => Duration::ZERO,
            _ => Duration::from_millis(100 << rng.u32(..9)),
        };
        if rng.bool() {
            limits.history_lines_max = 100;
        }
    }

    /// The default limits, and nothing fails: what is wrong here is what people do.
    pub(crate) fn calm(rng: &mut Rng) -> Swarm {
        let mut swarm = Swarm::draw(rng);
        swarm.config = Config::default();
        // How fast one may come is tried elsewhere; here as many are to be in as can be.
        swarm.config.limits.connects = None;
        swarm.calm_down();
        swarm
    }

    /// Nothing breaks from now on.
    pub(crate) fn calm_down(&mut self) {
        (self.short_read, self.short_write, self.spurious) = (0, 0, 0);
        (self.read_bytes, self.read_bytes_per_turn) = (16 * 1024, 64 * 1024);
        (self.udp_full, self.udp_error) = (0, 0);
    }

    /// Whether anybody ever asks for this.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.wishes.iter().any(|(wish, weight)| *wish == kind && *weight > 0)
    }

    /// Much is said, and many do not read: what the limits on slow readers are there for.
    fn crowd(&mut self, rng: &mut Rng) {
        self.steps = self.steps.min(60);
        self.population = self.population.max(3);
        self.connect = self.connect.max(300);
        self.talk = rng.u32(200..SURE);
        self.burst = rng.usize(5..60);
        self.long_text = rng.u32(100..SURE);
        self.narrow = rng.u32(200..SURE);
        self.stall = rng.u32(10..200);
        self.resume = rng.u32(5..100);
        self.short_read = 0;
        self.tick_max = self.tick_max.max(Duration::from_millis(64));
        let limits = &mut self.config.limits;
        limits.flood = None;
        limits.line_bytes_max = limits.line_bytes_max.max(256);
        limits.nick_timeout = limits.nick_timeout.max(Duration::from_secs(10));
        limits.clients_max = limits.clients_max.max(8);
    }
}

/// The limits: narrow ones, for all the room there is in so short a life.
fn config(rng: &mut Rng) -> Config {
    let flood = Flood {
        lines: 1 + wild(rng, 30),
        per: Duration::from_millis(50 + u64::from(wild(rng, 5000))),
    };
    let limits = Limits {
        memory_bytes_max: Limits::default().memory_bytes_max,
        rooms_max: Limits::default().rooms_max,
        rooms_fixed: false,
        connects: None,
        clients_max: if rng.bool() { 1000 } else { rng.usize(2..12) },
        line_bytes_max: 16 << rng.u32(..8),
        nick_timeout: Duration::from_millis(500 << rng.u32(..8)),
        backlog_bytes_max: 1024 << wild(rng, 6),
        stall_timeout: Duration::from_millis(500 << rng.u32(..7)),
        flood: rng.bool().then_some(flood),
        per_address_max: if rng.bool() { 64 } else { rng.usize(1..5) },
        history_lines_max: rng.usize(..6),
        resume_grace: Duration::ZERO,
        drain: match rng.u8(..4) {
            0 => Duration::from_millis(500 << rng.u32(..5)),
            _ => Duration::from_secs(10_000),
        },
        udp_expiry: match rng.bool() {
            true => Duration::from_secs(10_000),
            false => Duration::from_millis(500 << rng.u32(..8)),
        },
    };
    let motd = ["Be kind.", "", "No\u{1b}[31mred."];
    let motd = motd.iter().take(rng.usize(..4)).map(|&line| line.to_owned()).collect();
    let config = Config { limits, motd, ..Config::default() };
    config.check().unwrap();
    config
}

/// Nothing, half of the time; else [`wild`].
fn or_off(rng: &mut Rng, most: u32) -> u32 {
    if rng.bool() { 0 } else { wild(rng, most) }
}

/// Anything up to `most`, as likely 1 as of its order of magnitude.
fn wild(rng: &mut Rng, most: u32) -> u32 {
    let scaled = f64::from(most).powf(rng.f64());
    (scaled as u32).clamp(1, most)
}

/// Whether something happens that has this chance.
pub(crate) fn happens(rng: &mut Rng, chance: u32) -> bool {
    chance > 0 && rng.u32(..SURE) < chance
}
