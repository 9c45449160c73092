//! Whom to trust: those for whom somebody vouches whom the system trusts, or the one certificate
//! whose fingerprint was given.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::address::Address;
use crate::fingerprint::Fingerprint;

/// How TLS is made with one server.
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

/// How to make TLS with this server; `None` if none is wanted.
///
/// # Errors
/// A sentence that says why that cannot be.
pub(crate) fn trust(address: &Address, pin: Option<&Fingerprint>) -> Result<Option<Trust>, String> {
    if !address.tls {
        return Ok(None);
    }
    let cannot = |why: String| format!("No TLS with {address}: {why}.");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match pin {
        Some(_) => None,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let why = "this system trusts nobody to vouch for a certificate; give --pin";
                return Err(cannot(why.to_owned()));
            }
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
            Some(verifier.build().map_err(|error| cannot(error.to_string()))?)
        }
    };
    let pin = pin.copied();
    let verifier =
        Arc::new(Verifier { roots, pin, provider: Arc::clone(&provider), seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    Ok(Some(Trust { config: Arc::new(config), verifier }))
}

impl Trust {
    /// # Errors
    /// If the host cannot be named in TLS.
    pub(crate) fn connect(&self, host: &str) -> Result<ClientConnection, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        ClientConnection::new(Arc::clone(&self.config), name).map_err(|error| error.to_string())
    }

    /// What to say of an error of the handshake, without a full stop; `None` if it is none of TLS.
    pub(crate) fn explain(&self, error: &io::Error) -> Option<String> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        let seen = *self.verifier.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match (error, seen) {
            (Error::InvalidCertificate(_), Some(seen)) if self.verifier.pin.is_some() => {
                format!("its certificate is another one, with the fingerprint {seen}")
            }
            (Error::InvalidCertificate(why), Some(seen)) => format!(
                "its certificate is not trusted here: {}; \
                 if its owner says that this is its fingerprint, give --pin {seen}",
                flaw(why)
            ),
            (Error::InvalidMessage(_), _) => "what answers there speaks no TLS".to_owned(),
            (error, _) => error.to_string(),
        })
    }
}

/// What is wrong with a certificate.
fn flaw(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        _ => "nobody vouches for it whom this system trusts",
    }
}

#[derive(Debug)]
struct Verifier {
    /// There is one unless there is a fingerprint.
    roots: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
    /// That of the certificate that came last.
    seen: Mutex<Option<Fingerprint>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = Fingerprint::of(certificate);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        match (&self.roots, self.pin) {
            (_, Some(pin)) if pin == seen => Ok(ServerCertVerified::assertion()),
            (Some(roots), None) => roots.verify_server_cert(certificate, others, name, ocsp, now),
            _ => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
