//! Something slow that is done now and then, in a thread of its own, so that the loop does not
//! wait: it is woken when the result is there.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use mio::Waker;

/// What is done, and how far it is.
pub(crate) struct Background<T> {
    work: Arc<dyn Fn() -> T + Send + Sync>,
    after: fn(),
    waker: Arc<Waker>,
    /// There while it is being done.
    running: Option<Receiver<Finished<T>>>,
    /// It is to be done once more when it is done.
    again: bool,
}

/// A result. The thread goes on when it is dropped, so that it knows when that has taken effect.
pub(crate) struct Finished<T> {
    pub(crate) result: T,
    _taken: Sender<()>,
}

impl<T: Send + 'static> Background<T> {
    /// `work` can be [started](Self::start) from now on. `after` is called each time when its
    /// result has taken effect.
    pub(crate) fn new(
        work: impl Fn() -> T + Send + Sync + 'static,
        after: fn(),
        waker: Arc<Waker>,
    ) -> Background<T> {
        Background { work: Arc::new(work), after, waker, running: None, again: false }
    }

    /// Begins, or begins anew when what is being done is done.
    pub(crate) fn start(&mut self) {
        if self.running.is_some() {
            self.again = true;
            return;
        }
        let (sender, receiver) = channel();
        let (work, after, waker) = (Arc::clone(&self.work), self.after, Arc::clone(&self.waker));
        let spawned = thread::Builder::new().name("background".to_owned()).spawn(move || {
            let (taken, wait) = channel();
            let finished = Finished { result: work(), _taken: taken };
            if sender.send(finished).is_ok() && waker.wake().is_ok() {
                // Nothing is ever sent; it ends when the result is dropped.
                let _ = wait.recv();
                after();
            }
        });
        match spawned {
            Ok(_) => self.running = Some(receiver),
            Err(error) => log::error!("cannot start a thread: {error}"),
        }
    }

    /// The result, once, as soon as there is one.
    pub(crate) fn poll(&mut self) -> Option<Finished<T>> {
        let polled = self.running.as_ref()?.try_recv();
        if matches!(polled, Err(TryRecvError::Empty)) {
            return None;
        }
        self.running = None;
        if std::mem::take(&mut self.again) {
            self.start();
        }
        polled.ok()
    }
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("again", &self.again).finish_non_exhaustive()
    }
}
