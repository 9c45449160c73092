//! chinwag, a group-chat server that one thread carries.
//!
//! The modules, in the order in which a byte meets them:
//!
//! 1. [`server`]: the sockets. `net::listener` lets the byte's connection in, `net::stream` reads
//!    it, when its turn has come: [`turn`] is the body of the readiness loop.
//! 2. [`hub`]: the chat as a pure state machine, without sockets or a clock. It knows each
//!    connection by its key, and is told of the byte by [`hub::Hub::handle_input`].
//! 3. [`dialect`]: the connection's session makes bytes into [`event::Command`]s.
//! 4. `chat`: judges the command and applies the entry that it gives: users, names, rooms and
//!    history. What may be said is in [`text`], who may be called how in [`nickname`].
//! 5. `hub::telling`: says what became so as [`event::Event`]s, to those whom it concerns.
//! 6. `delivery`: the event, encoded once for each room and dialect, and each connection's place in
//!    it, from where `net::stream` writes it.
//!
//! At the other end, [`client`] is what one can know from the lines that come.
//!
//! What may come before all that, a PROXY header or the handshake of TLS, never leaves `net`: who
//! has not passed it is known to the hub, but not heard.
//!
//! `relay` shares the rooms with other servers. [`archive`] keeps what must outlive the server.
//! [`config`] is what an operator can decide, [`metrics`] what the server counts; `timers` are all
//! deadlines.
//!
//! # In a program of one's own
//! A [`server::Server`] runs in a thread. Its [`handle::Handle`] stops it from others, and has bots
//! in its rooms, which say lines and are told what is said:
//!
//! ```
//! use chinwag::config::{Config, ListenerSpec};
//! use chinwag::{dialect::Dialect, handle::Said, server::Server};
//! use std::{net::SocketAddr, thread};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address = SocketAddr::from(([127, 0, 0, 1], 0)); // any port that is free
//! let listeners = vec![ListenerSpec { address, ..ListenerSpec::usual(Dialect::Lines) }];
//! let mut server = Server::bind(&Config { listeners, ..Config::default() })?;
//! let handle = server.handle();
//! let running = thread::spawn(move || server.run());
//!
//! // What waits in a channel is bounded: here 100 lines. The server never waits for a bot.
//! let (reporter, _) = handle.join("reporter", "#builds", 100)?;
//! let (_listener, heard) = handle.join("listener", "#builds", 100)?;
//! reporter.say("The build is green.")?;
//! let (from, text) = ("reporter".to_owned(), "The build is green.".to_owned());
//! let said = Said::Line { from, text };
//! assert!(heard.iter().any(|told| told == said));
//!
//! handle.stop();
//! running.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embedded.rs` makes lines of a web hook. The server takes the process's signals:
//! SIGTERM and SIGINT stop it, and not the program.

// Unit tests may take the time wherever they like.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod server;

pub mod handle;

pub mod turn;

pub mod hub;

pub mod dialect;

pub mod event;

pub mod author;

pub mod nickname;

pub mod order;

pub mod query;

pub mod rights;

pub mod sanction;

pub mod span;

pub mod text;

pub mod client;

pub mod archive;

pub mod config;

pub mod metrics;

pub mod proxy;

#[cfg(feature = "relay")]
pub mod relay;

mod chat;
mod delivery;
mod key;
mod net;
mod timers;
pub mod token;

pub use key::ConnectionKey;
pub use timers::Now;
