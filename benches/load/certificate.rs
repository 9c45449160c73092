//! A certificate for `localhost` that lives as long as the benchmark.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate and its key, in files that are gone when it is dropped.
pub(crate) struct Certificate {
    folder: PathBuf,
    made: CertifiedKey<KeyPair>,
}

impl Certificate {
    pub(crate) fn make() -> io::Result<Certificate> {
        let folder = env::temp_dir().join(format!("chinwag-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.map_err(io::Error::other)?;
        fs::write(folder.join("cert.pem"), made.cert.pem())?;
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
        Ok(Certificate { folder, made })
    }

    /// What tells the server of it.
    pub(crate) fn flags(&self) -> [String; 2] {
        [("--tls-cert", "cert.pem"), ("--tls-key", "key.pem")]
            .map(|(flag, file)| format!("{flag}={}", self.folder.join(file).display()))
    }

    /// What a client goes by that trusts it.
    pub(crate) fn client(&self) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    /// What a server goes by that has it, as the server that is measured does.
    pub(crate) fn server(&self) -> io::Result<Arc<ServerConfig>> {
        let key = PrivateKeyDer::try_from(self.made.signing_key.serialize_der());
        let key = key.map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let certs = vec![self.made.cert.der().clone()];
        let config = config.with_no_client_auth().with_single_cert(certs, key);
        let mut config = config.map_err(io::Error::other)?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
