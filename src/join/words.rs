//! What the client says itself, in each language. What the server says comes in both.

/// The languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// What these variables ask for, in the order of POSIX: `LC_ALL`, `LC_MESSAGES`, `LANG`.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Lang {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        if set.is_some_and(|value| value.starts_with("zh")) { Lang::Zh } else { Lang::En }
    }

    /// The one of these that is in this language.
    pub(crate) fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }

    /// Names, one after the other.
    pub(crate) fn listed(self, names: &[String]) -> String {
        names.join(self.pick(", ", "、"))
    }

    pub(crate) fn welcome(self, me: &str, room: &str, here: &[String]) -> String {
        let here = self.listed(here);
        self.pick(
            format!("You are {me}, in {room}. Here now: {here}."),
            format!("您是 {me},在 {room}。现在在这里:{here}。"),
        )
    }

    pub(crate) fn renamed(self, old: &str, new: &str) -> String {
        self.pick(format!("{old} is now {new}"), format!("{old} 改名为 {new}"))
    }

    pub(crate) fn members(self, names: &[String], count: usize) -> String {
        let more = count.saturating_sub(names.len());
        let mut told = self.pick(format!("{count} here: "), format!("{count} 人在这里:"));
        told += &self.listed(names);
        if more > 0 {
            told += &self.pick(format!(" and {more} more"), format!(" 等,另有 {more} 人"));
        }
        told
    }

    pub(crate) fn topic(self, text: &str, by: Option<&str>) -> String {
        match (text, by) {
            ("", _) => self.pick("This room has no topic.", "这个房间没有话题。").to_owned(),
            (text, Some(by)) => {
                self.pick(format!("Topic: {text} (by {by})"), format!("话题:{text}({by})"))
            }
            (text, None) => self.pick(format!("Topic: {text}"), format!("话题:{text}")),
        }
    }

    pub(crate) fn invited(self, from: &str, room: &str) -> String {
        self.pick(
            format!("{from} invites you to {room}: /join {room}"),
            format!("{from} 邀请您到 {room}:/join {room}"),
        )
    }

    pub(crate) fn parted(self, room: &str) -> String {
        self.pick(format!("You have left {room}."), format!("您已离开 {room}。"))
    }

    pub(crate) fn stopping(self) -> &'static str {
        self.pick("The server is stopping.", "服务器正在停止。")
    }

    pub(crate) fn goodbye(self) -> &'static str {
        self.pick("Goodbye.", "再见。")
    }

    pub(crate) fn came(self, names: &str) -> String {
        self.pick(format!("{names} joined"), format!("{names} 加入了聊天"))
    }

    pub(crate) fn went(self, names: &str) -> String {
        self.pick(format!("{names} left"), format!("{names} 离开了聊天"))
    }

    pub(crate) fn came_and_went(self, names: &str) -> String {
        self.pick(format!("{names} joined and left"), format!("{names} 加入后又离开"))
    }

    pub(crate) fn went_and_came(self, names: &str) -> String {
        self.pick(format!("{names} left and came back"), format!("{names} 离开后又回来"))
    }

    pub(crate) fn and_others(self, count: usize) -> String {
        self.pick(format!(" and {count} others"), format!("等另外 {count} 人"))
    }

    pub(crate) fn here(self, count: usize) -> String {
        self.pick(format!("({count} here)"), format!("({count} 人)"))
    }

    /// Lines that stood behind one that could not be said.
    pub(crate) fn not_said(self, count: usize) -> String {
        self.pick(
            format!("{count} more lines were not said."),
            format!("还有 {count} 行没有发送。"),
        )
    }

    pub(crate) fn nothing_found(self) -> &'static str {
        self.pick("Nothing was found.", "没有找到。")
    }

    pub(crate) fn missed(self, count: usize) -> String {
        self.pick(format!("{count} missed"), format!("错过 {count} 条"))
    }

    pub(crate) fn gap(self, is_kept: bool) -> &'static str {
        if is_kept {
            return self.pick("more was missed: /history 1000", "错过了更多:/history 1000");
        }
        self.pick("more was missed than the server has", "错过的比服务器保存的更多")
    }

    pub(crate) fn new_ones(self) -> &'static str {
        self.pick("new", "新消息")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_environment() {
        let of = |set: &[(&str, &str)]| {
            Lang::of(|name| {
                set.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Lang::En);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
        assert_eq!(of(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")]), Lang::En);
        assert_eq!(of(&[("LC_ALL", ""), ("LANG", "zh_TW")]), Lang::Zh);
    }
}
