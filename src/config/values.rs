//! Settings as people write them: `64K`, `0.5`, `30/3`, `lines=127.0.0.1:7711`. Each type here
//! parses what it formats.

use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Flood, KEEP_DAYS_MAX, Keep, ListenerSpec, Prelude};
use crate::dialect::UnknownDialect;
use crate::nickname::Nickname;

/// A number of bytes; `K` and `M` stand for KiB and MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// A time in seconds, perhaps with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

/// The pace of one talker as `LINES/SECONDS`, or `0` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(pub Option<Flood>);

/// Addresses as `10.0.0.0/8`, or one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

/// The name of a room, with or without the `#` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(pub Nickname);

/// For how long what was said is kept, everywhere or in one room: `90`, `forever`, `ops=30`. Days
/// may have a `d` behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepRule {
    /// Where; `None` for everywhere else.
    pub room: Option<Nickname>,
    /// For how long.
    pub keep: Keep,
}

/// Why a text is not a valid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not a [`Size`].
    Size,
    /// Not [`Seconds`].
    Seconds,
    /// Not a [`Pace`].
    Pace,
    /// Not a [`RoomName`].
    Room,
    /// Not a [`Network`].
    Network,
    /// Not a [`KeepRule`].
    Keep,
    /// A [`ListenerSpec`] with an unknown dialect.
    Dialect(UnknownDialect),
    /// A [`ListenerSpec`] with something else than `+tls` and `+proxy` after its dialect, or twice.
    Prelude,
    /// A [`ListenerSpec`] with something after the `=` that is not an address.
    Address,
}

impl FromStr for RoomName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<RoomName, ValueError> {
        let name = text.strip_prefix('#').unwrap_or(text);
        Nickname::parse(name).map(RoomName).map_err(|_| ValueError::Room)
    }
}

impl FromStr for KeepRule {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<KeepRule, ValueError> {
        let (room, keep) = match text.split_once('=') {
            Some((room, keep)) => (Some(room.parse::<RoomName>()?.0), keep),
            None => (None, text),
        };
        let days = keep.strip_suffix(['d', 'D']).unwrap_or(keep);
        let keep = match days.parse() {
            _ if keep.eq_ignore_ascii_case("forever") => Keep::Forever,
            Ok(days) if days <= KEEP_DAYS_MAX => Keep::Days(days),
            _ => return Err(ValueError::Keep),
        };
        Ok(KeepRule { room, keep })
    }
}

impl fmt::Display for KeepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(room) = &self.room {
            write!(f, "{room}=")?;
        }
        match self.keep {
            Keep::Days(days) => write!(f, "{days}"),
            Keep::Forever => f.write_str("forever"),
        }
    }
}

impl FromStr for Network {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Network, ValueError> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| alone()).map(Network).map_err(|_| ValueError::Network)
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Size, ValueError> {
        let (digits, unit) = match text.strip_suffix(['K', 'k']) {
            Some(digits) => (digits, 1 << 10),
            None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
        };
        let size = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(unit));
        size.map(Size).ok_or(ValueError::Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}M", bytes >> 20),
            bytes => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Seconds {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Seconds, ValueError> {
        let seconds = text.parse().ok().and_then(|text| Duration::try_from_secs_f64(text).ok());
        seconds.map(Seconds).ok_or(ValueError::Seconds)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

impl FromStr for Pace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Pace, ValueError> {
        if text == "0" {
            return Ok(Pace(None));
        }
        let flood = text.split_once('/').and_then(|(lines, seconds)| {
            Some(Flood { lines: lines.parse().ok()?, per: seconds.parse::<Seconds>().ok()?.0 })
        });
        flood.map(|flood| Pace(Some(flood))).ok_or(ValueError::Pace)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Flood { lines, per }) => write!(f, "{lines}/{}", Seconds(per)),
            None => f.write_str("0"),
        }
    }
}

impl FromStr for ListenerSpec {
    type Err = ValueError;

    /// A dialect, perhaps what comes before it, and where it is spoken if not at its usual address:
    /// `web`, `web+tls=0.0.0.0:8080`, `web=8080`, or an address for `lines`.
    fn from_str(text: &str) -> Result<ListenerSpec, ValueError> {
        let (dialect, address) = match text.split_once('=') {
            Some((dialect, address)) => (dialect, Some(address)),
            // An address alone is one for `lines`.
            None if text.parse::<SocketAddr>().is_ok() => ("lines", Some(text)),
            None => (text, None),
        };
        let mut parts = dialect.split('+');
        let dialect = parts.next().unwrap_or_default().parse().map_err(ValueError::Dialect)?;
        let mut prelude = Prelude::default();
        for part in parts {
            let wanted = match part {
                "tls" => &mut prelude.tls,
                "proxy" => &mut prelude.proxy,
                _ => return Err(ValueError::Prelude),
            };
            if mem::replace(wanted, true) {
                return Err(ValueError::Prelude);
            }
        }
        let usual = ListenerSpec::usual_after(dialect, prelude);
        let Some(address) = address else { return Ok(usual) };
        // A port alone is one of this machine.
        let address = match address.parse() {
            Ok(port) => SocketAddr::new(usual.address.ip(), port),
            Err(_) => address.parse().map_err(|_| ValueError::Address)?,
        };
        Ok(ListenerSpec { address, ..usual })
    }
}

