//! Sanctions: bans and mutes, whom they are for, and how long they last. What they keep people from
//! is the chat's business.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::nickname::Nickname;

/// The longest reason for what an operator does, in bytes.
pub const REASON_BYTES_MAX: usize = 256;

/// How long a sanction lasts if nobody says so, in seconds: an hour.
pub const USUAL_SECONDS: u64 = 60 * 60;

/// How long one can last that is not for ever, in seconds: a hundred years.
pub const SECONDS_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// What somebody may not do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanctionKind {
    /// Be here; or, if it is of a room, there.
    Ban,
    /// Say anything that others would be told.
    Mute,
}

impl SanctionKind {
    /// The word for it, as programs are told it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SanctionKind::Ban => "ban",
            SanctionKind::Mute => "mute",
        }
    }
}

/// Whom a sanction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever is logged in there.
    Account(Nickname),
    /// Whoever comes from there.
    Network(IpNet),
    /// Whoever has a name, a user and a host of this form, as IRC clients are told them; in small
    /// letters, with `*` for any text and `?` for any character.
    Mask(String),
}

impl Target {
    /// An address or a network, such as `192.0.2.7` or `2001:db8::/32`; `None` if it is neither.
    /// An IPv6 address stands for its /64, since that is one household's.
    #[must_use]
    pub fn network(text: &str) -> Option<Target> {
        let text = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Target::of_address(address));
        }
        let network = text.parse::<IpNet>().ok()?;
        // An IPv4 address that is written as IPv6 is that IPv4 address.
        let canonical = match (network.addr().to_canonical(), network.prefix_len()) {
            (IpAddr::V4(address), length) if matches!(network, IpNet::V6(_)) => {
                IpNet::new(IpAddr::V4(address), length.checked_sub(96)?).ok()?
            }
            _ => network,
        };
        Some(Target::Network(canonical.trunc()))
    }

    /// The block of an address: itself, or its /64.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Target {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { 32 } else { 64 };
        let network = IpNet::new(address, length).unwrap_or_else(|_| IpNet::from(address));
        Target::Network(network.trunc())
    }

    /// Reads what a [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Target> {
        if text.contains('!') {
            return Some(Target::Mask(text.to_owned()));
        }
        match text.contains('/') {
            true => Target::network(text),
            false => Nickname::parse(text).ok().map(Target::Account),
        }
    }

    /// Whether it is for whoever is logged in there and comes from there. A mask never is: it asks
    /// for more than that.
    #[must_use]
    pub fn hits(&self, account: Option<&Nickname>, address: IpAddr) -> bool {
        match self {
            Target::Account(name) => account.is_some_and(|account| account.same_as(name)),
            Target::Network(network) => network.contains(&address.to_canonical()),
            Target::Mask(_) => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Account(name) => name.fmt(f),
            Target::Network(network) => network.fmt(f),
            Target::Mask(mask) => mask.fmt(f),
        }
    }
}

/// What somebody may not do any more, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sanction {
    /// The number of the entry by which it came: nobody else's.
    pub id: u64,
    /// What.
    pub kind: SanctionKind,
    /// In which room, without `#`; everywhere, if in none.
    pub room: Option<String>,
    /// Who.
    pub target: Target,
    /// What they were called, or what was written instead of a name.
    pub whom: String,
    /// Who decided that.
    pub by: String,
    /// Why; perhaps empty, at most [`REASON_BYTES_MAX`].
    pub why: String,
    /// Since when, in seconds since 1970-01-01 00:00 UTC.
    pub at: u64,
    /// Until when; for ever, if there is no end.
    pub until: Option<u64>,
}

impl Sanction {
    /// Whether it was given for somebody of that name.
    #[must_use]
    pub fn is_for(&self, name: &Nickname) -> bool {
        let is_it = |other: &Nickname| other.same_as(name);
        match &self.target {
            Target::Account(account) if is_it(account) => true,
            _ => Nickname::parse(&self.whom).is_ok_and(|whom| is_it(&whom)),
        }
    }

