//! `irc`: what real IRC clients speak, as Modern IRC (modern.ircdocs.horse) and IRCv3 (ircv3.net)
//! have it. A room is a channel, a rank is a prefix, what is set for a room are its modes.
//!
//! [`message`] takes a line apart, [`session`] is the conversation up to there, [`encode`] tells
//! what happens, and [`numeric`] has the answers that have numbers. What a client asks for and no
//! other dialect knows is answered in `hub/irc/`.

pub(crate) mod caps;
pub(crate) mod encode;
pub(crate) mod format;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod numeric;
mod session;
mod verb;

pub use self::caps::Encoding;
pub(crate) use self::session::{Batch, Registering, Session};
pub use self::verb::Verb;
use super::{Commands, DialectSpec, Framing, Naming, Stage, Transport};

/// The name of the server in what it says.
pub(crate) const SERVER: &str = "irc.chinwag";

/// The longest line, in bytes, with its CRLF and without its tags.
pub(crate) const LINE_BYTES_MAX: usize = 512;

/// The most bytes of tags before a line that a client sends, with `@` and the space behind them.
pub(crate) const TAGS_BYTES_MAX: usize = 4096;

pub(super) const SPEC: DialectSpec = DialectSpec {
    name: "irc",
    port: 6667,
    tls_port: 6697,
    transport: Transport::Tcp,
    framing: Framing::Irc,
    naming: Naming::Asked,
    told_alone: true,
    roomless: true,
    asks_password: true,
    echoes: false,
    many_rooms: true,
    can_resume: false,
    hears_own_joining: false,
    whole_welcome: None,
    lf_separated: false,
    gap: None,
    is_casual: false,
    closed_unopened: None,
    parse,
    encode: encode::encode,
};

/// A line is taken apart by what executes it.
fn parse<'a>(_stage: Stage, _line: &'a str, _given: &str) -> Commands<'a> {
    Commands::None
}
