//! What must hold of a listener with TLS, whatever comes: it is closed, and others are served. It
//! is a real server, in a thread of its own, for all inputs together.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use chinwag::config::{Config, Limits, ListenerSpec, TlsFiles};
use chinwag::server::Server;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    address: SocketAddr,
    client: Arc<ClientConfig>,
}

/// The server, which is started once and then never ends.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("chinwag-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let config = Config {
            listeners: vec!["lines+tls=127.0.0.1:0".parse::<ListenerSpec>().unwrap()],
            limits: Limits { history_lines_max: 0, clients_max: 100, ..Limits::default() },
            tls: TlsFiles { certs: vec![cert], keys: vec![key], ..TlsFiles::default() },
            ..Config::default()
        };
        let (tells, told) = mpsc::channel();
        thread::spawn(move || {
            let mut server = Server::bind(&config).unwrap();
            tells.send(server.listeners().next().unwrap().address).unwrap();
            server.run()
        });
        let address = told.recv_timeout(PATIENCE).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        World { address, client: client(made.cert.der().clone()) }
    })
}

/// What a client goes by that trusts this certificate.
fn client(cert: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn dial() -> TcpStream {
    let socket = TcpStream::connect(world().address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn session() -> ClientConnection {
    ClientConnection::new(Arc::clone(&world().client), "localhost".try_into().unwrap()).unwrap()
}

/// Whatever comes at a listener with TLS, instead of a handshake, in its midst or after it, is
/// answered by the end. Then somebody else comes in and goes, as if nothing had been.
pub fn tls_input(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut socket = dial();
    let mut session_of_it = session();
    match how % 3 {
        0 => {}
        1 => {
            // A part of what a client says first.
            let mut hello = Vec::new();
            session_of_it.write_tls(&mut hello).unwrap();
            let part = hello.len() * usize::from(*how) / 255;
            socket.write_all(&hello[..part]).unwrap();
        }
        _ => drop(session_of_it.complete_io(&mut socket).unwrap()),
    }
    // The server may have had enough before it has all.
    let _ = socket.write_all(rest).and_then(|()| socket.shutdown(Shutdown::Write));
    let mut scratch = [0; 4096];
    loop {
        match socket.read(&mut scratch) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the connection is kept")
            }
            Ok(0) | Err(_) => break,
        }
    }
    let mut other = rustls::StreamOwned::new(session(), dial());
    other.write_all(b"/quit\n").unwrap();
    let mut told = String::new();
    other.read_to_string(&mut told).unwrap();
    assert!(told.ends_with("* Goodbye.\n"), "{told:?}");
}
