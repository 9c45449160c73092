//! One TCP socket with TLS over it, which looks as one without: reading and writing until it would
//! block. It does the handshake before, in steps, and keeps no more of either direction than a
//! record of a few KiB.
//!
//! What differs from a plain socket: what has been taken to be written may not have been handed to
//! the system yet ([`TlsStream::flush`]), and what has been received may hold more than one read
//! takes, of which the system says nothing. So a read must go on until it would block.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use mio::{Registry, Token};
use rustls::{ServerConfig, ServerConnection};

use super::stream::Stream;

/// Bytes that are encrypted before the system has taken them: what comes to a record of 4 KiB with
/// what TLS adds.
const AHEAD_BYTES: usize = 4 * 1024 - 64;

/// What a handshake may have of the other side's bytes. Nobody needs more than a quarter.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// What may come later without bringing anything: a record of 16 KiB, what is left of the
/// handshake, and as much again. Otherwise what is no whole message could be kept without bound.
const SILENT_BYTES_MAX: usize = 48 * 1024;

/// Pieces of input that are looked at for one read. Whoever sends records with nothing in them
/// would keep it from ending otherwise.
const PIECES_PER_READ: usize = 16;

/// What connections with TLS go by.
pub(crate) type TlsConfig = Arc<ServerConfig>;

/// What a step of the handshake has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// Nothing more has come for now.
    Waiting,
    /// There may be more at once. Whether it was the dear part, of which not many are to be done
    /// in a row.
    GoesOn { was_dear: bool },
    /// It is done, and what comes is for the dialect.
    Done,
    /// The other side has ended it.
    Ended,
    /// The socket is broken.
    Lost,
    /// This is no TLS, or none that we speak. The other side is told, if it takes that.
    Failed,
}

/// A connection's socket, with TLS.
#[derive(Debug)]
pub(crate) struct TlsStream {
    stream: Stream,
    tls: ServerConnection,
    /// Bytes that have come since something was brought by them, or since the beginning.
    silent_bytes: usize,
    /// It is on the list of those whose handshake goes on.
    pub(crate) queued: bool,
    /// There is no TLS any more: what still comes is read and means nothing.
    over: bool,
    /// The system is to be told that no more is written when all has been.
    shutting: bool,
    /// A read has ended although there may be more.
    pub(crate) unread: bool,
}

