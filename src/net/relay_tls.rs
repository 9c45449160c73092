//! TLS to the engine: the server is the client here, and trusts whoever one file names.

use std::io::{self, IoSlice, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::certificates::{CertificateError, read_regular};
use super::stream::Stream;

/// Trusts those whose certificates stand in this file, in PEM, and for whom they vouch.
///
/// # Errors
/// If the file cannot be used.
pub(crate) fn trust(file: &Path) -> Result<Arc<ClientConfig>, CertificateError> {
    let fail = |why: &str| {
        CertificateError(format!("cannot use the --relay-ca file {}: {why}", file.display()))
    };
    let pem = read_regular(file).map_err(|why| fail(&why))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| fail("it is not PEM"))?;
        roots.add(certificate).map_err(|_| fail("a certificate in it cannot be read"))?;
    }
    if roots.is_empty() {
        return Err(fail("there is no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(&error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What is said over a connection, within TLS.
#[derive(Debug)]
pub(super) struct Tls(Box<ClientConnection>);

impl Tls {
    /// # Errors
    /// If the host cannot be named in TLS.
    pub(super) fn connect(config: &Arc<ClientConfig>, host: &str) -> io::Result<Tls> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Tls(Box::new(tls)))
    }

    /// Reads once. 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now; any other means that it is broken.
    pub(super) fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.flush(stream)?;
            if self.0.read_tls(&mut Wire(stream))? == 0 {
                return Ok(0);
            }
            let processed = self.0.process_new_packets().map(drop).map_err(io::Error::other);
            // It is told why, if it still takes that.
            let flushed = self.flush(stream);
            processed.and(flushed)?;
        }
    }

    /// Takes bytes that are to be sent. 0 means that it takes no more for now.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn write(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.writer().write(bytes)?;
        self.flush(stream)?;
        Ok(taken)
    }

    /// Sends what can be sent.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn flush(&mut self, stream: &mut Stream) -> io::Result<()> {
        while self.0.wants_write() {
            match self.0.write_tls(&mut Wire(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                written => written?,
            };
        }
        Ok(())
    }

    /// Whether something waits until the socket takes more.
    pub(super) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }
}

struct Wire<'a>(&'a mut Stream);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&[IoSlice::new(bytes)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
