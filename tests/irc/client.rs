//! Somebody who speaks IRC, line by line, so that a test reads as a transcript. Hosts are made up
//! anew by each server, so they are seen as `host`; and times as `TIME`.

#![allow(dead_code, reason = "each test file uses its own part of this one")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::common::{PATIENCE, Server};

/// An IRC client.
pub(crate) struct Irc {
    pub(crate) name: String,
    lines: BufReader<TcpStream>,
    past: Vec<String>,
    asked: usize,
    /// The times that lines had which it has seen.
    pub(crate) times: Vec<String>,
}

impl Irc {
    /// Connects, and says nothing.
    #[track_caller]
    pub(crate) fn connects(server: &Server) -> Irc {
        let stream = TcpStream::connect(server.address("irc")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream);
        let (past, times) = Default::default();
        Irc { name: "the newcomer".to_owned(), lines, past, asked: 0, times }
    }

    /// Comes in under this name.
    #[track_caller]
    pub(crate) fn comes(server: &Server, name: &str) -> Irc {
        Irc::comes_with(server, name, "")
    }

    /// The same, with these capabilities.
    #[track_caller]
    pub(crate) fn comes_with(server: &Server, name: &str, caps: &str) -> Irc {
        let mut client = Irc::connects(server);
        client.name = name.to_owned();
        if !caps.is_empty() {
            client.says(&format!("CAP REQ :{caps}"));
            client.sees(&format!("CAP * ACK :{caps}"));
        }
        client.says(&format!("NICK {name}"));
        client.says(&format!("USER {name} 0 * :Real {name}"));
        if !caps.is_empty() {
            client.says("CAP END");
        }
        client.sees_until(" 221 ");
        client
    }

    /// Goes into a channel, and sees who is there.
    #[track_caller]
    pub(crate) fn joins(&mut self, channel: &str) {
        self.says(&format!("JOIN {channel}"));
        self.sees_until(" 366 ");
    }

    pub(crate) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        self.past.push(format!("{} says {:?}", self.name, String::from_utf8_lossy(bytes)));
        self.lines.get_mut().write_all(bytes).unwrap();
    }

    /// The next line, without its end; `None` at the end.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        if let Err(error) = self.lines.read_until(b'\n', &mut line) {
            panic!("{} sees nothing more: {error}{}", self.name, self.transcript());
        }
        if line.is_empty() {
            return None;
        }
        let line = String::from_utf8(line).unwrap();
        let line = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} has no CRLF"));
        let (tags, rest) = match line.starts_with('@') {
            true => line.split_at(line.find(' ').unwrap()),
            false => ("", line),
        };
        assert!(rest.trim_start().len() <= 510, "{} bytes: {rest}", rest.len());
        let time = tags.split(['@', ';']).find_map(|tag| tag.strip_prefix("time="));
        self.times.extend(time.map(str::to_owned));
        let line = plain(&format!("{tags}{rest}"));
        self.past.push(format!("{} sees {line}", self.name));
        Some(line)
    }

    /// What comes next is this; `:irc.chinwag ` before it may be left out.
    #[track_caller]
    pub(crate) fn sees(&mut self, expected: &str) {
        let line = self.next().unwrap_or_else(|| panic!("the end{}", self.transcript()));
        let same = line == expected || line.strip_prefix(":irc.chinwag ") == Some(expected);
        assert!(same, "{} should see {expected:?}, not {line:?}{}", self.name, self.transcript());
    }

    /// All lines up to one with this text in it, which is the last of them.
    #[track_caller]
    pub(crate) fn sees_until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.next() else { panic!("no {text:?}{}", self.transcript()) };
            let is_last = line.contains(text);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// All that comes before the answer to a question that is asked now.
    #[track_caller]
    pub(crate) fn answers(&mut self, line: &str) -> Vec<String> {
        if !line.is_empty() {
            self.says(line);
        }
        self.asked += 1;
        let token = format!("asked-{}", self.asked);
        self.says(&format!("PING {token}"));
        let mut lines = self.sees_until(&format!("PONG irc.chinwag :{token}"));
        lines.pop();
        let short = |line: String| match line.strip_prefix(":irc.chinwag ") {
            Some(rest) => rest.to_owned(),
            None => line,
        };
        lines.into_iter().map(short).collect()
    }

    #[track_caller]
    pub(crate) fn sees_nothing_more(&mut self) {
        let more = self.answers("");
        assert!(more.is_empty(), "{} sees {more:?}{}", self.name, self.transcript());
    }

    fn transcript(&self) -> String {
        let first = self.past.len().saturating_sub(30);
        format!("\n  {}", self.past[first..].join("\n  "))
    }
}

/// A line without what is another one each time.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(".ip") {
        let (before, behind) = rest.split_at(at);
        let host =
            before.len() - before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
        plain += &before[..host];
        plain += "host";
        rest = &behind[3..];
    }
    plain += rest;
    match plain.find("time=20") {
        Some(at) => format!("{}time=TIME{}", &plain[..at], &plain[at + "time=".len() + 24..]),
        None => plain,
    }
}
