//! The server's own terminal. Standard input cannot be polled everywhere and standard output can
//! block, so a thread each only reads and only writes, and wakes the loop; all else is as with a
//! socket.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use mio::Waker;

use super::stream::Input;

/// What one read of the terminal can bring.
const READ_BYTES: usize = 4096;

/// The terminal, seen from the loop.
#[derive(Debug)]
pub(crate) struct Console {
    input: Receiver<Vec<u8>>,
    output: SyncSender<Vec<u8>>,
    /// The writing thread has something in hand.
    writing: Arc<AtomicBool>,
}

impl Console {
    /// Begins to read standard input and to write standard output. `waker` wakes the loop when
    /// there is something to read, and when what was to be written is written.
    ///
    /// # Errors
    /// If the system gives us no threads.
    pub(crate) fn open(waker: &Arc<Waker>) -> io::Result<Console> {
        // One piece in hand is enough: who types or pipes faster than the room hears must wait.
        let (typed, input) = sync_channel::<Vec<u8>>(1);
        let (output, said) = sync_channel::<Vec<u8>>(1);
        let writing = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(waker);
        thread::Builder::new().name("console input".to_owned()).spawn(move || {
            let mut buffer = [0; READ_BYTES];
            // The end of input, or an error, ends this thread and nothing else.
            while let Ok(bytes @ 1..) = io::stdin().read(&mut buffer) {
                if typed.send(buffer[..bytes].to_vec()).is_err() || wake.wake().is_err() {
                    break;
                }
            }
        })?;
        let (wake, written) = (Arc::clone(waker), Arc::clone(&writing));
        thread::Builder::new().name("console output".to_owned()).spawn(move || {
            for bytes in said {
                // If nobody is there to read it, the server still goes on.
                let mut stdout = io::stdout().lock();
                let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
                written.store(false, Ordering::Release);
                if wake.wake().is_err() {
                    break;
                }
            }
        })?;
        Ok(Console { input, output, writing })
    }

    /// Reads once, into `buffer`, which must hold what one read can bring.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Input {
        match self.input.try_recv() {
            Ok(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Input::Bytes(bytes.len())
            }
            // The seat stays when nobody types there any more: it still shows what is said.
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Input::Nothing,
        }
    }

    /// Writes, unless what was written before is still in hand.
    ///
    /// # Errors
    /// `WouldBlock` in that case, and no other.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_writing() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writing.store(true, Ordering::Release);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let length = bytes.len();
        // The thread is there as long as we are: it ends only with this sender.
        let _ = self.output.try_send(bytes);
        Ok(length)
    }

    /// Whether something is still being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.load(Ordering::Acquire)
    }
}
