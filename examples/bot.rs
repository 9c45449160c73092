//! The bot in Rust of `docs/bots.md`, which shows it as it stands here: what is said to it with
//! `!echo` it says again. Its first argument is the port.

use chinwag::client::{ServerLine, read_line};
use std::io::{BufReader, Error, Write};

fn main() -> Result<(), Error> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "7711".into());
    let server = std::net::TcpStream::connect(format!("127.0.0.1:{port}"))?;
    (&server).write_all(b"echobot\n")?; // the answer to the question for a nickname
    let mut lines = BufReader::new(&server);
    while let Some(line) = read_line(&mut lines)? {
        match ServerLine::parse(&line) {
            ServerLine::Said { from, text } if text.starts_with("!echo ") => {
                (&server).write_all(format!("{from}: {}\n", &text[6..]).as_bytes())?;
            }
            ServerLine::Refused(why) => eprintln!("{why}"),
            _ => {}
        }
    }
    Err(Error::other("the server has gone"))
}
