//! What is told of order, in words: rights, bans, accounts and operators. The phrases of both
//! languages stand here side by side; `{}` is the place of a name, a number or a list, as in
//! [`phrases`](super::phrases).

use super::phrases::{Part, Phrases, WELCOME_MAX, fill};
use super::{About, Reader};
use crate::nickname::Nickname;
use crate::order::{AccountEvent, ActView, Occurrence, Removal, WhoisPrivate, WhoisView};
use crate::rights::{Flag, Rank, Rights, Setting};
use crate::sanction::{Sanction, SanctionKind, Target};
use crate::text::day_of;

/// The phrases of one language.
#[derive(Debug)]
pub(crate) struct OrderPhrases {
    pub(crate) account_asked: &'static str,
    registered: &'static str,
    logged_in: &'static str,
    logged_out: &'static str,
    password_set: &'static str,
    unregistered: &'static str,
    operator: &'static str,
    name_lost: &'static str,
    ranks: [&'static str; 3],
    ranked_by: &'static str,
    ranked: &'static str,
    set: &'static str,
    on: &'static str,
    off: &'static str,
    settings: &'static str,
    flags: [&'static str; 5],
    has_key: &'static str,
    has_limit: &'static str,
    nothing_set: &'static str,
    operators: &'static str,
    voiced: &'static str,
    removed: [&'static str; 3],
    you_removed: [&'static str; 3],
    you_off: [&'static str; 3],
    you_banned: &'static str,
    banned: &'static str,
    muted: &'static str,
    unbanned: &'static str,
    unmuted: &'static str,
    sanction_line: &'static str,
    an_address: &'static str,
    no_sanctions: &'static str,
    hits: &'static str,
    hits_some: &'static str,
    hits_nobody: &'static str,
    say_yes: &'static str,
    say_yes_really: &'static str,
    locked: &'static str,
    locked_age: &'static str,
    unlocked: &'static str,
    slowed: &'static str,
    unslowed: &'static str,
    announced: &'static str,
    no_acts: &'static str,
    whois: &'static str,
    whois_account: &'static str,
    whois_no_account: &'static str,
    whois_operator: &'static str,
    whois_rooms: &'static str,
    whois_private: &'static str,
    reloading: &'static str,
    alarm: &'static str,
    until: &'static str,
    forever: &'static str,
    because: &'static str,
}

/// A time as people read it: `2026-11-27 14:05 (UTC)`.
pub(super) fn when(unix_seconds: u64) -> String {
    let (hour, minute) = (unix_seconds / 3600 % 24, unix_seconds / 60 % 60);
    format!("{} {hour:02}:{minute:02} (UTC)", day_of(unix_seconds))
}

/// A phrase with its places filled, as a text.
fn filled(phrase: &str, parts: &[Part<'_>]) -> String {
    let mut out = Vec::new();
    fill(&mut out, phrase, parts);
    // Phrases and what fills them are UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

impl OrderPhrases {
    /// How long something holds, with a space before it.
    fn end(&self, until: Option<u64>) -> String {
        match until {
            Some(until) => filled(self.until, &[Part::Text(&when(until))]),
            None => self.forever.to_owned(),
        }
    }

    /// A reason, with what leads to it; nothing, if there is none.
    fn reason(&self, why: &str) -> String {
        if why.is_empty() { String::new() } else { filled(self.because, &[Part::Text(why)]) }
    }

    fn rank(&self, rank: Option<Rank>) -> &'static str {
        match rank {
            Some(Rank::Operator | Rank::VoicedOperator) => self.ranks[0],
            Some(Rank::Voice) => self.ranks[1],
            None => self.ranks[2],
        }
    }

    /// What was set, as a word and a value.
    fn setting(&self, setting: &Setting) -> String {
        let on_off = |on: bool| if on { self.on } else { self.off };
        let (word, value) = match setting {
            Setting::Flag(flag, on) => (flag.word(), on_off(*on).to_owned()),
            Setting::Key(key) => ("key", on_off(key.is_some()).to_owned()),
            Setting::Limit(None) => ("limit", self.off.to_owned()),
            Setting::Limit(Some(limit)) => ("limit", limit.to_string()),
        };
        format!("{word} {value}")
    }

    /// All that is set.
    fn all_settings(&self, rights: &Rights) -> String {
        let flags = Flag::ALL.into_iter().zip(self.flags);
        let mut words: Vec<_> = flags
            .filter(|(flag, _)| rights.has(*flag))
            .map(|(_, words)| words.to_owned())
            .collect();
        if rights.key.is_some() {
            words.push(self.has_key.to_owned());
        }
        if let Some(limit) = rights.limit {
            words.push(filled(self.has_limit, &[Part::Count(limit as usize)]));
        }
        if words.is_empty() { self.nothing_set.to_owned() } else { words.join("; ") }
    }
}

/// Tells, between `start` and `end` for each line, what is about order.
pub(super) fn tell(
    reader: &Reader<'_>,
    occurrence: &Occurrence<'_>,
    (start, end): (&str, &str),
    out: &mut Vec<u8>,
) {
    use Part::{Count, Text};
    let words = &reader.phrases.order;
    let room = Text(reader.room());
    let mut line = |phrase: &str, parts: &[Part<'_>]| {
        out.extend_from_slice(start.as_bytes());
        fill(out, phrase, parts);
        out.extend_from_slice(end.as_bytes());
    };
    match *occurrence {
        Occurrence::Account { name, event, .. } => {
            let (phrase, part) = account(words, event, name);
            line(phrase, &[part, Text(name)]);
        }
        Occurrence::Ranked { name, rank, by: "", .. } => {
            line(words.ranked, &[Text(name), Text(words.rank(rank)), room]);
        }
        Occurrence::Ranked { name, rank, by, .. } => {
            line(words.ranked_by, &[Text(by), Text(name), Text(words.rank(rank)), room]);
        }
        Occurrence::Set { setting, by } => {
            line(words.set, &[Text(by), room, Text(&words.setting(setting))]);
        }
        Occurrence::Settings { rights, ranks } => tell_settings(reader, (rights, ranks), &mut line),
        Occurrence::Removed { name, how, by, why, count, .. } => {
            let parts = [Text(name), Text(by), Text(&words.reason(why)), Count(count)];
            line(words.removed[how as usize], &parts);
        }
        Occurrence::Sanctioned(sanction, by) => tell_sanctioned(words, sanction, by, &mut line),
        Occurrence::Lifted { kind, whom, by, .. } => {
            let phrase = match kind {
                SanctionKind::Ban => words.unbanned,
                SanctionKind::Mute => words.unmuted,
            };
            line(phrase, &[Text(by), Text(whom)]);
        }
        Occurrence::Sanctions { told: [], .. } => line(words.no_sanctions, &[]),
        Occurrence::Sanctions { told, with_targets } => {
            told.iter().for_each(|it| tell_sanction(words, it, with_targets, &mut line));
        }
        Occurrence::Hits { names, count, is_dangerous } => {
            match count {
                0 => line(words.hits_nobody, &[]),
                _ if names.is_empty() => line(words.hits_some, &[Count(count)]),
                _ => line(words.hits, &[listed(reader.phrases, names, count)]),
            }
            line(if is_dangerous { words.say_yes_really } else { words.say_yes }, &[]);
        }
        Occurrence::Locked(by, None) => line(words.locked, &[Text(by)]),
        Occurrence::Locked(by, Some(age)) => {
            line(words.locked_age, &[Text(by), Count(age.try_into().unwrap_or(usize::MAX))]);
        }
        Occurrence::Unlocked(by) => line(words.unlocked, &[Text(by)]),
        Occurrence::Slowed(by, seconds) => {
            line(words.slowed, &[Text(by), Count(seconds as usize)]);
        }
        Occurrence::Unslowed(by) => line(words.unslowed, &[Text(by)]),
        Occurrence::Announced { by, text } => line(words.announced, &[Text(by), Text(text)]),
        Occurrence::Acts([]) => line(words.no_acts, &[]),
        Occurrence::Acts(acts) => acts.iter().for_each(|act| line("{}", &[Text(&act_line(act))])),
        Occurrence::Whois(view) => tell_whois(words, &view, &mut line),
        Occurrence::Reloading => line(words.reloading, &[]),
        Occurrence::Alarm(what) => line(words.alarm, &[Text(what)]),
        Occurrence::YouRemoved { .. } | Occurrence::YouBanned(_) => {}
    }
}

/// Tells somebody that they were put out or may not come in: as a refusal. Returns whether it was
/// that.
pub(super) fn tell_reader(
    reader: &Reader<'_>,
    occurrence: &Occurrence<'_>,
    (start, end): (&str, &str),
    out: &mut Vec<u8>,
) -> bool {
    let words = &reader.phrases.order;
    let told = match *occurrence {
        Occurrence::YouRemoved { how, by, why, .. } => {
            let why = words.reason(why);
            match *reader.about {
                About { room: Some(room), .. } => {
                    let parts = [Part::Text(room), Part::Text(by), Part::Text(&why)];
                    filled(words.you_removed[how as usize], &parts)
                }
                _ => filled(words.you_off[how as usize], &[Part::Text(by), Part::Text(&why)]),
            }
        }
        Occurrence::YouBanned(ban) => {
            let (until, why) = (words.end(ban.until), words.reason(&ban.why));
            filled(words.you_banned, &[Part::Text(&until), Part::Text(&why)])
        }
        _ => return false,
    };
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(told.as_bytes());
    out.extend_from_slice(end.as_bytes());
    true
}

/// What is told of an account, and what comes first in it.
fn account<'a>(
    words: &OrderPhrases,
    event: AccountEvent<'a>,
    name: &'a str,
) -> (&'static str, Part<'a>) {
    let phrase = match event {
        AccountEvent::Registered => words.registered,
        AccountEvent::LoggedIn => words.logged_in,
        AccountEvent::LoggedOut => words.logged_out,
        AccountEvent::PasswordSet => words.password_set,
        AccountEvent::Unregistered => words.unregistered,
        AccountEvent::Operator => words.operator,
        AccountEvent::NameLost(old) => return (words.name_lost, Part::Text(old)),
    };
    (phrase, Part::Text(name))
}

/// Tells what is set for a room, and who has a rank there.
fn tell_settings(
    reader: &Reader<'_>,
    (rights, ranks): (&Rights, &[(Nickname, Rank)]),
    line: &mut impl FnMut(&str, &[Part<'_>]),
) {
    let words = &reader.phrases.order;
    let set = words.all_settings(rights);
    line(words.settings, &[Part::Text(reader.room()), Part::Text(&set)]);
    for (rank, phrase) in [(Rank::Operator, words.operators), (Rank::Voice, words.voiced)] {
        let names = marked(ranks, rank);
        if !names.is_empty() {
            line(phrase, &[listed(reader.phrases, &names, names.len())]);
        }
    }
}

/// A ban or a mute in the list of them: `mute bob (192.0.2.7/32) until …, by alice: spam`.
fn tell_sanction(
    words: &OrderPhrases,
    it: &Sanction,
    with_target: bool,
    line: &mut impl FnMut(&str, &[Part<'_>]),
) {
    use Part::Text;
    let target = it.target.to_string();
    let whom = match (with_target, Target::network(&it.whom).is_some()) {
        // Addresses are for operators of the server alone.
        (false, true) => words.an_address.to_owned(),
        (true, false) if target != it.whom => format!("{} ({target})", it.whom),
        _ => it.whom.clone(),
    };
    let (end, why) = (words.end(it.until), words.reason(&it.why));
    let parts = [Text(it.kind.word()), Text(&whom), Text(&end), Text(&it.by), Text(&why)];
    line(words.sanction_line, &parts);
}

fn tell_sanctioned(
    words: &OrderPhrases,
    sanction: &Sanction,
    by: &str,
    line: &mut impl FnMut(&str, &[Part<'_>]),
) {
    use Part::Text;
    let phrase = match sanction.kind {
        SanctionKind::Ban => words.banned,
        SanctionKind::Mute => words.muted,
    };
    let (end, why) = (words.end(sanction.until), words.reason(&sanction.why));
    line(phrase, &[Text(by), Text(&sanction.whom), Text(&end), Text(&why)]);
}

fn tell_whois(
    words: &OrderPhrases,
    view: &WhoisView<'_>,
    line: &mut impl FnMut(&str, &[Part<'_>]),
) {
    use Part::{Count, Text};
    let WhoisView { name, account, is_operator, rooms, private } = *view;
    let mut known = vec![match account {
        Some(account) => filled(words.whois_account, &[Text(account)]),
        None => words.whois_no_account.to_owned(),
    }];
    if is_operator {
        known.push(words.whois_operator.to_owned());
    }
    if !rooms.is_empty() {
        known.push(filled(words.whois_rooms, &[Text(&rooms.join(", "))]));
    }
    if let Some(WhoisPrivate { address, listener, idle }) = private {
        let idle = Count(idle.try_into().unwrap_or(usize::MAX));
        let address = address.to_string();
        known.push(filled(words.whois_private, &[Text(&address), Text(listener), idle]));
    }
    line(words.whois, &[Text(name), Text(&known.join("; "))]);
}

/// What an operator did: `2026-11-27 14:05 (UTC) alice: ban bob until … in #ops: spam`. It is the
/// same in every language, as in the log.
fn act_line(act: &ActView<'_>) -> String {
    let ActView { at, event, by, whom, room, why, until } = *act;
    let mut line = format!("{} {by}: {event}", when(at));
    if !whom.is_empty() {
        line += &format!(" {whom}");
    }
    if let Some(room) = room {
        line += &format!(" #{room}");
    }
    if let Some(until) = until {
        line += &format!(" -> {}", when(until));
    }
    if !why.is_empty() {
        line += &format!(": {why}");
    }
    line
}

/// Names, as many as are told at once.
fn listed<'a>(phrases: &'a Phrases, names: &'a [Nickname], count: usize) -> Part<'a> {
    Part::Listed(phrases, &names[..names.len().min(WELCOME_MAX)], count)
}

/// Those who have this rank, with its mark.
fn marked(ranks: &[(Nickname, Rank)], wanted: Rank) -> Vec<Nickname> {
    let is_it = |rank: Rank| rank.is_operator() == (wanted == Rank::Operator);
    let ranks = ranks.iter().filter(|(_, rank)| is_it(*rank));
    ranks.map(|(name, rank)| Nickname::unchecked(&format!("{}{name}", rank.mark()))).collect()
}

const _: () = assert!(Removal::Kick as usize == 0 && Removal::Kill as usize == 2);

pub(super) const EN: OrderPhrases = OrderPhrases {
    account_asked: "{} is registered. Password?",
    registered: "{} is your account now. You are logged in.",
    logged_in: "You are logged in as {}.",
    logged_out: "You are not logged in any more.",
    password_set: "The password of {} is another one now.",
    unregistered: "{} is no account any more.",
    operator: "You are an operator of the server.",
    name_lost: "The nickname {} belongs to an account. You are {} now.",
    ranks: ["an operator", "voiced", "without a rank"],
    ranked_by: "{} says that {} is {} in {} now",
    ranked: "{} is {} in {}",
    set: "{} set {}: {}",
    on: "on",
    off: "off",
    settings: "{}: {}",
    flags: [
        "only who is invited may come in (invite, i)",
        "only operators and the voiced may speak (moderated, m)",
        "only members may speak into it (members, n)",
        "others are not told of it (secret, s)",
        "only operators set the topic (topic, t)",
    ],
    has_key: "it has a key (key, k)",
    has_limit: "at most {} may be in it (limit, l)",
    nothing_set: "nothing is set",
    operators: "Operators: {}",
    voiced: "Voiced: {}",
    removed: [
        "{} was kicked by {}{} ({} here)",
        "{} was banned by {}{} ({} here)",
        "{} was removed from the server by {}{} ({} here)",
    ],
    you_removed: [
        "You were kicked out of {} by {}{}",
        "You were banned from {} by {}{}",
        "You were removed from {} by {}{}",
    ],
    you_off: [
        "You were kicked by {}{}",
        "You were banned by {}{}",
        "You were removed from the server by {}{}",
    ],
    you_banned: "You are banned{}{}",
    banned: "{} banned {}{}{}",
    muted: "{} muted {}{}{}",
    unbanned: "{} lifted the ban of {}",
    unmuted: "{} lets {} speak again",
    sanction_line: "{} {}{}, by {}{}",
    an_address: "an address",
    no_sanctions: "Nobody is banned or muted.",
    hits: "This would also hit: {}.",
    hits_some: "This would also hit others who are here ({}).",
    hits_nobody: "This would hit nobody else who is here now.",
    say_yes: "Say yes to do it. Anything else leaves it.",
    say_yes_really: "That would hit you too, or everybody. To do it anyway, say: yes, really",
    locked: "{} locked the server: only who was here or has an account may come in",
    locked_age: "{} locked the server: who has no account may speak after {} seconds here",
    unlocked: "{} unlocked the server",
    slowed: "{} slowed the chat: one line each {} seconds",
    unslowed: "{} ended the slow mode",
    announced: "{} to all: {}",
    no_acts: "Operators have done nothing yet.",
    whois: "{}: {}",
    whois_account: "logged in as {}",
    whois_no_account: "not logged in",
    whois_operator: "an operator of the server",
    whois_rooms: "in {}",
    whois_private: "from {} at {}, silent for {} s",
    reloading: "The configuration is read again. The log says what comes of it.",
    alarm: "For operators: {}",
    until: " until {}",
    forever: " forever",
    because: ": {}",
};

pub(super) const ZH: OrderPhrases = OrderPhrases {
    account_asked: "{} 已注册。请输入密码:",
    registered: "{} 现在是您的账号。您已登录。",
    logged_in: "您已登录为 {}。",
    logged_out: "您已退出登录。",
    password_set: "{} 的密码已更改。",
    unregistered: "{} 不再是账号。",
    operator: "您是服务器管理员。",
    name_lost: "昵称 {} 属于一个账号。您现在是 {}。",
    ranks: ["管理员", "有发言权", "普通成员"],
    ranked_by: "{} 宣布 {} 现在是{} ({})",
    ranked: "{} 是{} ({})",
    set: "{} 设置了 {}: {}",
    on: "on",
    off: "off",
    settings: "{}: {}",
    flags: [
        "只有受邀的人可以进入 (invite, i)",
        "只有管理员和有发言权的人可以说话 (moderated, m)",
        "只有成员可以在里面说话 (members, n)",
        "不告诉外面的人 (secret, s)",
        "只有管理员可以设主题 (topic, t)",
    ],
    has_key: "有口令 (key, k)",
    has_limit: "最多 {} 人 (limit, l)",
    nothing_set: "没有设置",
    operators: "管理员: {}",
    voiced: "有发言权: {}",
    removed: [
        "{} 被 {} 踢出{} (在线 {} 人)",
        "{} 被 {} 封禁{} (在线 {} 人)",
        "{} 被 {} 移出服务器{} (在线 {} 人)",
    ],
    you_removed: [
        "您已被踢出 {}，操作者 {}{}",
        "您已被禁止进入 {}，操作者 {}{}",
        "您已被移出 {}，操作者 {}{}",
    ],
    you_off: [
        "您已被踢出，操作者 {}{}",
        "您已被封禁，操作者 {}{}",
        "您已被移出服务器，操作者 {}{}",
    ],
    you_banned: "您已被封禁{}{}",
    banned: "{} 封禁了 {}{}{}",
    muted: "{} 禁言了 {}{}{}",
    unbanned: "{} 解除了对 {} 的封禁",
    unmuted: "{} 解除了对 {} 的禁言",
    sanction_line: "{} {}{}，操作者 {}{}",
    an_address: "某个地址",
    no_sanctions: "没有人被封禁或禁言。",
    hits: "这也会影响: {}。",
    hits_some: "这也会影响这里的其他人 ({} 人)。",
    hits_nobody: "这不会影响其他在线的人。",
    say_yes: "确认请输入 yes，其他输入则取消。",
    say_yes_really: "这也会影响您自己或所有人。如要执行，请输入: yes, really",
    locked: "{} 锁定了服务器: 只有在线过的人或有账号的人可以进入",
    locked_age: "{} 锁定了服务器: 没有账号的人进入 {} 秒后才能说话",
    unlocked: "{} 解除了服务器锁定",
    slowed: "{} 开启了慢速模式: 每 {} 秒一条",
    unslowed: "{} 关闭了慢速模式",
    announced: "{} 对所有人说: {}",
    no_acts: "管理员还没有做过什么。",
    whois: "{}: {}",
    whois_account: "已登录为 {}",
    whois_no_account: "未登录",
    whois_operator: "服务器管理员",
    whois_rooms: "在 {}",
    whois_private: "来自 {}，入口 {}，已 {} 秒没有动静",
    reloading: "正在重新读取配置，结果见日志。",
    alarm: "管理员请注意: {}",
    until: "，直到 {}",
    forever: "，永久",
    because: ": {}",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialect, Lang, phrases};

    fn told(lang: Lang, occurrence: &Occurrence<'_>) -> String {
        let about = About { room: Some("#ops"), ..About::default() };
        let reader = Reader { phrases: phrases::of(lang), dialect: Dialect::Lines, about: &about };
        let mut out = Vec::new();
        if !tell_reader(&reader, occurrence, ("! ", "\n"), &mut out) {
            tell(&reader, occurrence, ("* ", "\n"), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_told_has_all_its_words_in_both_languages() {
        let name = |name: &str| Nickname::parse(name).unwrap();
        let sanction = Sanction {
            id: 1,
            kind: SanctionKind::Mute,
            room: None,
            target: Target::network("192.0.2.7").unwrap(),
            whom: "bob".to_owned(),
            by: "alice".to_owned(),
            why: "spam".to_owned(),
            at: 0,
            until: Some(3600),
        };
        let (names, ranks) = ([name("eve")], [(name("al"), Rank::Operator)]);
        let rights = Rights::of_new_room();
        let told_of = [&sanction];
        let account = |event| Occurrence::Account { name: "al", event, token: Some("secret") };
        let (is_gone, before) = (false, None);
        let removed =
            |how| Occurrence::Removed { name: "bob", how, by: "al", why: "", count: 2, is_gone };
        let off = |how| Occurrence::YouRemoved { whom: "bob", how, by: "al", why: "why" };
        let set = Setting::Key(Some("sesame".to_owned()));
        let all = [
            (account(AccountEvent::LoggedIn), "* You are logged in as al.\n"),
            (
                account(AccountEvent::NameLost("bo")),
                "* The nickname bo belongs to an account. You are al now.\n",
            ),
            (
                Occurrence::Ranked { name: "bob", rank: Some(Rank::Operator), before, by: "al" },
                "* al says that bob is an operator in #ops now\n",
            ),
            (
                Occurrence::Ranked { name: "al", rank: None, before, by: "" },
                "* al is without a rank in #ops\n",
            ),
            (Occurrence::Set { setting: &set, by: "al" }, "* al set #ops: key on\n"),
            (
                Occurrence::Settings { rights: &rights, ranks: &ranks },
                "* #ops: only members may speak into it (members, n); only operators set the \
                 topic (topic, t)\n* Operators: @al\n",
            ),
            (removed(Removal::Kick), "* bob was kicked by al (2 here)\n"),
            (off(Removal::Ban), "! You were banned from #ops by al: why\n"),
            (
                Occurrence::YouBanned(&sanction),
                "! You are banned until 1970-01-01 01:00 (UTC): spam\n",
            ),
            (
                Occurrence::Sanctioned(&sanction, "al"),
                "* al muted bob until 1970-01-01 01:00 (UTC): spam\n",
            ),
            (
                Occurrence::Sanctions { told: &told_of, with_targets: true },
                "* mute bob (192.0.2.7/32) until 1970-01-01 01:00 (UTC), by alice: spam\n",
            ),
            (
                Occurrence::Sanctions { told: &told_of, with_targets: false },
                "* mute bob until 1970-01-01 01:00 (UTC), by alice: spam\n",
            ),
            (
                Occurrence::Hits { names: &names, count: 1, is_dangerous: false },
                "* This would also hit: eve.\n* Say yes to do it. Anything else leaves it.\n",
            ),
        ];
        for (occurrence, words) in all {
            assert_eq!(told(Lang::En, &occurrence), words);
            let chinese = told(Lang::Zh, &occurrence);
            assert!(!chinese.contains("{}") && chinese.lines().count() == words.lines().count());
            assert!(!chinese.contains("secret") && !chinese.contains("sesame"), "{chinese}");
        }
    }
}
