//! What can be wrong with a [`Config`](super::Config), and the sentence that the operator sees.

use std::fmt;

use super::relay::LABEL_BYTES_MAX;
use super::{
    BACKLOG_BYTES, CLIENTS_MAX, DATAGRAM_LINE_BYTES_MAX, HISTORY_LINES_MAX, LINE_BYTES_MIN,
    LISTENERS_MAX, SECONDS_MAX, UNTERMINATED_BYTES_MAX,
};
use crate::dialect::Dialect;
use crate::nickname::NicknameError;

/// A setting whose value makes no sense, alone or together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No listener, or more than [`LISTENERS_MAX`].
    Listeners,
    /// No client, or more than [`CLIENTS_MAX`].
    ClientsMax,
    /// A line of fewer bytes than [`LINE_BYTES_MIN`] or more than [`UNTERMINATED_BYTES_MAX`].
    LineBytesMax,
    /// A line of more than [`DATAGRAM_LINE_BYTES_MAX`] bytes, with a listener on UDP.
    DatagramLineBytesMax,
    /// A backlog outside [`BACKLOG_BYTES`].
    BacklogBytesMax,
    /// No time at all, or more than [`SECONDS_MAX`].
    NickTimeout,
    /// No time at all, or more than [`SECONDS_MAX`].
    StallTimeout,
    /// No time at all, or more than [`SECONDS_MAX`].
    UdpExpiry,
    /// More than [`SECONDS_MAX`].
    Drain,
    /// More than [`SECONDS_MAX`].
    ResumeGrace,
    /// The console's name is not a valid nickname.
    ConsoleName(NicknameError),
    /// This is not the name of a host.
    #[cfg(feature = "web")]
    AllowedHost(String),
    /// This is not the origin of a page.
    #[cfg(feature = "web")]
    AllowedOrigin(String),
    /// This dialect cannot ask for the password.
    ClassicOpen(Dialect),
    /// Nobody can log in by this dialect, and everybody must.
    ClassicAccounts(Dialect),
    /// Everybody must have an account, and there is no archive for accounts.
    AccountsWithoutData,
    /// Operators with passwords, in a program that cannot try them.
    OperatorsNotBuilt,
    /// Rooms are to be shared, in a program that cannot do so.
    RelayNotBuilt,
    /// A server that shares its rooms cannot be called so.
    RelayName,
    /// The engine is to be spoken to within TLS, and nobody says whom to trust; or the other way
    /// round.
    RelayCa,
    /// Rooms are to be shared and to be kept in a file.
    RelayWithData,
    /// The password is longer than a line may be.
    PasswordBytes,
    /// No connection from any address.
    PerAddressMax,
    /// More than [`HISTORY_LINES_MAX`].
    HistoryLinesMax,
    /// No connections, no time, or more than [`SECONDS_MAX`].
    Connects,
    /// No room, or fewer than there are always.
    RoomsMax,
    /// No lines, no time, or more than [`SECONDS_MAX`].
    Flood,
    /// Something is to come before a dialect that has no connections.
    DatagramPrelude,
    /// A listener with TLS, or a certificate, in a program without TLS.
    TlsNotBuilt,
    /// An archive, in a program without it.
    DataNotBuilt,
    /// Not as many keys as certificates.
    TlsPairs,
    /// A listener with TLS, and no certificate.
    NoCertificate,
}

