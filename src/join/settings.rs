//! What one can decide about how the client looks and when it calls: by flags, by the
//! configuration file, and by `/set`.

use clap::ValueEnum;

/// When to call whoever sits there. Each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Call {
    /// Never.
    Off,
    /// For a private message.
    Private,
    /// For a line that mentions us, too.
    #[default]
    Mention,
}

/// How notifications reach the desktop: by which of the two escape sequences for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notify {
    /// Not at all.
    Off,
    /// By the one that the terminal is known for.
    #[default]
    Auto,
    /// By OSC 9, as in iTerm2, `WezTerm` and Windows Terminal.
    Osc9,
    /// By OSC 777, as in foot, urxvt and Ghostty.
    Osc777,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    #[default]
    On,
    Off,
}

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        self == Switch::On
    }
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) color: Switch,
    pub(crate) time: Switch,
    pub(crate) presence: Switch,
    pub(crate) bell: Call,
    pub(crate) notify: Notify,
}

impl Settings {
    /// Sets one of them by its name.
    ///
    /// # Errors
    /// What there is, if that is none of them.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        fn parsed<T: ValueEnum>(name: &str, value: &str) -> Result<T, String> {
            T::from_str(value, true).map_err(|_| {
                let all = T::value_variants().iter().filter_map(T::to_possible_value);
                let all: Vec<_> = all.map(|it| it.get_name().to_owned()).collect();
                format!("/set {name} {}", all.join("|"))
            })
        }
        match name {
            "color" => self.color = parsed(name, value)?,
            "time" => self.time = parsed(name, value)?,
            "presence" => self.presence = parsed(name, value)?,
            "bell" => self.bell = parsed(name, value)?,
            "notify" => self.notify = parsed(name, value)?,
            _ => return Err("/set color|time|presence|bell|notify VALUE".to_owned()),
        }
        Ok(())
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn name<T: ValueEnum>(value: &T) -> String {
            value.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
        }
        let Settings { color, time, presence, bell, notify } = self;
        let (color, time, presence) = (name(color), name(time), name(presence));
        let (bell, notify) = (name(bell), name(notify));
        write!(f, "color {color}, time {time}, presence {presence}, bell {bell}, notify {notify}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_shown_and_what_cannot_be_is_refused() {
        let mut settings = Settings::default();
        for (name, value) in
            [("presence", "off"), ("bell", "private"), ("notify", "osc777"), ("time", "OFF")]
        {
            settings.set(name, value).unwrap();
        }
        let shown = "color on, time off, presence off, bell private, notify osc777";
        assert_eq!(settings.to_string(), shown);
        assert_eq!(settings.set("bell", "loud").unwrap_err(), "/set bell off|private|mention");
        assert!(settings.set("mood", "good").unwrap_err().contains("presence"));
    }
}