impl fmt::Display for ListenerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.protocol(), self.address)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueError::Size => "a size is a number of bytes, as in 4096, 64K or 1M",
            ValueError::Seconds => "a time is a number of seconds, as in 30 or 0.5",
            ValueError::Pace => "a pace is LINES/SECONDS, as in 30/3, or just 0 for none",
            ValueError::Room => {
                "a room's name has 1 to 32 letters and digits, with - _ . inside, as in #ops"
            }
            ValueError::Network => "a network is as in 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7",
            ValueError::Keep => {
                "it is a number of days (at most 36500), 0 or forever, as in 90 or ops=30"
            }
            ValueError::Dialect(error) => return error.fmt(f),
            ValueError::Prelude => {
                "after a dialect may stand +tls and +proxy, each once, as in web+tls+proxy"
            }
            ValueError::Address => {
                "the address must be IP:PORT, as in 127.0.0.1:7711 or [::1]:7711"
            }
        })
    }
}

impl std::error::Error for ValueError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn sizes_times_and_paces_are_read_as_people_write_them() {
        assert_eq!("64K".parse(), Ok(Size(65536)));
        assert_eq!("1m".parse(), Ok(Size(1 << 20)));
        for wrong in ["", "K", "-1", "1G", "1.5M", "99999999999999999M"] {
            assert_eq!(wrong.parse::<Size>(), Err(ValueError::Size), "{wrong}");
        }
        assert_eq!("0.5".parse(), Ok(Seconds(Duration::from_millis(500))));
        for wrong in ["", "-1", "nan", "inf", "5s", "1e99"] {
            assert_eq!(wrong.parse::<Seconds>(), Err(ValueError::Seconds), "{wrong}");
        }
        assert_eq!("0".parse(), Ok(Pace(None)));
        let flood = Flood { lines: 30, per: Duration::from_millis(1500) };
        assert_eq!("30/1.5".parse(), Ok(Pace(Some(flood))));
        for wrong in ["", "30", "/", "x/3", "30/", "-1/3"] {
            assert_eq!(wrong.parse::<Pace>(), Err(ValueError::Pace), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_is_days_or_forever_and_perhaps_of_one_room() {
        let rule = |text: &str| text.parse::<KeepRule>().map(|rule| (rule.room, rule.keep));
        let ops = Nickname::parse("ops").ok();
        assert_eq!(rule("90"), Ok((None, Keep::Days(90))));
        assert_eq!(rule("Forever"), Ok((None, Keep::Forever)));
        assert_eq!(rule("#ops=30d"), Ok((ops.clone(), Keep::Days(30))));
        assert_eq!(rule("ops=0"), Ok((ops, Keep::Days(0))));
        for wrong in ["", "-1", "1.5", "36501", "d", "ops=", "ever", "ops=ops"] {
            assert_eq!(rule(wrong), Err(ValueError::Keep), "{wrong}");
        }
        assert_eq!(rule("a b=1"), Err(ValueError::Room));
        assert_eq!((Keep::Days(0).since(9), Keep::Forever.since(9)), (None, Some(0)));
        assert_eq!(Keep::Days(2).since(200_000), Some(27_200));
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in ["90", "0", "forever", "ops=30", "Ops=forever"] {
            assert_eq!(text.parse().map(|rule: KeepRule| rule.to_string()), Ok(text.to_owned()));
        }
        for bytes in [0, 1, 1023, 4096, 1 << 20, (1 << 20) + 1, 1 << 30, usize::MAX] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        for milliseconds in [0, 1, 500, 1500, 60_000] {
            let time = Duration::from_millis(milliseconds);
            assert_eq!(Seconds(time).to_string().parse(), Ok(Seconds(time)));
            let pace = Pace(Some(Flood { lines: 30, per: time }));
            assert_eq!(pace.to_string().parse(), Ok(pace));
        }
        assert_eq!(Pace(None).to_string().parse(), Ok(Pace(None)));
        for listener in Dialect::named().map(ListenerSpec::usual) {
            assert_eq!(listener.to_string().parse(), Ok(listener));
        }
    }

    #[test]
    fn a_listener_is_a_dialect_and_perhaps_an_address() {
        assert_eq!("lines".parse(), Ok(ListenerSpec::usual(Dialect::Lines)));
        let v6: ListenerSpec = "lines=[::1]:0".parse().unwrap();
        assert_eq!(v6.address, "[::1]:0".parse().unwrap());
        let listener: ListenerSpec = "nick=8080".parse().unwrap();
        assert_eq!(listener.address, "127.0.0.1:8080".parse().unwrap(), "a port alone");
        let listener: ListenerSpec = "0.0.0.0:7711".parse().unwrap();
        assert_eq!(listener.to_string(), "lines=0.0.0.0:7711", "an address alone");
        let listener: ListenerSpec = "lines+proxy+tls=[::]:1".parse().unwrap();
        assert_eq!(listener.to_string(), "lines+tls+proxy=[::]:1");
        for (text, port) in
            [("lines+tls", 7712), ("web+proxy", 7780), ("irc", 6667), ("irc+tls", 6697)]
        {
            let listener = text.parse::<ListenerSpec>();
            if cfg!(feature = "web") || !text.contains("web") {
                assert_eq!(listener.unwrap().address.port(), port, "{text}");
            }
        }
        for wrong in ["lines+", "lines+ssl=[::]:1", "lines+tls+tls", "lines+proxy+tls+proxy=1"] {
            assert_eq!(wrong.parse::<ListenerSpec>(), Err(ValueError::Prelude), "{wrong}");
        }
        for wrong in ["lines=", "lines=77110", "lines=localhost:7711"] {
            assert_eq!(wrong.parse::<ListenerSpec>(), Err(ValueError::Address), "{wrong}");
        }
        for wrong in ["", "=", "ftp", "Lines"] {
            let error = wrong.parse::<ListenerSpec>();
            assert_eq!(error, Err(ValueError::Dialect(UnknownDialect)), "{wrong}");
        }
    }
}
