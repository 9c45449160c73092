//! How lines look on a terminal that knows colours, and which of them ring its bell.

use std::str::FromStr;

use super::{Room, ServerLine};

/// How lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Theme {
    /// Whether there are colours.
    pub color: bool,
    /// Whether each line stands behind its local time.
    pub time: bool,
    /// When to ring.
    pub bell: Bell,
}

/// The time where lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalTime {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: i64,
    /// Seconds by which local clocks are ahead of UTC.
    pub ahead_seconds: i32,
}

/// When to ring the terminal's bell. Each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bell {
    /// Never.
    Off,
    /// For a private message.
    Private,
    /// For a line that mentions us, too.
    #[default]
    Mention,
}

impl FromStr for Bell {
    type Err = String;

    /// # Errors
    /// A sentence that says what there is.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "private" => Ok(Self::Private),
            "mention" => Ok(Self::Mention),
            _ => Err("a bell is off, private or mention".to_owned()),
        }
    }
}

/// The styles, by the numbers that terminals have for them (SGR).
const DIM: &str = "2";
const REFUSED: &str = "31";
const PRIVATE: &str = "35";
const PRIVATE_TO_US: &str = "1;35";
const MENTION: &str = "1;33";
const NICKNAMES: [&str; 9] = ["32", "33", "34", "36", "92", "93", "94", "95", "96"];

impl Theme {
    /// A line from the server, or such a one of our own, as it is to be shown `now`; a bell that
    /// is to ring is in it. A line of the history is shown behind the time that it had.
    #[must_use]
    pub fn show(self, room: &Room, line: &str, now: LocalTime) -> String {
        let (mut minutes, mut bell) = (now.unix_seconds.div_euclid(60), Bell::Off);
        let shown = match ServerLine::parse(line) {
            ServerLine::Recalled { minutes: then, text } if self.time => {
                minutes = then.into();
                self.paint(DIM, text)
            }
            ServerLine::Notice(_) | ServerLine::Recalled { .. } => self.paint(DIM, line),
            ServerLine::Refused(_) => self.paint(REFUSED, line),
            ServerLine::Sent { .. } => self.paint(PRIVATE, line),
            ServerLine::Told { .. } => {
                bell = Bell::Private;
                self.paint(PRIVATE_TO_US, line)
            }
            ServerLine::Said { from, text } | ServerLine::Emoted { from, text } => {
                let head = &line[..line.len() - text.len()];
                let head = head.replacen(from, &self.nickname(from), 1);
                if room.me() != Some(from) && room.is_mentioned(text) {
                    bell = Bell::Mention;
                    head + &self.paint(MENTION, text)
                } else {
                    head + text
                }
            }
        };
        let local = (minutes + i64::from(now.ahead_seconds / 60)).rem_euclid(24 * 60);
        let time = self.paint(DIM, &format!("{:02}:{:02} ", local / 60, local % 60));
        let time = if self.time { &time } else { "" };
        let bell = if Bell::Off < bell && bell <= self.bell { "\x07" } else { "" };
        format!("{time}{shown}{bell}")
    }

    /// A nickname in the colour that it has wherever it is seen.
    fn nickname(self, name: &str) -> String {
        // FNV-1a: the colour must not depend on the machine, or on who else is there.
        let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        let hash = name.bytes().fold(2_166_136_261, mix);
        self.paint(NICKNAMES[hash as usize % NICKNAMES.len()], name)
    }

    fn paint(self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLORFUL: Theme = Theme { color: true, time: false, bell: Bell::Mention };
    const NOW: LocalTime = LocalTime { unix_seconds: 0, ahead_seconds: 0 };

    fn room() -> Room {
        let mut room = Room::default();
        room.hear("* You are alice. Here now: alice. Type /help for help.");
        room
    }

    #[test]
    fn without_colours_a_line_is_shown_as_it_is() {
        let plain = Theme { bell: Bell::Off, ..Theme::default() };
        let lines = [
            "* x",
            "! x",
            "[a -> you] x",
            "[you -> a] x",
            "[14:05] a: x",
            "a: alice",
            "** a x",
            "x",
        ];
        for line in lines {
            assert_eq!(plain.show(&room(), line, NOW), line);
        }
    }

    #[test]
    fn each_kind_of_line_has_its_look() {
        let show = |line| COLORFUL.show(&room(), line, NOW);
        let bob = COLORFUL.nickname("bob");
        assert_eq!(show("* x"), "\x1b[2m* x\x1b[0m");
        assert_eq!(show("[14:05] bob: hi alice"), "\x1b[2m[14:05] bob: hi alice\x1b[0m");
        assert_eq!(show("! x"), "\x1b[31m! x\x1b[0m");
        assert_eq!(show("[you -> bob] alice"), "\x1b[35m[you -> bob] alice\x1b[0m");
        assert_eq!(show("[bob -> you] x"), "\x1b[1;35m[bob -> you] x\x1b[0m\x07");
        assert_eq!(show("bob: bob"), format!("{bob}: bob"));
        assert_eq!(show("** bob waves"), format!("** {bob} waves"));
        assert_eq!(show("bob: hi alice"), format!("{bob}: \x1b[1;33mhi alice\x1b[0m\x07"));
        assert!(!show("alice: alice").contains("1;33"), "nobody mentions herself");
    }

    #[test]
    fn a_line_stands_behind_its_local_time() {
        let theme = Theme { color: false, time: true, bell: Bell::Off };
        let show = |line, unix_minutes: i64, ahead_minutes: i32| {
            let (unix_seconds, ahead_seconds) = (unix_minutes * 60 + 59, ahead_minutes * 60);
            theme.show(&room(), line, LocalTime { unix_seconds, ahead_seconds })
        };
        assert_eq!(show("bob: hi", 14 * 60 + 5, 0), "14:05 bob: hi");
        assert_eq!(show("* x", 23 * 60 + 59, 330), "05:29 * x");
        assert_eq!(show("! x", 29_000_000, -210), "17:50 ! x");
        assert_eq!(show("! x", -1, 0), "23:59 ! x");
        assert_eq!(show("[23:10] bob: hi", 0, 120), "01:10 bob: hi");
        let colorful = Theme { time: true, ..COLORFUL };
        assert_eq!(colorful.show(&room(), "x", NOW), "\x1b[2m00:00 \x1b[0m\x1b[2mx\x1b[0m");
    }

    #[test]
    fn a_nickname_always_has_the_same_colour_and_not_all_have_the_same() {
        assert_eq!(COLORFUL.nickname("alice"), "\x1b[93malice\x1b[0m");
        assert_ne!(COLORFUL.nickname("bob")[..5], COLORFUL.nickname("carol")[..5]);
    }

    #[test]
    fn the_bell_rings_when_it_is_to() {
        let rings = |bell: &str, line: &str| {
            let theme = Theme { bell: bell.parse().unwrap(), ..COLORFUL };
            theme.show(&room(), line, NOW).contains('\x07')
        };
        for (bell, private, mention) in
            [("off", false, false), ("private", true, false), ("mention", true, true)]
        {
            assert_eq!(rings(bell, "[bob -> you] hi"), private, "{bell}");
            assert_eq!(rings(bell, "bob: hi alice"), mention, "{bell}");
            assert_eq!(rings(bell, "** bob hugs alice"), mention, "{bell}");
            for line in ["bob: hi", "* alice left", "[you -> bob] alice", "[14:05] bob: alice"] {
                assert!(!rings(bell, line), "{bell}: {line}");
            }
        }
        assert!("loud".parse::<Bell>().is_err());
    }
}
