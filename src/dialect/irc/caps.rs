//! Capabilities: what a client may ask for beyond the plain protocol (ircv3.net), and which of them
//! change how what everybody is told is written.

use super::numeric::Lines;

/// The number behind a capability's name and what it stands for.
macro_rules! capabilities {
    ($($name:ident = $bit:literal $text:literal,)+) => {
        impl Caps {
            $(pub(crate) const $name: Caps = Caps(1 << $bit);)+

            /// All of them, with their names.
            const ALL: &[(&str, Caps)] = &[$(($text, Caps::$name)),+];
        }
    };
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caps(u32);

// The first nine are those by which broadcasts differ; `Encoding` is made of them.
capabilities! {
    SERVER_TIME = 0 "server-time",
    MESSAGE_TAGS = 1 "message-tags",
    ACCOUNT_TAG = 2 "account-tag",
    EXTENDED_JOIN = 3 "extended-join",
    AWAY_NOTIFY = 4 "away-notify",
    ACCOUNT_NOTIFY = 5 "account-notify",
    SETNAME = 6 "setname",
    INVITE_NOTIFY = 7 "invite-notify",
    MULTILINE = 8 "draft/multiline",
    ECHO_MESSAGE = 9 "echo-message",
    MULTI_PREFIX = 10 "multi-prefix",
    USERHOST_IN_NAMES = 11 "userhost-in-names",
    BATCH = 12 "batch",
    CAP_NOTIFY = 13 "cap-notify",
    LABELED_RESPONSE = 14 "labeled-response",
    STANDARD_REPLIES = 15 "standard-replies",
    EXTENDED_MONITOR = 16 "extended-monitor",
    CHATHISTORY = 17 "draft/chathistory",
    EVENT_PLAYBACK = 18 "draft/event-playback",
    READ_MARKER = 19 "draft/read-marker",
    SASL = 20 "sasl",
}

/// Bytes and lines that one message of several lines may have.
pub(crate) const MULTILINE_BYTES_MAX: usize = 4096;
pub(crate) const MULTILINE_LINES_MAX: usize = 24;

/// What a client has asked for, as far as it decides how something is written that all are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding(u16);

impl Encoding {
    /// As whoever has asked for nothing is told it.
    pub const PLAIN: Encoding = Encoding(0);

    pub(crate) fn has(self, cap: Caps) -> bool {
        u32::from(self.0) & cap.0 != 0
    }
}

impl Caps {
    pub(crate) fn has(self, cap: Caps) -> bool {
        self.0 & cap.0 != 0
    }

    pub(crate) fn encoding(self) -> Encoding {
        // A message of several lines comes in a batch.
        let without = if self.has(Caps::BATCH) { 0 } else { Caps::MULTILINE.0 };
        let [low, high, ..] = (self.0 & !without).to_le_bytes();
        Encoding(u16::from_le_bytes([low, high & 1]))
    }

    fn set(&mut self, cap: Caps, on: bool) {
        self.0 = if on { self.0 | cap.0 } else { self.0 & !cap.0 };
    }

    pub(crate) fn wants_echo(self) -> bool {
        self.has(Caps::ECHO_MESSAGE)
    }

    /// Those of these that there are: without accounts there is no SASL.
    fn named(name: &str, has_accounts: bool) -> Option<Caps> {
        let found = Caps::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, cap)| *cap).filter(|cap| has_accounts || *cap != Caps::SASL)
    }

    /// Does what is asked for in words such as `batch -echo-message`: all of it or nothing. Returns
    /// whether it is done.
    pub(crate) fn request(&mut self, words: &str, has_accounts: bool) -> bool {
        let mut wanted = *self;
        for word in words.split_ascii_whitespace() {
            let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            let Some(cap) = Caps::named(name, has_accounts) else { return false };
            wanted.set(cap, on);
        }
        *self = wanted;
        true
    }

    /// The names of these, as `CAP LIST` tells them.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        let all = Caps::ALL.iter().filter(move |(_, cap)| self.has(*cap));
        all.map(|(name, _)| (*name).to_owned())
    }

    /// The names of all that there are, as `CAP LS` tells them; with what belongs to them, to those
    /// who understand that.
    pub(crate) fn all(has_accounts: bool, with_values: bool) -> impl Iterator<Item = String> {
        let all = Caps::ALL.iter().filter(move |(_, cap)| has_accounts || *cap != Caps::SASL);
        all.map(move |(name, cap)| match *cap {
            Caps::SASL if with_values => format!("{name}=PLAIN"),
            Caps::MULTILINE if with_values => {
                format!("{name}=max-bytes={MULTILINE_BYTES_MAX},max-lines={MULTILINE_LINES_MAX}")
            }
            _ => (*name).to_owned(),
        })
    }
}

/// Tells names of capabilities in as many lines as they need; only who has said `CAP LS 302` may be
/// told several.
pub(crate) fn tell(
    out: &mut Vec<u8>,
    (nick, what, several): (&str, &str, bool),
    names: impl Iterator<Item = String>,
) {
    let mut lines = Lines::new(|is_last| {
        let more = if is_last { "" } else { "* " };
        format!(":{} CAP {nick} {what} {more}:", super::SERVER)
    });
    if !several {
        lines = lines.unbounded();
    }
    names.for_each(|name| lines.push(&name, out));
    lines.finish(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_done_whole_or_not_at_all() {
        let mut caps = Caps::default();
        assert!(caps.request("batch server-time", true));
        assert!(!caps.request("-batch echo-message nonsense", true));
        assert!(caps.has(Caps::BATCH) && !caps.has(Caps::ECHO_MESSAGE));
        assert!(caps.request("-batch sasl", true) && !caps.has(Caps::BATCH));
        assert!(!caps.request("-server-time sasl", false), "without accounts");
        assert_eq!(caps.names().collect::<Vec<_>>(), ["server-time", "sasl"]);
    }

    #[test]
    fn only_what_changes_broadcasts_makes_another_encoding() {
        let mut caps = Caps::default();
        assert!(caps.request("echo-message batch labeled-response draft/chathistory", true));
        assert_eq!(caps.encoding(), Encoding::PLAIN);
        assert!(caps.request("server-time", true));
        assert!(caps.encoding().has(Caps::SERVER_TIME));
        assert!(!caps.encoding().has(Caps::MESSAGE_TAGS));
    }

    #[test]
    fn long_lists_are_several_lines_for_those_who_can_take_them() {
        let told = |several| {
            let mut out = Vec::new();
            let names = (0..100).map(|number| format!("draft/number-{number}"));
            tell(&mut out, ("*", "LS", several), names);
            String::from_utf8(out).unwrap()
        };
        let lines = told(true);
        let lines: Vec<_> = lines.split_terminator("\r\n").collect();
        assert!(lines.len() > 3 && lines.iter().all(|line| line.len() <= 510));
        let (last, others) = lines.split_last().unwrap();
        assert!(others.iter().all(|line| line.starts_with(":irc.chinwag CAP * LS * :draft/")));
        assert!(last.starts_with(":irc.chinwag CAP * LS :draft/"));
        assert_eq!(told(false).matches("\r\n").count(), 1);
    }
}
