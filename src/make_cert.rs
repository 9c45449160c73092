//! `chinwag make-cert`: a certificate that nobody vouches for, and its key, to begin with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};

use crate::fingerprint::Fingerprint;

/// The files, in the current directory.
const CERT: &str = "chinwag-cert.pem";
const KEY: &str = "chinwag-key.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Days for which it holds. Some systems trust none that holds for longer.
const DAYS: u32 = 825;

/// Writes both files for these hosts, at the time `now` since 1970. Returns what to tell of it.
///
/// # Errors
/// Why that could not be done, as one sentence without its full stop.
pub(crate) fn run(names: &[String], now: Duration) -> Result<String, String> {
    for file in [CERT, KEY] {
        if Path::new(file).exists() {
            return Err(format!("{file} is here already, and is not written over; move it away"));
        }
    }
    let made = CertificateParams::new(names).and_then(|mut params| {
        let key = KeyPair::generate()?;
        // A clock that is a little behind should not find it not valid yet.
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(DAY);
        params.not_after = params.not_before + DAY * (DAYS + 1);
        params
            .distinguished_name
            .push(DnType::CommonName, names.first().map_or("", String::as_str));
        Ok((params.self_signed(&key)?, key))
    });
    let (cert, key) = made.map_err(|error| format!("cannot make a certificate: {error}"))?;
    write(KEY, key.serialize_pem().as_bytes(), true)
        .and_then(|()| write(CERT, cert.pem().as_bytes(), false))
        .map_err(|error| format!("cannot write {KEY} and {CERT}: {error}"))?;
    Ok(format!(
        "{CERT} and {KEY} are for {} and hold for {DAYS} days. Nobody vouches for them: whoever \
         connects should compare the SHA-256 fingerprint:\n{}\n\
         Start with:  chinwag -l web+tls -l lines+tls --tls-cert {CERT} --tls-key {KEY}\n",
        names.join(", "),
        Fingerprint::of(cert.der()),
    ))
}

/// Writes a new file; one that `is_secret` can be read by its owner alone.
fn write(path: &str, bytes: &[u8], is_secret: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_secret { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = is_secret;
    let mut file: File = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}
