//! The wish that the server stop, as an event of the loop: SIGTERM and SIGINT on Unix; Ctrl-C,
//! Ctrl-Break and the closing of the console on Windows.

use std::io;

use std::sync::Arc;

use mio::{Registry, Token, Waker};

/// Counts how often the server has been asked to stop.
pub(crate) struct Signals {
    #[cfg(unix)]
    pending: signal_hook_mio::v1_0::Signals,
    #[cfg(windows)]
    pending: Arc<std::sync::atomic::AtomicUsize>,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen; `token` becomes ready at each wish.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub(crate) fn register(
        registry: &Registry,
        token: Token,
        _waker: &Arc<Waker>,
    ) -> io::Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut pending = signal_hook_mio::v1_0::Signals::new([SIGTERM, SIGINT])?;
        registry.register(&mut pending, token, mio::Interest::READABLE)?;
        Ok(Signals { pending })
    }

    /// How often since the last call.
    pub(crate) fn received(&mut self) -> usize {
        self.pending.pending().count()
    }
}

#[cfg(windows)]
impl Signals {
    /// Begins to listen; `waker` is woken at each wish. Once in a process.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub(crate) fn register(
        _registry: &Registry,
        _token: Token,
        waker: &Arc<Waker>,
    ) -> io::Result<Signals> {
        use std::sync::atomic::Ordering;
        let (waker, pending) = (Arc::clone(waker), Arc::default());
        let signals = Signals { pending: Arc::clone(&pending) };
        ctrlc::set_handler(move || {
            pending.fetch_add(1, Ordering::SeqCst);
            // If the loop cannot be woken it still sees the count in its next turn.
            let _ = waker.wake();
        })
        .map_err(io::Error::other)?;
        Ok(signals)
    }

    /// How often since the last call.
    pub(crate) fn received(&mut self) -> usize {
        self.pending.swap(0, std::sync::atomic::Ordering::SeqCst)
    }
}
