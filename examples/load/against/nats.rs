//! NATS: everybody subscribes to one subject, and talkers publish there too.

use std::io;
use std::process::Command;

use crate::load::process::{Listening, Server};
use crate::load::speech::{Entry, Frame, Speech, contains, first_line, in_if, line, parts_of};

pub(crate) static SPEECH: Speech = Speech {
    talkers_listen: true,
    echoes: false,
    // Each connection is served by a thread of its own, as far as one can see from outside.
    one_order: false,
    enter: |newcomer| match newcomer.step {
        0 => Entry::Says(
            b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n\
              SUB room 1\r\n\
              PING\r\n"
                .to_vec(),
        ),
        _ => in_if(contains(newcomer.heard, b"PONG\r\n")),
    },
    say: |name, text| {
        let line = line(name, text);
        format!("PUB room {}\r\n{line}\r\n", line.len()).into_bytes()
    },
    frame,
};

/// Starts a server without a file of settings.
pub(crate) fn start() -> io::Result<Server> {
    let mut command = Command::new("nats-server");
    command.args(["--addr", "127.0.0.1", "--port", "-1"]);
    Server::start(&mut command, Listening::Says("Listening for client connections on "))
}

fn frame(input: &[u8]) -> Frame<'_> {
    let Some(header) = first_line(input) else { return Frame::Part };
    let bytes = header.len();
    match header {
        b"PING\r\n" => Frame::Question { bytes, answer: b"PONG\r\n".to_vec() },
        _ if header.starts_with(b"MSG ") => message(input, bytes).unwrap_or(Frame::Part),
        _ if header.starts_with(b"-ERR") => Frame::Refusal { bytes },
        _ => Frame::Other { bytes },
    }
}

/// `MSG room 1 64`, and a line of 64 bytes; `None` if it is not whole.
fn message(input: &[u8], header: usize) -> Option<Frame<'_>> {
    let length = str::from_utf8(&input[..header]).ok()?.trim_end().rsplit(' ').next()?;
    let length: usize = length.parse().ok()?;
    let bytes = header + length + 2;
    let line = input.get(..bytes)?[header..header + length].strip_suffix(b"\n")?;
    let (name, text) = parts_of(line)?;
    Some(Frame::Line { bytes, name, text })
}
