//! A proxy between clients and the server that cuts connections off: after some bytes in one
//! direction, in the middle of whatever that is, it resets both sides; or it goes silent, and the
//! server has a connection that is half dead.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;

/// Bytes that pass in one direction until a connection is cut off: as many as this power of 2 has,
/// at most.
const BYTES: std::ops::Range<u32> = 10..19;

/// How long a silent connection is left to the server, at most, in milliseconds.
const SILENCE_MS: u64 = 3000;

/// The proxy. It goes on until the test ends.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    /// Cuts that are still to be made.
    left: AtomicUsize,
    /// Connections may be cut off.
    cutting: AtomicBool,
}

/// How a connection goes.
#[derive(Default)]
struct Fate {
    is_over: AtomicBool,
}

impl Proxy {
    /// A proxy that will make so many cuts, as `rng` draws them.
    pub(crate) fn new(server: SocketAddr, cuts: usize, mut rng: Rng) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cutting = AtomicBool::new(false);
        let state = Arc::new(State { server, left: AtomicUsize::new(cuts), cutting });
        let for_all = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(server) = TcpStream::connect(for_all.server) else { return };
                carry(&client.unwrap(), &server, &for_all, &mut rng);
            }
        });
        Proxy { address, state }
    }

    /// From now on connections are cut off.
    pub(crate) fn begins(&self) {
        self.state.cutting.store(true, Ordering::SeqCst);
    }

    /// How many cuts are still to be made.
    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }
}

/// Carries bytes in both directions.
fn carry(client: &TcpStream, server: &TcpStream, state: &Arc<State>, rng: &mut Rng) {
    let fate = Arc::new(Fate::default());
    for (from, to) in [(client, server), (server, client)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (state, fate, rng) = (Arc::clone(state), Arc::clone(&fate), rng.fork());
        thread::spawn(move || pump(from, to, &state, &fate, rng));
    }
}

/// Carries bytes in one direction, until that ends in some way.
fn pump(mut from: TcpStream, mut to: TcpStream, state: &State, fate: &Fate, mut rng: Rng) {
    let mut buffer = [0; 4096];
    let bytes_max = 1 << rng.u32(BYTES);
    let mut budget = rng.usize(1..=bytes_max);
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(bytes @ 1..) => bytes,
            _ if fate.is_over.load(Ordering::SeqCst) => return,
            // One side has given it up, or is closed: so is the other.
            _ => return drop(to.shutdown(Shutdown::Write)),
        };
        if fate.is_over.load(Ordering::SeqCst) {
            return;
        }
        let cuts = state.cutting.load(Ordering::SeqCst) && bytes >= budget && {
            let one_less = |left: usize| left.checked_sub(1);
            state.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        };
        let passed = if cuts { budget.min(bytes) } else { bytes };
        if to.write_all(&buffer[..passed]).is_err() {
            return;
        }
        budget = budget.saturating_sub(passed).max(1);
        if cuts {
            fate.is_over.store(true, Ordering::SeqCst);
            return cut_off(&from, &to, &mut rng);
        }
    }
}

/// Resets both sides; or neither, for a while.
fn cut_off(one: &TcpStream, other: &TcpStream, rng: &mut Rng) {
    if rng.bool() {
        thread::sleep(Duration::from_millis(rng.u64(..SILENCE_MS)));
    }
    for stream in [one, other] {
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        let _ = stream.shutdown(Shutdown::Both);
    }
}
