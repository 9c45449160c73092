//! The server's own terminal. Standard input cannot be polled everywhere and standard output can
//! block, so a thread each only reads and only writes. The one wakes the loop; the other is never
//! waited for: what a terminal that stands still cannot take is not shown, and it is told so.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};
use std::thread;

use mio::Waker;

/// What one read of the terminal can bring.
const READ_BYTES: usize = 4096;

/// What may wait for the terminal.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// The terminal, seen from the loop.
#[derive(Debug)]
pub(crate) struct Console {
    input: Receiver<Vec<u8>>,
    /// Standard input has ended, and the line that it ended in has been ended.
    ended: bool,
    output: Sender<Vec<u8>>,
    /// Bytes that the writing thread has still in hand.
    waiting: Arc<AtomicUsize>,
    /// Bytes that could not be shown since the last that could.
    lost: usize,
}

impl Console {
    /// Begins to read standard input and to write standard output. `waker` wakes the loop when
    /// there is something to read, and when all that was to be written is written.
    ///
    /// # Errors
    /// If the system gives us no threads.
    pub(crate) fn open(waker: &Arc<Waker>) -> io::Result<Console> {
        // One piece in hand is enough: who types or pipes faster than the room hears must wait.
        let (typed, input) = sync_channel::<Vec<u8>>(1);
        let (output, said) = channel::<Vec<u8>>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let wake = Arc::clone(waker);
        thread::Builder::new().name("console input".to_owned()).spawn(move || {
            let mut buffer = [0; READ_BYTES];
            // The end of input, or an error, ends this thread and nothing else.
            while let Ok(bytes @ 1..) = io::stdin().read(&mut buffer) {
                if typed.send(buffer[..bytes].to_vec()).is_err() || wake.wake().is_err() {
                    break;
                }
            }
            drop(typed);
            let _ = wake.wake();
        })?;
        let (wake, unwritten) = (Arc::clone(waker), Arc::clone(&waiting));
        thread::Builder::new().name("console output".to_owned()).spawn(move || {
            for bytes in said {
                // If nobody is there to read it, the server still goes on.
                let mut stdout = io::stdout().lock();
                let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
                let left = unwritten.fetch_sub(bytes.len(), Ordering::AcqRel) - bytes.len();
                if left == 0 && wake.wake().is_err() {
                    break;
                }
            }
        })?;
        Ok(Console { input, ended: false, output, waiting, lost: 0 })
    }

    /// Reads once, into `buffer`, which must hold what one read can bring. Returns how many bytes
    /// that brought; there is no end.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing for now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.try_recv() {
            Ok(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Err(TryRecvError::Disconnected) if !self.ended => {
                // The seat stays when nobody types there any more: it still shows what is said. But
                // an unfinished line is finished.
                self.ended = true;
                buffer[0] = b'\n';
                Ok(1)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// Writes. Returns how many bytes that were, which is all of them.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.waiting.load(Ordering::Acquire) > WAITING_BYTES_MAX {
            self.lost += length;
            return length;
        }
        let mut bytes = Vec::with_capacity(length);
        if self.lost > 0 {
            bytes = format!("! {} bytes could not be shown here.\n", self.lost).into_bytes();
            self.lost = 0;
        }
        bytes.extend(slices.iter().flat_map(|slice| slice.iter().copied()));
        self.waiting.fetch_add(bytes.len(), Ordering::AcqRel);
        // The thread is there as long as we are: it ends only with this sender.
        let _ = self.output.send(bytes);
        length
    }

    /// Whether something is still being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}
