//! What systemd is told, if it has started the server and wants to know (`Type=notify-reload`).

/// How the server is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// It listens, and goes by its files as they were read last.
    Ready,
    /// It reads its files again.
    Reloading,
}

/// Tells how the server is. What cannot be told is not missed where nobody waits for it, and where
/// somebody does, they find out by themselves.
#[cfg(unix)]
pub(crate) fn notify(state: State) {
    use sd_notify::NotifyState;

    let told = match state {
        State::Ready => sd_notify::notify(false, &[NotifyState::Ready]),
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(false, &[NotifyState::Reloading, now])),
    };
    if let Err(error) = told {
        log::warn!("systemd cannot be told that the server is {state:?}: {error}");
    }
}

/// There is no systemd here.
#[cfg(not(unix))]
pub(crate) fn notify(_: State) {}
