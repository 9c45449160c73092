//! One TCP socket that must begin with a PROXY header. Not a byte is read beyond that, so the
//! socket is then what it would have been without.

use std::io;
use std::net::SocketAddr;

use super::stream::Stream;
use crate::proxy::Header;

/// What has come of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    /// Not all of it.
    Waiting,
    /// All of it, and from where the connection comes, if it says so.
    Whole(Option<SocketAddr>),
    /// Something else.
    Wrong,
    /// The end.
    Ended,
    /// The socket is broken.
    Lost,
}

/// Reads a header.
#[derive(Debug, Default)]
pub(crate) struct HeaderReader {
    bytes: Vec<u8>,
    /// It is on the list of those who are to be read.
    pub(crate) queued: bool,
}

impl HeaderReader {
    /// Reads as much as has come.
    pub(crate) fn read(&mut self, stream: &mut Stream) -> HeaderRead {
        loop {
            let missing = match Header::parse(&self.bytes) {
                Header::Partial(missing) => missing,
                Header::Whole(source) => return HeaderRead::Whole(source),
                Header::Wrong => return HeaderRead::Wrong,
            };
            let had = self.bytes.len();
            self.bytes.resize(had + missing, 0);
            let read = stream.read(&mut self.bytes[had..]);
            self.bytes.truncate(had + read.as_ref().map_or(0, |bytes| *bytes));
            match read {
                Ok(0) => return HeaderRead::Ended,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return HeaderRead::Waiting;
                }
                Err(_) => return HeaderRead::Lost,
            }
        }
    }
}
