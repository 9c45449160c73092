//! RESP2, which Redis and Valkey speak: commands to bytes, and bytes to replies.

use memchr::memchr;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// Bytes of a reply, at most: a checkpoint may be large.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a line, at most. Texts of any length are no lines.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Arrays within each other, at most: entries of a stream have five.
const DEPTH_MAX: usize = 8;

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
    /// So many have been looked at: those of the next reply as far as it has come.
    seen: usize,
    /// What each array that has begun there still lacks, the innermost last.
    lacking: Vec<usize>,
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
        if !self.looks_on()? {
            self.bytes.drain(..self.taken);
            self.seen -= std::mem::take(&mut self.taken);
            return if self.bytes.len() > REPLY_BYTES_MAX { Err(Broken) } else { Ok(None) };
        }
        let next = &self.bytes[self.taken..self.seen];
        let frame = decode(next).ok().flatten().filter(|(_, bytes)| *bytes == next.len());
        let (frame, _) = frame.ok_or(Broken)?;
        self.taken = self.seen;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            (self.seen, self.taken) = (0, 0);
        }
        Ok(Some(Reply::from(frame)))
    }

    /// Looks for the end of the next reply, at no byte twice: a long one comes in many pieces.
    /// Returns whether it is there. What nests too deeply is refused here, since the decoder calls
    /// itself for each array, and would use up the stack.
    fn looks_on(&mut self) -> Result<bool, Broken> {
        loop {
            let rest = &self.bytes[self.seen..];
            let Some(line) = memchr(b'\n', rest) else {
                return if rest.len() > LINE_BYTES_MAX { Err(Broken) } else { Ok(false) };
            };
            let head = rest[..line].strip_suffix(b"\r").ok_or(Broken)?;
            let (kind, number) = head.split_first().ok_or(Broken)?;
            let (mut bytes, mut replies) = (line + 1, 0);
            match kind {
                b'+' | b'-' | b':' => {}
                b'$' => bytes += length_of(number)?.map_or(0, |length| length + 2),
                b'*' => replies = length_of(number)?.unwrap_or(0),
                _ => return Err(Broken),
            }
            if rest.len() < bytes {
                return Ok(false);
            }
            self.seen += bytes;
            if replies > 0 {
                if self.lacking.len() == DEPTH_MAX {
                    return Err(Broken);
                }
                self.lacking.push(replies);
                continue;
            }
            // It is whole, and so are the arrays whose last it is.
            while let Some(lacking) = self.lacking.last_mut() {
                *lacking -= 1;
                if *lacking > 0 {
                    break;
                }
                self.lacking.pop();
            }
            if self.lacking.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// The length of a text or of an array, which may be none.
fn length_of(digits: &[u8]) -> Result<Option<usize>, Broken> {
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<isize>().ok());
    match number.ok_or(Broken)? {
        -1 => Ok(None),
        number => usize::try_from(number).map(Some).map_err(|_| Broken),
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
    fn what_nests_too_deeply_is_refused() {
        let nested = |depth: usize| format!("{}:7\r\n", "*1\r\n".repeat(depth)).into_bytes();
        let mut replies = Replies::default();
        replies.extend(&nested(DEPTH_MAX));
        assert!(replies.next_reply().unwrap().is_some());
        replies.extend(&nested(200_000));
        assert_eq!(replies.next_reply(), Err(Broken));
    }

    #[test]
    fn a_command_is_an_array_of_texts() {
        let mut out = Vec::new();
        command(&["SET", "k\u{e9}y", ""], &mut out);
        assert_eq!(out, "*3\r\n$3\r\nSET\r\n$4\r\nk\u{e9}y\r\n$0\r\n\r\n".as_bytes());
    }
}
