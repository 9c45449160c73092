//! The wish that the server stop, as an event of the loop: SIGTERM and SIGINT on Unix; on
//! Windows Ctrl-C, Ctrl-Break, and that the console is closed or its user goes, which the system
//! lets no program outlive by more than a few seconds. SIGHUP is the wish that it read its files
//! again, or that it stop, as its caller takes it.

use std::io;
use std::sync::Arc;

use mio::{Registry, Token, Waker};

pub(crate) use system::Signals;

/// How often something was wished for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) stops: usize,
    pub(crate) hangups: usize,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

#[cfg(unix)]
mod system {
    use super::{Arc, Received, Registry, Token, Waker, io};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    /// Counts what the server has been asked for.
    pub(crate) struct Signals(signal_hook_mio::v1_0::Signals);

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
            // Whoever starts us under `nohup` wants us to outlive the terminal.
            let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
            let wishes = [SIGTERM, SIGINT].into_iter().chain(hangup);
            let mut signals = signal_hook_mio::v1_0::Signals::new(wishes)?;
            registry.register(&mut signals, token, mio::Interest::READABLE)?;
            Ok(Signals(signals))
        }

        /// What came since the last call.
        pub(crate) fn received(&mut self) -> Received {
            let mut received = Received::default();
            for signal in self.0.pending() {
                *if signal == SIGHUP { &mut received.hangups } else { &mut received.stops } += 1;
            }
            received
        }
    }

    /// Whether we were started with this signal ignored, as far as the system tells; Linux does.
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.unwrap_or_default() >> (signal - 1) & 1 == 1
    }
}

#[cfg(windows)]
mod system {
    use super::{Arc, Received, Registry, Token, Waker, io};
    use std::task::{Context, Poll, Wake};
    use tokio::signal::windows;

    /// Counts how often the server has been asked to stop. The listeners are tokio's, without its
    /// runtime: when one has heard that the console ends, the system is told only when the server
    /// has ended too. If it were told at once, it would end the server at once.
    pub(crate) struct Signals {
        listeners: [Listener; 5],
        waker: std::task::Waker,
    }

    type Listener = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send>;

    impl Signals {
        /// Begins to listen; `waker` is woken at each wish.
        ///
        /// # Errors
        /// What the system says if it cannot.
        pub(crate) fn register(
            _registry: &Registry,
            _token: Token,
            waker: &Arc<Waker>,
        ) -> io::Result<Signals> {
            let (mut c, mut pause) = (windows::ctrl_c()?, windows::ctrl_break()?);
            let (mut close, mut logoff) = (windows::ctrl_close()?, windows::ctrl_logoff()?);
            let mut shutdown = windows::ctrl_shutdown()?;
            // What comes from now on wakes nobody before the listeners are asked the first time.
            waker.wake()?;
            Ok(Signals {
                listeners: [
                    Box::new(move |context| c.poll_recv(context)),
                    Box::new(move |context| pause.poll_recv(context)),
                    Box::new(move |context| close.poll_recv(context)),
                    Box::new(move |context| logoff.poll_recv(context)),
                    Box::new(move |context| shutdown.poll_recv(context)),
                ],
                waker: Arc::new(Loop(Arc::clone(waker))).into(),
            })
        }

        /// What came since the last call.
        pub(crate) fn received(&mut self) -> Received {
            let context = &mut Context::from_waker(&self.waker);
            let mut count = 0;
            for listener in &mut self.listeners {
                // It wakes us again only when it has said that there is nothing more.
                while listener(context).is_ready() {
                    count += 1;
                }
            }
            Received { stops: count, hangups: 0 }
        }
    }

    /// The loop, as those know it who wake tasks.
    struct Loop(Arc<Waker>);

    impl Wake for Loop {
        fn wake(self: Arc<Self>) {
            // If it cannot be woken, it still asks in its next turn.
            let _ = self.0.wake();
        }
    }
}
