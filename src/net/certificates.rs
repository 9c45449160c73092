//! Certificates and their keys: read from files and checked, at the start and when they have
//! changed; and what connections with TLS go by. Files are read in a thread of its own, once the
//! server runs: a slow disk must not stop everybody.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use mio::Waker;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig, SignatureAlgorithm, version};
use x509_parser::parse_x509_certificate;

use super::tls::TlsConfig;

/// No certificate or key has more bytes in its file.
const FILE_BYTES_MAX: u64 = 1 << 20;

const DAY: u64 = 24 * 60 * 60;

/// A certificate that ends in fewer days is worth a warning.
const DAYS_LEFT_MIN: u64 = 14;

/// Why a certificate cannot be used, as one sentence without its full stop.
#[derive(Debug)]
pub(crate) struct CertificateError(pub(super) String);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files of certificates and, in the same order, of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certs: Vec<PathBuf>,
    pub(crate) keys: Vec<PathBuf>,
}

/// When each file was changed, and its length; `None` if it is not there.
type Stamps = Vec<Option<(SystemTime, u64)>>;

impl Files {
    fn stamps(&self) -> Stamps {
        let paths = self.certs.iter().chain(&self.keys);
        let stamp = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        paths.map(stamp).collect()
    }
}

/// The certificates of a server, and the thread that looks after them.
#[derive(Debug)]
pub(crate) struct Certificates {
    loaded: Loaded,
    asks: Sender<()>,
    news: Receiver<Loaded>,
}

impl Certificates {
    /// Reads the files, and again every so often if one has changed; then `waker` is woken.
    ///
    /// # Errors
    /// If a certificate cannot be used.
    pub(crate) fn open(
        files: Files,
        every: Duration,
        clock: fn() -> u64,
        waker: &Arc<Waker>,
    ) -> Result<Certificates, CertificateError> {
        // Before they are read, so that a change meanwhile is noticed.
        let stamps = files.stamps();
        let loaded = Loaded::read(&files, clock())?;
        let (asks, asked) = mpsc::channel();
        let (tells, news) = mpsc::channel();
        let mut watch =
            Watch { files, stamps, clock, ends: loaded.ends, warned_at: clock(), tells };
        let waker = Arc::clone(waker);
        let builder = thread::Builder::new().name("certificates".to_owned());
        let thread = builder.spawn(move || watch.run(&asked, every, &waker));
        thread.map_err(|error| CertificateError(format!("cannot start a thread: {error}")))?;
        Ok(Certificates { loaded, asks, news })
    }

    /// Reads the files, and that is all.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn check(files: &Files, now: u64) -> Result<(), CertificateError> {
        Loaded::read(files, now).map(drop)
    }

    /// What a connection goes by that comes now, with HTTP or without.
    pub(crate) fn config(&self, is_http: bool) -> &TlsConfig {
        if is_http { &self.loaded.http } else { &self.loaded.plain }
    }

    /// Has all files read again, soon.
    pub(crate) fn reload(&self) {
        // If the thread has ended, it has said why.
        let _ = self.asks.send(());
    }

    /// Takes what has been read since, and returns whether there was anything. Connections that
    /// there are keep what they have.
    pub(crate) fn refresh(&mut self) -> bool {
        let Some(loaded) = self.news.try_iter().last() else { return false };
        self.loaded = loaded;
        true
    }

    /// When the first of them ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> u64 {
        self.loaded.ends
    }
}

/// What the thread knows.
struct Watch {
    files: Files,
    stamps: Stamps,
    clock: fn() -> u64,
    ends: u64,
    warned_at: u64,
    tells: Sender<Loaded>,
}

impl Watch {
    fn run(&mut self, asked: &Receiver<()>, every: Duration, waker: &Waker) {
        loop {
            let was_asked = match asked.recv_timeout(every) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return, // the server is gone
            };
            let (now, stamps) = ((self.clock)(), self.files.stamps());
            if !was_asked && stamps == self.stamps {
                if now >= self.warned_at + DAY {
                    self.warned_at = now;
                    warn_of_end(self.ends, now);
                }
                continue;
            }
            self.stamps = stamps;
            match Loaded::read(&self.files, now) {
                Ok(loaded) => {
                    log::info!("the certificates were read again; new connections get them");
                    (self.ends, self.warned_at) = (loaded.ends, now);
                    if self.tells.send(loaded).is_err() || waker.wake().is_err() {
                        return;
                    }
                }
                Err(error) => log::error!("{error}; the certificates from before stay"),
            }
        }
    }
}

