//! What must hold of [`chinwag::hub::Hub`]: whatever happens in whatever order, it goes on, and
//! when all have gone nothing is left of them; and what it makes of somebody's bytes does not
//! depend on how they came.

use std::net::SocketAddr;
use std::time::Duration;

use chinwag::ConnectionKey;
use chinwag::config::{Config, Flood, Limits};
use chinwag::dialect::{Dialect, Lang, Transport};

use super::input::{Input, pieces};
use super::world::{End, UNLIMITED, World};

/// Those who take part, as they give their names: some are each other's, some are nobody's.
const NAMES: [&str; 8] = ["al", "bob", "AL", "a1", "еvan", "evan", "root", "no name"];

/// What people say.
const LINES: [&str; 32] = [
    "hi",
    "/me waves",
    "/msg bob psst",
    "/msg al psst",
    "/tell evan 你好",
    "/r again",
    "/nick bob",
    "/nick eve",
    "/nick Al",
    "/who",
    "/history",
    "/history 2",
    "/ignore bob",
    "/ignore al",
    "/ignore",
    "/unignore bob",
    "/unignore al",
    "/help",
    "/help msg",
    "/nope",
    "//slash",
    "/quit so long",
    "quit",
    "exit",
    "",
    "#",
    "&",
    "你好@al",
    "@",
    "!al",
    "al : hi",
    "GET / HTTP/1.1",
];

/// What one read brings at most, and what is read of one connection in a turn.
const USUAL: (usize, usize) = (16 * 1024, 64 * 1024);

/// Anything may happen.
pub fn hub_operations(data: &[u8]) {
    let mut input = Input::new(data);
    let config = config(&mut input);
    let budgets = input.one_of(&[USUAL, (1, 16), (3, 1024), (40, 64)]);
    let mut world = World::new(&config, budgets);
    let in_peace = input.flag();
    while !input.is_used_up() {
        operate(&mut world, &mut input);
    }
    world.come_to_rest(in_peace);
}

/// Limits that are soon met.
fn config(input: &mut Input<'_>) -> Config {
    let seconds = |input: &mut Input<'_>| Duration::from_millis(500 + 500 * input.below(16) as u64);
    let flood = |input: &mut Input<'_>| Flood {
        lines: 1 + input.below(6) as u32,
        per: Duration::from_secs(1 + input.below(4) as u64),
    };
    Config {
        limits: Limits {
            memory_bytes_max: Limits::default().memory_bytes_max,
            rooms_max: Limits::default().rooms_max,
            rooms_fixed: false,
            connects: None,
            clients_max: 1 + input.below(12),
            line_bytes_max: input.one_of(&[4096, 16, 40, 200]),
            nick_timeout: seconds(input),
            backlog_bytes_max: input.one_of(&[1 << 20, 1024, 2048, 5000]),
            stall_timeout: seconds(input),
            flood: input.flag().then(|| flood(input)),
            per_address_max: 1 + input.below(6),
            udp_expiry: seconds(input),
            history_lines_max: input.below(8),
            drain: Duration::ZERO,
            resume_grace: Duration::ZERO,
        },
        motd: vec!["news".to_owned(); input.below(3)],
        lang: input.one_of(&[Lang::En, Lang::Zh]),
        ..Config::default()
    }
}

/// Something happens.
fn operate(world: &mut World, input: &mut Input<'_>) {
    match input.below(16) {
        0 | 1 => {
            connect(world, input);
        }
        // Somebody comes and is called something.
        2 => {
            let Some(key) = connect(world, input) else { return };
            introduce(world, key, input.one_of(&NAMES));
        }
        3 | 4 => {
            let Some(key) = somebody(world, input) else { return };
            let line = input.one_of(&LINES);
            say(world, key, line.as_bytes());
        }
        // Somebody asks for something that has to do with somebody, and it is done.
        5 => {
            let Some(key) = somebody(world, input) else { return };
            let command =
                input.one_of(&["/ignore NAME", "/unignore NAME", "/nick NAME", "/msg NAME hi"]);
            say(world, key, command.replace("NAME", input.one_of(&NAMES)).as_bytes());
            world.settle();
        }
        6 => {
            let Some(key) = somebody(world, input) else { return };
            let bytes = input.some();
            world.send(key, bytes, false);
        }
        7 => {
            // Much.
            let Some(key) = somebody(world, input) else { return };
            let line = vec![b'x'; 8 * usize::from(input.byte())];
            for _ in 0..1 + input.below(8) {
                say(world, key, &line);
            }
        }
        8 => {
            let Some(key) = somebody(world, input) else { return };
            world.end(key, if input.below(3) == 0 { End::Reset } else { End::Fin });
        }
        9 => {
            let Some(key) = somebody(world, input) else { return };
            let more = usize::from(input.byte());
            world.make_room(key, if more == 255 { UNLIMITED } else { more });
        }
        10 | 11 => world.turn(),
        12 => {
            world.turn();
            let milliseconds = input.one_of(&[1, 50, 100, 500, 1000, 2000, 3000, 10_000, 100_000]);
            world.wait(Duration::from_millis(milliseconds));
        }
        13 => {
            world.turn();
            world.wait_for_next();
        }
        14 => world.settle(),
        // The operator's part is a small one.
        _ if input.byte() > 200 => world.stop(),
        _ => speak(world, input),
    }
}