impl TlsStream {
    /// What keeps the state of one connection.
    ///
    /// # Errors
    /// If the configuration does not allow any.
    pub(crate) fn connect(config: &TlsConfig) -> io::Result<ServerConnection> {
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(AHEAD_BYTES));
        Ok(tls)
    }

    /// A socket that waits for the handshake.
    pub(crate) fn new(stream: Stream, tls: ServerConnection) -> TlsStream {
        TlsStream {
            stream,
            tls,
            silent_bytes: 0,
            queued: false,
            over: false,
            shutting: false,
            unread: false,
        }
    }

    /// By what the system knows it.
    pub(crate) fn token(&self) -> Token {
        self.stream.token()
    }

    /// Whether the handshake is still to be done.
    pub(crate) fn is_preparing(&self) -> bool {
        !self.over && self.tls.is_handshaking()
    }

    /// Does one step of the handshake.
    pub(crate) fn handshake(&mut self) -> Handshake {
        // Who does not take our part of it is not asked for more of theirs.
        match self.flush() {
            Ok(true) => {}
            Ok(false) => return Handshake::Waiting,
            Err(_) => return Handshake::Lost,
        }
        match self.tls.read_tls(&mut Wire { stream: &mut self.stream, more: false }) {
            Ok(0) => return Handshake::Ended,
            Ok(bytes) => self.silent_bytes += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Handshake::Waiting,
            Err(_) => return Handshake::Lost,
        }
        if !self.process() || self.is_preparing() && self.silent_bytes > HANDSHAKE_BYTES_MAX {
            self.over = true;
            return Handshake::Failed;
        }
        // Only what needs an answer is dear: keys are made and signed for it.
        let was_dear = self.tls.wants_write();
        match self.flush() {
            Err(_) => Handshake::Lost,
            Ok(_) if self.is_preparing() => Handshake::GoesOn { was_dear },
            Ok(_) => Handshake::Done,
        }
    }

    /// Reads once and returns how many bytes that brought. 0 is the end, whether or not the other
    /// side has said so before: people close their laptops, and a chat has no message that could be
    /// cut without being noticed.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now, or if [`unread`](Self::unread) says otherwise;
    /// `InvalidData` if what came is no TLS; any other means that the socket is broken.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.over {
            return self.stream.read(buffer);
        }
        for _ in 0..PIECES_PER_READ {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => {
                    self.silent_bytes = 0;
                    return read;
                }
            }
            self.silent_bytes +=
                self.tls.read_tls(&mut Wire { stream: &mut self.stream, more: false })?;
            if !self.process() || self.silent_bytes > SILENT_BYTES_MAX {
                self.over = true;
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.unread = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Takes as much as the system does, and what is encrypted ahead: records that are small, so
    /// that little is, but that the system sends together.
    ///
    /// # Errors
    /// `WouldBlock` if the socket takes no more for now; any other means that it is broken.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.over {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if !self.flush()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let all = slices.iter().map(|slice| slice.len()).sum();
        let mut taken = self.encrypt(slices)?;
        if taken < all {
            let mut rest = slices.to_vec();
            let (mut rest, mut bytes) = (&mut rest[..], taken);
            while bytes > 0 && taken < all && self.hand_over(true)? {
                IoSlice::advance_slices(&mut rest, bytes);
                bytes = self.encrypt(rest)?;
                taken += bytes;
            }
        }
        self.flush()?;
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Makes a record of as much as may be ahead. Returns how many bytes that is.
    fn encrypt(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.tls.writer().write(one),
            several => self.tls.writer().write_vectored(several),
        }
    }

    /// Hands all that is encrypted to the system. Returns whether it took all.
    ///
    /// # Errors
    /// What the system says if the socket is broken.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        if !self.hand_over(false)? {
            return Ok(false);
        }
        if self.shutting {
            self.shutting = false;
            self.stream.shut();
        }
        Ok(true)
    }

    /// As [`flush`](Self::flush), when nothing more is written: tells the other side so, in TLS.
    /// Whoever closes the socket before that has gone out has cut the conversation.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn finish(&mut self) -> io::Result<bool> {
        if !self.over && !self.is_preparing() {
            self.tls.send_close_notify(); // which is done once
        }
        self.flush()
    }

    /// As [`flush`](Self::flush), but there may be more to come at once.
    fn hand_over(&mut self, more: bool) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire { stream: &mut self.stream, more }) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Asks the system to say when more can be written, if that is `wanted` or some waits here.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub(crate) fn watch_writable(&mut self, wanted: bool, registry: &Registry) -> io::Result<()> {
        self.stream.watch_writable(wanted || self.tls.wants_write(), registry)
    }

    /// Tells the other side that there will be no more, in TLS and below.
    pub(crate) fn shut(&mut self) {
        self.shutting = true;
        // If it is broken, the next read finds that.
        let _ = self.finish();
        self.over |= self.is_preparing();
    }

    /// Looks at what has come. Returns whether it was TLS; if not, the other side is told.
    fn process(&mut self) -> bool {
        let processed = self.tls.process_new_packets();
        if let Err(error) = &processed {
            log::debug!("TLS: {error}");
            let _ = self.flush();
        }
        processed.is_ok()
    }
}

/// The socket, as rustls wants it.
struct Wire<'a> {
    stream: &'a mut Stream,
    /// What is written need not be sent before what comes next.
    more: bool,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.more { self.stream.write_more(slices) } else { self.stream.write(slices) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
