//! What stands between a browser and the server, and is not to be relied on: a [`Proxy`] passes
//! bytes on until it is told to cut the connections, or to say nothing more on them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy on a free port of 127.0.0.1.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    open: Arc<Mutex<Vec<Pair>>>,
}

/// The two ends of a connection.
struct Pair {
    browser: TcpStream,
    server: TcpStream,
    silent: Arc<Mutex<bool>>,
}

impl Proxy {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open: Arc<Mutex<Vec<Pair>>> = Arc::default();
        let pairs = Arc::clone(&open);
        thread::spawn(move || {
            for browser in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let silent = Arc::new(Mutex::new(false));
                passes_on(&browser, &server, &silent);
                passes_on(&server, &browser, &silent);
                pairs.lock().unwrap().push(Pair { browser, server, silent });
            }
        });
        Self { address, open }
    }

    /// Ends all connections, at whatever byte they are.
    pub(crate) fn cuts(&self) {
        for pair in self.open.lock().unwrap().drain(..) {
            let _ = pair.browser.shutdown(Shutdown::Both);
            let _ = pair.server.shutdown(Shutdown::Both);
        }
    }

    /// Keeps all connections open, and passes nothing on any more.
    pub(crate) fn goes_silent(&self) {
        for pair in self.open.lock().unwrap().iter() {
            *pair.silent.lock().unwrap() = true;
        }
    }
}

/// Passes on what `from` sends to `to`, in a thread that ends with one of them.
fn passes_on(from: &TcpStream, to: &TcpStream, silent: &Arc<Mutex<bool>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let silent = Arc::clone(silent);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let silent = silent.lock().unwrap();
            if !*silent && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        if !*silent.lock().unwrap() {
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}