/// Certificates that were checked.
#[derive(Clone, Debug)]
struct Loaded {
    plain: TlsConfig,
    http: TlsConfig,
    ends: u64,
}

impl Loaded {
    fn read(files: &Files, now: u64) -> Result<Loaded, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let mut pairs = Vec::new();
        let mut ends = u64::MAX;
        for (cert, key) in files.certs.iter().zip(&files.keys) {
            let (pair, until) = read_pair(cert, key, &provider, now)?;
            pairs.push(Arc::new(pair));
            ends = ends.min(until);
        }
        let resolver = Arc::new(Resolver(pairs));
        let config = |protocols: &[&[u8]]| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder.with_protocol_versions(&[&version::TLS13, &version::TLS12]);
            let builder = builder.map_err(|error| CertificateError(error.to_string()))?;
            let resolver: Arc<dyn ResolvesServerCert> = Arc::<Resolver>::clone(&resolver);
            let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
            // Nothing is kept of a connection that is gone.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config))
        };
        warn_of_end(ends, now);
        Ok(Loaded { plain: config(&[])?, http: config(&[b"http/1.1"])?, ends })
    }
}

/// Chooses a certificate by the host that a client names.
#[derive(Debug)]
struct Resolver(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.0.first()?;
        let named = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_for = |pair: &&Arc<CertifiedKey>| {
            let cert = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
            let (Ok(cert), Some(name)) = (cert, &named) else { return false };
            verify_server_name(&cert, name).is_ok()
        };
        let chosen = if self.0.len() > 1 { self.0.iter().find(is_for) } else { None };
        Some(Arc::clone(chosen.unwrap_or(first)))
    }
}

/// Reads one certificate and its key. Returns also when it ends.
fn read_pair(
    cert_path: &Path,
    key_path: &Path,
    provider: &CryptoProvider,
    now: u64,
) -> Result<(CertifiedKey, u64), CertificateError> {
    let fail = |path: &Path, why: &str| {
        let flag = if path == cert_path { "--tls-cert" } else { "--tls-key" };
        CertificateError(format!("cannot use the {flag} file {}: {why}", path.display()))
    };
    let read = |path| read_regular(path).map_err(|why| fail(path, &why));
    let certs = CertificateDer::pem_slice_iter(&read(cert_path)?).collect::<Result<Vec<_>, _>>();
    let certs = certs.map_err(|_| fail(cert_path, "it is not PEM"))?;
    let Some(cert) = certs.first() else {
        return Err(fail(cert_path, "there is no certificate in it"));
    };
    let Ok((_, parsed)) = parse_x509_certificate(cert) else {
        return Err(fail(cert_path, "its certificate cannot be read"));
    };
    let validity = parsed.validity();
    let ends = u64::try_from(validity.not_after.timestamp()).unwrap_or_default();
    if ends <= now {
        let why = format!("it ended {} ago, so have it renewed", days((now - ends) / DAY));
        return Err(fail(cert_path, &why));
    }
    if validity.not_before.timestamp() > i64::try_from(now).unwrap_or(i64::MAX) {
        log::warn!("the certificate {} is not valid yet", cert_path.display());
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_path)?)
        .map_err(|_| fail(key_path, "there is no private key in it"))?;
    let pair = CertifiedKey::from_der(certs, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            fail(key_path, &format!("it is not the key of {}", cert_path.display()))
        }
        error => fail(key_path, &error.to_string()),
    })?;
    if pair.key.algorithm() == SignatureAlgorithm::RSA {
        log::warn!(
            "{} is an RSA key: a handshake costs six times as much as with ECDSA",
            key_path.display()
        );
    }
    Ok((pair, ends))
}

/// The content of a file that may be a certificate or a key.
pub(super) fn read_regular(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        // Opening a FIFO would wait for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        _ => error.to_string(),
    })
}

fn warn_of_end(ends: u64, now: u64) {
    let left = ends.saturating_sub(now) / DAY;
    if left < DAYS_LEFT_MIN {
        log::warn!("a certificate ends in {}", days(left));
    }
}

fn days(count: u64) -> String {
    match count {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    }
}
