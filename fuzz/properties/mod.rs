//! The properties that are fuzzed. Each is a function of any bytes that panics if something does
//! not hold that must.
//!
//! It is used twice: as the library of this crate, by the targets in `fuzz_targets/`; and as a
//! module of `tests/corpora.rs`, which replays the corpora on a stable compiler. So nothing in here
//! knows of the fuzzer. Structure is drawn from the bytes by `arbitrary` (`input.rs`).

mod commands;
mod config;
mod decoding;
mod encoding;
mod hubs;
mod input;
mod irc;
mod irc_sessions;
mod names;
mod proxy;
mod relay;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "web")]
mod web;
mod words;
mod world;

pub use commands::parse_commands;
pub use config::config_file;
pub use decoding::{decode_arrivals, decode_datagrams, decode_lines};
pub use encoding::encode;
pub use hubs::{hub_equivalence, hub_operations};
pub use irc::decode_irc;
pub use irc_sessions::irc_sessions;
pub use names::nickname;
pub use proxy::proxy_header;
#[cfg(feature = "relay")]
pub use relay::relay_replies;
pub use relay::{relay_checkpoint, relay_log};
#[cfg(feature = "tls")]
pub use tls::tls_input;
#[cfg(feature = "web")]
pub use web::decode_web;
pub use words::text;