    /// Whom it is for, as IRC clients are told it: `name!user@host`.
    #[must_use]
    pub fn mask(&self) -> String {
        mask_of(&self.target, &self.whom)
    }

    /// Whether it was given for a name or a mask: addresses are for operators of the server alone.
    #[must_use]
    pub fn is_for_a_name(&self) -> bool {
        Target::network(&self.whom).is_none()
    }

    /// Whether it still holds.
    #[must_use]
    pub fn is_on(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// As [`Sanction::mask`], of one for this target, given for `whom`.
#[must_use]
pub fn mask_of(target: &Target, whom: &str) -> String {
    match target {
        Target::Mask(mask) => mask.clone(),
        _ if whom.contains('!') => whom.to_owned(),
        Target::Network(_) if Target::network(whom).is_some() => format!("*!*@{whom}"),
        _ => format!("{whom}!*@*"),
    }
}

/// How long something lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many seconds.
    Seconds(u64),
    /// It has no end.
    Forever,
}

impl Span {
    /// The time when it ends that begins `now`.
    #[must_use]
    pub fn end(self, now: u64) -> Option<u64> {
        match self {
            Span::Seconds(seconds) => Some(now.saturating_add(seconds)),
            Span::Forever => None,
        }
    }
}

/// A span as people write it: a number with `s`, `m`, `h`, `d` or `w` behind it, such as `90m`, at
/// most [`SECONDS_MAX`]; or `forever`. `None` for anything else.
#[must_use]
pub fn parse_span(text: &str) -> Option<Span> {
    if text.eq_ignore_ascii_case("forever") {
        return Some(Span::Forever);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=SECONDS_MAX).contains(&seconds).then_some(Span::Seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit_and_never_too_long() {
        for (text, span) in [
            ("1h", Some(Span::Seconds(3600))),
            ("90M", Some(Span::Seconds(5400))),
            ("2w", Some(Span::Seconds(14 * 24 * 3600))),
            ("Forever", Some(Span::Forever)),
            ("36500d", Some(Span::Seconds(SECONDS_MAX))),
            ("36501d", None),
            ("18446744073709551615w", None),
            ("99999999999999999999s", None),
            ("0s", None),
            ("1", None),
            ("h", None),
            ("-1h", None),
            ("1 h", None),
            ("", None),
            ("1\u{e9}", None),
        ] {
            assert_eq!(parse_span(text), span, "{text}");
        }
        assert_eq!(Span::Seconds(u64::MAX).end(1), Some(u64::MAX));
    }

    #[test]
    fn an_address_stands_for_its_block() {
        for (text, target) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.7/120", Some("192.0.2.0/24")),
            ("[2001:db8::1]", Some("2001:db8::/64")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("192.0.2.7/33", None),
            ("192.0.2", None),
            ("alice", None),
        ] {
            let read = Target::network(text).map(|it| it.to_string());
            assert_eq!(read.as_deref(), target, "{text}");
            let again = target.and_then(Target::parse).map(|it| it.to_string());
            assert_eq!(again.as_deref(), target, "{text}");
        }
        let alice = Nickname::parse("alice").unwrap();
        assert_eq!(Target::parse("alice"), Some(Target::Account(alice)));
    }

    #[test]
    fn who_is_hit_is_who_is_logged_in_or_comes_from_there() {
        let name = |name: &str| Nickname::parse(name).unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let account = Target::Account(name("alice"));
        assert!(account.hits(Some(&name("ALICE")), address("192.0.2.1")));
        assert!(!account.hits(None, address("192.0.2.1")));
        let network = Target::network("192.0.2.0/24").unwrap();
        assert!(network.hits(None, address("::ffff:192.0.2.1")));
        assert!(network.hits(Some(&name("bob")), address("192.0.2.1")));
        assert!(!network.hits(None, address("192.0.3.1")));
        assert!(!network.hits(None, address("2001:db8::1")));
    }
}
