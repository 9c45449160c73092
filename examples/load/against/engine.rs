//! What the engine costs through which servers share their room, as it tells itself.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use chinwag::config::Engine;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The CPU time that the engine at this address has taken until now.
///
/// # Errors
/// If it cannot be reached, or does not say so.
pub(crate) fn cpu(url: &str) -> io::Result<Duration> {
    let engine: Engine = url.parse().map_err(io::Error::other)?;
    let (host, port) = engine.hosts.first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect((&**host, *port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if let Some((user, password)) = &engine.login {
        let user = user.as_deref().map(|user| format!("\"{user}\" ")).unwrap_or_default();
        write!(stream, "AUTH {user}\"{password}\"\r\n")?;
    }
    write!(stream, "INFO cpu\r\n")?;
    let mut spent = Duration::ZERO;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        // Its main thread is not all of it, but all of its threads are one process.
        match line.split_once(':') {
            Some(("used_cpu_sys", seconds)) => spent += parse(seconds)?,
            Some(("used_cpu_user", seconds)) => return Ok(spent + parse(seconds)?),
            _ if line.starts_with('-') => return Err(io::Error::other(line)),
            _ => {}
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn parse(seconds: &str) -> io::Result<Duration> {
    seconds.trim().parse().map(Duration::from_secs_f64).map_err(io::Error::other)
}