/// Somebody says a line in peace. When everybody has been told everything, as many have heard it as
/// the hub has counted, and whoever hears their own lines has heard it.
fn speak(world: &mut World, input: &mut Input<'_>) {
    world.settle();
    let Some(key) = somebody(world, input) else { return };
    let (before, keys) = (world.hub().metrics(), world.keys());
    let text = format!("~{}~", before.lines);
    say(world, key, text.as_bytes());
    world.settle();
    let after = world.hub().metrics();
    // Whoever was closed in this time has not got everything.
    let all_told = world.hub().kept_bytes().0 == 0 && after.closings == before.closings;
    if after.lines == before.lines + 1 && all_told && world.keys() == keys {
        let heard = keys.iter().filter(|key| world.received(**key).contains(&text)).count();
        assert_eq!(after.deliveries.wrapping_sub(before.deliveries), heard as u64, "of {text}");
        let echoes = world.dialect(key).to_string() == "web";
        assert!(!echoes || world.received(key).contains(&text), "a browser does not hear itself");
    }
}

fn connect(world: &mut World, input: &mut Input<'_>) -> Option<ConnectionKey> {
    const ROOMS: [usize; 8] = [UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED, 0, 10, 300];
    let dialect = input.one_of(&Dialect::ALL);
    let port = 50_000 + input.below(32) as u16;
    let remotes = [
        SocketAddr::from(([127, 0, 0, 1], port)),
        SocketAddr::from(([192, 0, 2, 1], port)),
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, port], port)),
        SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201], port)),
    ];
    let (remote, room) = (input.one_of(&remotes), input.one_of(&ROOMS));
    if dialect.transport() == Transport::Udp {
        let first = input.one_of(&NAMES);
        world.datagram(remote, first.as_bytes(), room);
        return None;
    }
    let key = world.connect(dialect, remote, room);
    // Who does not ask for a WebSocket is not in the room.
    key.inspect(|key| {
        if !port.is_multiple_of(4) {
            shake_hands(world, *key);
        }
    })
}

/// Sends what a client of the dialect sends before anything that is chat.
fn shake_hands(world: &mut World, key: ConnectionKey) {
    #[cfg(feature = "web")]
    if world.dialect(key) == Dialect::Web {
        world.send(key, super::web::HANDSHAKE.as_bytes(), false);
    }
    let _ = (world, key);
}

/// One of those who are connected.
fn somebody(world: &World, input: &mut Input<'_>) -> Option<ConnectionKey> {
    let keys = world.keys();
    (!keys.is_empty()).then(|| input.one_of(&keys))
}

/// Gives a name.
fn introduce(world: &mut World, key: ConnectionKey, name: &str) {
    #[cfg(feature = "web")]
    if world.dialect(key) == Dialect::Web {
        return say(world, key, format!("/nick {name}").as_bytes());
    }
    say(world, key, name.as_bytes());
}

/// Sends a message, with its end where it has one.
fn say(world: &mut World, key: ConnectionKey, line: &[u8]) {
    #[cfg(feature = "web")]
    if world.dialect(key) == Dialect::Web {
        let line = String::from_utf8_lossy(line);
        return world.send(key, &super::web::saying(&line), false);
    }
    let ends = match world.dialect(key) {
        Dialect::Lines => "\n",
        Dialect::Anonymous => "\r\n",
        _ => "",
    };
    world.send(key, &[line, ends.as_bytes()].concat(), false);
}

/// Somebody speaks while another listens; both are told the same, however the bytes are cut up.
pub fn hub_equivalence(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = Limits {
        flood: None,
        connects: None,
        resume_grace: Duration::ZERO,
        line_bytes_max: input.one_of(&[4096, 16, 40, 200]),
        backlog_bytes_max: input.one_of(&[1 << 20, 1024]),
        history_lines_max: input.below(8),
        ..Limits::default()
    };
    let config = Config { limits, ..Config::default() };
    let speaks = input.one_of(&[Dialect::Lines, Dialect::Lines, Dialect::Anonymous]);
    let hears = input.one_of(&Dialect::ALL);
    let sizes = [(); 3].map(|()| 1 + usize::from(input.byte()));
    let rests = input.byte();
    let bytes = input.rest();
    let whole = conversation(&config, speaks, hears, &[bytes], 0);
    for (sizes, rests) in [(&sizes[..], rests), (&[1], rests), (&[1], 0xff)] {
        let cut = conversation(&config, speaks, hears, &pieces(bytes, sizes), rests);
        assert_eq!(cut, whole, "{speaks} to {hears}, in pieces of {sizes:?}, turns {rests:#b}");
    }
}

/// What the speaker is told and what the listener, if there is a turn after a piece wherever
/// `turns` has a bit.
fn conversation(
    config: &Config,
    speaks: Dialect,
    hears: Dialect,
    pieces: &[&[u8]],
    turns: u8,
) -> [String; 2] {
    let mut world = World::new(config, USUAL);
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let listener = if hears.transport() == Transport::Udp {
        world.datagram(address(50_001), b"bob", UNLIMITED);
        world.turn();
        world.keys().pop()
    } else {
        let listener = world.connect(hears, address(50_001), UNLIMITED);
        listener.inspect(|key| {
            shake_hands(&mut world, *key);
            introduce(&mut world, *key, "bob");
        })
    };
    // The handshake of `register` takes its time, and the room waits for who is in it.
    for _ in 0..4 {
        world.settle();
        world.wait(Duration::from_secs(1));
    }
    world.settle();
    let speaker = world.connect(speaks, address(50_002), UNLIMITED);
    let (Some(listener), Some(speaker)) = (listener, speaker) else {
        unreachable!("there is room for two");
    };
    for (i, piece) in pieces.iter().enumerate() {
        if world.is_connected(speaker) {
            world.send(speaker, piece, true);
            if turns >> (i % 8) & 1 == 1 {
                world.turn();
            }
        }
    }
    world.settle();
    if world.is_connected(speaker) {
        world.end(speaker, End::Fin);
        world.settle();
    }
    let told = [world.received(speaker), world.received(listener)];
    world.come_to_rest(true);
    told
}
