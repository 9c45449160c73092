//! Redis: everybody subscribes to one channel, and talkers publish there.
//!
//! The protocol is RESP2, in which a connection that has subscribed cannot publish; so talkers hear
//! nobody. What they are told is to how many each line went.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use crate::load::process::{Listening, Server};
use crate::load::speech::{Entry, Frame, Speech, contains, first_line, in_if, line, parts_of};

pub(crate) static SPEECH: Speech = Speech {
    talkers_listen: false,
    echoes: false,
    one_order: true,
    enter: |newcomer| match (newcomer.step, newcomer.talks) {
        (0, true) => Entry::Says(b"PING\r\n".to_vec()),
        (0, false) => Entry::Says(b"SUBSCRIBE room\r\n".to_vec()),
        (_, true) => in_if(contains(newcomer.heard, b"+PONG\r\n")),
        (_, false) => in_if(contains(newcomer.heard, b"subscribe\r\n$4\r\nroom\r\n:1\r\n")),
    },
    say: |name, text| {
        let line = line(name, text);
        format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n${}\r\n{line}\r\n", line.len()).into_bytes()
    },
    frame,
};

/// What comes before the length of a published line.
const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n";

/// Starts a server that keeps nothing on disk and drops no slow subscriber.
pub(crate) fn start(address: SocketAddr) -> io::Result<Server> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--maxclients", "15000"]);
    command.args(["--tcp-backlog", "1024", "--client-output-buffer-limit", "pubsub 0 0 0"]);
    Server::start(&mut command, Listening::Known(address))
}

fn frame(input: &[u8]) -> Frame<'_> {
    match input.first() {
        None => Frame::Part,
        Some(b'-') => match first_line(input) {
            Some(refusal) => Frame::Refusal { bytes: refusal.len() },
            None => Frame::Part,
        },
        Some(_) => message(input).or_else(|| value(input)).unwrap_or(Frame::Part),
    }
}

/// A line that was published; `None` if it is something else or not whole.
fn message(input: &[u8]) -> Option<Frame<'_>> {
    let published = input.strip_prefix(MESSAGE)?;
    let bytes = MESSAGE.len() + bulk(published)?;
    let header = first_line(published)?.len();
    let line = published[header..bytes - MESSAGE.len() - 2].strip_suffix(b"\n")?;
    let (name, text) = parts_of(line)?;
    Some(Frame::Line { bytes, name, text })
}

/// Any other value: a simple string, a number, a bulk string or an array of these.
fn value(input: &[u8]) -> Option<Frame<'_>> {
    let header = first_line(input)?;
    let bytes = match header[0] {
        b'$' => bulk(input)?,
        b'*' => (0..number(header)?).try_fold(header.len(), |bytes, _| {
            let element = input.get(bytes..)?;
            let length = if element.first() == Some(&b'$') {
                bulk(element)?
            } else {
                first_line(element)?.len()
            };
            Some(bytes + length)
        })?,
        _ => header.len(),
    };
    Some(Frame::Other { bytes })
}

/// The length of a whole bulk string, its header included.
fn bulk(input: &[u8]) -> Option<usize> {
    let header = first_line(input)?;
    let bytes = header.len() + number(header)? + 2;
    (input.len() >= bytes).then_some(bytes)
}

/// The number that a header carries.
fn number(header: &[u8]) -> Option<usize> {
    str::from_utf8(&header[1..]).ok()?.trim_end().parse().ok()
}
