//! What a member over TLS costs beside what it costs without, by the heap: its row in the table of
//! `docs/operations.md`. The server is in this process, and the clients are in another, which is
//! this test once more.

#![cfg(all(feature = "tls", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed; what it measured is shown"
)]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use chinwag::config::{Config, ListenerSpec, TlsFiles};
use chinwag::server::Server;
use peak_alloc::PeakAlloc;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MEMBERS: usize = 200;

/// What the table promises, in bytes.
fn promised() -> usize {
    let table = fs::read_to_string("docs/operations.md").unwrap();
    let row = table.lines().find(|line| line.starts_with("| a member over TLS")).unwrap();
    let cell = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim();
    let kib: f64 = cell.strip_suffix(" KiB").unwrap().parse().unwrap();
    (kib * 1024.0) as usize
}

/// The clients: each takes a name, says a line, and says so; then they wait to be ended.
fn be_clients(address: &str, cert: Option<&str>) {
    let mut all = Vec::new();
    for number in 0..MEMBERS {
        let socket = TcpStream::connect(address).unwrap();
        let mut stream: Box<dyn ReadWrite> = match cert {
            None => Box::new(socket),
            Some(cert) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let host = "localhost".try_into().unwrap();
                let session = ClientConnection::new(Arc::new(config), host).unwrap();
                Box::new(StreamOwned::new(session, socket))
            }
        };
        stream.write_all(format!("member{number}\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while !line.contains("You are member") {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        reader.get_mut().write_all(b"/help\n").unwrap();
        reader.read_line(&mut line).unwrap();
        all.push(reader);
    }
    println!("all are in");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

trait ReadWrite: std::io::Read + std::io::Write {}
impl<T: std::io::Read + std::io::Write> ReadWrite for T {}

/// Bytes of the heap for all members at this listener.
fn measure(listener: usize, specs: &[ListenerSpec], cert: &str) -> usize {
    let before = HEAP.current_usage();
    let mut clients = Command::new(env::current_exe().unwrap())
        .args(["a_member_over_tls_costs_what_the_table_says", "--nocapture"])
        .env("CHINWAG_TEST_ADDRESS", specs[listener].address.to_string())
        .env("CHINWAG_TEST_CERT", if listener == 0 { cert } else { "" })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(clients.stdout.take().unwrap());
    let mut lines = stdout.lines();
    while !lines.next().unwrap().unwrap().contains("all are in") {}
    let after = HEAP.current_usage();
    drop(clients.stdin.take());
    lines.for_each(drop);
    clients.wait().unwrap();
    after.saturating_sub(before)
}

#[test]
fn a_member_over_tls_costs_what_the_table_says() {
    if let Ok(address) = env::var("CHINWAG_TEST_ADDRESS") {
        let cert = env::var("CHINWAG_TEST_CERT").unwrap();
        return be_clients(&address, (!cert.is_empty()).then_some(cert.as_str()));
    }
    let folder = env::temp_dir().join(format!("chinwag-tls-memory-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let config = Config {
        listeners: ["lines+tls=127.0.0.1:0", "lines=127.0.0.1:0"]
            .map(|spec| spec.parse::<ListenerSpec>().unwrap())
            .to_vec(),
        tls: TlsFiles { certs: vec![cert.clone()], keys: vec![key], ..TlsFiles::default() },
        ..Config::default()
    };
    let mut server = Server::bind(&config).unwrap();
    let specs: Vec<_> = server.listeners().collect();
    thread::spawn(move || server.run());
    let cert_path = cert.to_str().unwrap();
    // What the first ones need is there when it is measured.
    measure(1, &specs, cert_path);
    let [plain, tls] = [1, 0].map(|listener| measure(listener, &specs, cert_path));
    let each = tls.saturating_sub(plain) / MEMBERS;
    println!("a member over TLS costs {each} bytes more");
    fs::remove_dir_all(&folder).unwrap();
    let promised = promised();
    assert!(each <= promised, "{each} bytes, and {promised} are promised");
    assert!(each >= promised / 2, "only {each} bytes, and {promised} are promised");
}