impl fmt::Display for ConfigError {
    /// One sentence without its full stop, which names the flag and its bounds.
    #[expect(clippy::too_many_lines, reason = "a table of sentences")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |f: &mut fmt::Formatter<'_>, flag| {
            write!(f, "{flag} must be more than 0 and at most {SECONDS_MAX} seconds")
        };
        match self {
            ConfigError::Listeners => {
                write!(f, "--listen must be given at least once, and at most {LISTENERS_MAX} times")
            }
            ConfigError::ClientsMax => {
                write!(f, "--max-clients must be between 1 and {CLIENTS_MAX}")
            }
            ConfigError::LineBytesMax => write!(
                f,
                "--max-line must be between {LINE_BYTES_MIN} and {UNTERMINATED_BYTES_MAX} bytes"
            ),
            ConfigError::DatagramLineBytesMax => {
                write!(
                    f,
                    "--max-line must be at most {DATAGRAM_LINE_BYTES_MAX} where UDP is spoken"
                )
            }
            ConfigError::BacklogBytesMax => {
                let (least, most) = (BACKLOG_BYTES.start() >> 10, BACKLOG_BYTES.end() >> 20);
                write!(f, "--backlog must be between {least}K and {most}M")
            }
            ConfigError::NickTimeout => time(f, "--nick-timeout"),
            ConfigError::StallTimeout => time(f, "--stall-timeout"),
            ConfigError::UdpExpiry => time(f, "--udp-expiry"),
            ConfigError::Drain => write!(f, "--drain must be at most {SECONDS_MAX} seconds"),
            ConfigError::ResumeGrace => {
                write!(f, "--resume-grace must be at most {SECONDS_MAX} seconds")
            }
            ConfigError::ConsoleName(error) => {
                write!(f, "--console cannot have that name: {error}")
            }
            #[cfg(feature = "web")]
            ConfigError::AllowedHost(host) => {
                write!(f, "--allow-host must be a name, as in chat.example.com, not {host}")
            }
            #[cfg(feature = "web")]
            ConfigError::AllowedOrigin(origin) => write!(
                f,
                "--allow-origin must be http or https, a host and perhaps a port, as in \
                 https://chat.example.com or http://chat.example.com:8080, not {origin}"
            ),
            ConfigError::ClassicOpen(dialect) => write!(
                f,
                "{dialect} cannot ask for the password; leave it out, or let everybody in there \
                 with --classic-open"
            ),
            ConfigError::ClassicAccounts(dialect) => write!(
                f,
                "nobody can log in at {dialect}, as --accounts required wants; leave it out, or \
                 let everybody in there with --classic-open"
            ),
            ConfigError::AccountsWithoutData => {
                f.write_str("--accounts required needs --data, where accounts are kept, or --relay")
            }
            ConfigError::OperatorsNotBuilt => f.write_str(
                "passwords of operators are not built in; build with --features data, or leave \
                 out [operators]",
            ),
            ConfigError::RelayNotBuilt => f.write_str(
                "the relay is not built in; build with --features relay, or leave out --relay",
            ),
            ConfigError::RelayName => write!(
                f,
                "--relay needs a --relay-name of its own for each server, of 1 to \
                 {LABEL_BYTES_MAX} letters, digits, - and _"
            ),
            ConfigError::RelayCa => {
                f.write_str("--relay rediss://… and --relay-ca FILE go together: give both or none")
            }
            ConfigError::RelayWithData => {
                f.write_str("--relay and --data cannot be used together yet: leave out one of them")
            }
            ConfigError::PasswordBytes => {
                f.write_str("--max-line must not be less than the password has bytes")
            }
            ConfigError::PerAddressMax => f.write_str("--max-per-ip must be at least 1"),
            ConfigError::HistoryLinesMax => {
                write!(f, "--history must be at most {HISTORY_LINES_MAX} lines")
            }
            ConfigError::Connects => f.write_str(
                "--connects must be NUMBER/SECONDS, both more than 0, or just 0 for no limit",
            ),
            ConfigError::RoomsMax => f.write_str(
                "--max-rooms must be at least the number of rooms that are always there",
            ),
            ConfigError::DatagramPrelude => {
                f.write_str("+tls and +proxy need TCP; --listen datagram is over UDP")
            }
            ConfigError::TlsNotBuilt => f.write_str(
                "TLS is not built in; build with --features tls, or leave out +tls and --tls-cert",
            ),
            ConfigError::DataNotBuilt => f.write_str(
                "the archive is not built in; build with --features data, or leave out --data",
            ),
            ConfigError::TlsPairs => f.write_str(
                "each --tls-cert needs its --tls-key, and each --tls-key its --tls-cert",
            ),
            ConfigError::NoCertificate => f.write_str(
                "a listener with +tls needs --tls-cert and --tls-key; chinwag make-cert makes both",
            ),
            ConfigError::Flood => {
                f.write_str("--flood must be LINES/SECONDS, both more than 0, or just 0 for none")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
