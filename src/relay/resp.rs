//! RESP2, which Redis and Valkey speak: commands to bytes, and bytes to replies.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// Bytes of a reply, at most: a checkpoint may be large.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A reply of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A text, or bytes.
    Bytes(Vec<u8>),
    /// A number.
    Number(i64),
    /// Several.
    Many(Vec<Reply>),
    /// There is nothing.
    Nothing,
    /// The engine has not done it, and says why.
    Error(String),
}

/// What came is not RESP2, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Bytes that have come and are not whole replies yet.
#[derive(Debug, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    /// So many at the beginning have been taken.
    taken: usize,
    /// Below this length the next reply cannot be whole.
    needed: usize,
}

impl Replies {
    /// More has come.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole reply.
    ///
    /// # Errors
    /// If what came cannot be one.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, Broken> {
        let rest = &self.bytes[self.taken..];
        if rest.len() < self.needed {
            return Ok(None);
        }
        match decode(rest).map_err(|_| Broken)? {
            Some((frame, bytes)) => {
                self.taken += bytes;
                self.needed = 0;
                if self.taken == self.bytes.len() {
                    self.bytes.clear();
                    self.taken = 0;
                }
                Ok(Some(Reply::from(frame)))
            }
            None if rest.len() > REPLY_BYTES_MAX => Err(Broken),
            None => {
                // A long reply is looked at again when it is a quarter longer, not at each read.
                let more = rest.len() / 4;
                self.needed = if more > 64 * 1024 { self.ends_at(rest.len() + more) } else { 0 };
                self.bytes.drain(..self.taken);
                self.taken = 0;
                Ok(None)
            }
        }
    }

    /// The length at which to look again: not beyond the end of a text whose length is known.
    fn ends_at(&self, wanted: usize) -> usize {
        let rest = &self.bytes[self.taken..];
        let line = rest.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let length = line.strip_prefix(b"$").and_then(|digits| str::from_utf8(digits).ok());
        let length = length.and_then(|digits| digits.parse::<usize>().ok());
        length.map_or(rest.len() + 1, |length| wanted.min(line.len() + 2 + length + 2))
    }
}

impl From<OwnedFrame> for Reply {
    fn from(frame: OwnedFrame) -> Reply {
        match frame {
            OwnedFrame::SimpleString(bytes) | OwnedFrame::BulkString(bytes) => Reply::Bytes(bytes),
            OwnedFrame::Error(error) => Reply::Error(error),
            OwnedFrame::Integer(number) => Reply::Number(number),
            OwnedFrame::Array(frames) => Reply::Many(frames.into_iter().map(Reply::from).collect()),
            OwnedFrame::Null => Reply::Nothing,
        }
    }
}

impl Reply {
    /// The text that it is.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Reply::Bytes(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The replies that it has.
    #[must_use]
    pub fn many(&self) -> Option<&[Reply]> {
        match self {
            Reply::Many(replies) => Some(replies),
            _ => None,
        }
    }
}

/// Appends a command.
pub fn command(words: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_found_however_they_are_cut() {
        let bytes = b"+OK\r\n$5\r\nhello\r\n*2\r\n:7\r\n*-1\r\n-ERR no\r\n$-1\r\n";
        let hello = Reply::Bytes(b"hello".to_vec());
        let expected = [
            Reply::Bytes(b"OK".to_vec()),
            hello,
            Reply::Many(vec![Reply::Number(7), Reply::Nothing]),
            Reply::Error("ERR no".to_owned()),
            Reply::Nothing,
        ];
        for size in 1..=bytes.len() {
            let (mut replies, mut found) = (Replies::default(), Vec::new());
            for piece in bytes.chunks(size) {
                replies.extend(piece);
                while let Some(reply) = replies.next_reply().unwrap() {
                    found.push(reply);
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_long_text_is_whole_as_soon_as_its_last_byte_has_come() {
        let text = "x".repeat(3_000_000);
        let mut bytes = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
        let last = bytes.pop().unwrap();
        let mut replies = Replies::default();
        for piece in bytes.chunks(100_000) {
            replies.extend(piece);
            assert_eq!(replies.next_reply(), Ok(None));
        }
        replies.extend(&[last]);
        assert_eq!(replies.next_reply(), Ok(Some(Reply::Bytes(text.into_bytes()))));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let mut replies = Replies::default();
        replies.extend(b"HTTP/1.1 400 Bad Request\r\n");
        assert_eq!(replies.next_reply(), Err(Broken));
    }

    #[test]
    fn a_command_is_an_array_of_texts() {
        let mut out = Vec::new();
        command(&["SET", "k\u{e9}y", ""], &mut out);
        assert_eq!(out, "*3\r\n$3\r\nSET\r\n$4\r\nk\u{e9}y\r\n$0\r\n\r\n".as_bytes());
    }
}
