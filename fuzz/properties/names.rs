//! What must hold of [`chinwag::nickname`]: no form of a name gets past the rules that another form
//! of it breaks, and nobody can have a name that is somebody else's.

use chinwag::nickname::{BYTES_MAX, Nickname, NicknameError};
use unicode_normalization::UnicodeNormalization;

use super::words::is_forbidden;

/// Takes the first line and the second as names of two people.
pub fn nickname(data: &[u8]) {
    let given = String::from_utf8_lossy(data);
    let mut lines = given.split('\n');
    let (one, other) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let name = check_forms(one);
    let others = check_forms(other);
    if let (Ok(name), Ok(others)) = (name, others) {
        assert_eq!(name.same_as(&others), others.same_as(&name), "it does not matter who asks");
        assert!(name.fold() != others.fold() || name.same_as(&others), "equal but for case");
        assert!(name != others || name.same_as(&others), "equal");
    }
}

/// Parses a name in all its forms.
fn check_forms(given: &str) -> Result<Nickname, NicknameError> {
    let parsed = Nickname::parse(given);
    for form in [given.nfc().collect::<String>(), given.nfd().collect()] {
        assert_eq!(Nickname::parse(&form), parsed, "{form:?} is written like {given:?}");
    }
    for form in [given.nfkc().collect::<String>(), given.nfkd().collect()] {
        let form = Nickname::parse(&form);
        if parsed == Err(NicknameError::Reserved) {
            assert!(form.is_err(), "{form:?} is a form of the reserved {given:?}");
        }
        check_same(&parsed, &form);
    }
    // Of a reserved name another case may be free: Cyrillic `М` looks like `M`, and `м` unlike `m`.
    for form in [given.to_lowercase(), given.to_uppercase()] {
        check_same(&parsed, &Nickname::parse(&form));
    }
    // A dot above an i, and digits for letters.
    let letters = given.replace('0', "o").replace('1', "l");
    for form in [letters, given.replace('i', "i\u{307}")] {
        check_same(&parsed, &Nickname::parse(&form));
    }
    if let Ok(name) = &parsed {
        check_accepted(name);
    }
    parsed
}

/// If two forms of a name are both accepted, they are one name.
fn check_same(one: &Result<Nickname, NicknameError>, other: &Result<Nickname, NicknameError>) {
    if let (Ok(one), Ok(other)) = (one, other) {
        assert!(one.same_as(other), "{one} and {other} are forms of one name");
    }
}

/// What is so of every name that somebody may have.
fn check_accepted(name: &Nickname) {
    let shown = name.as_str();
    assert_eq!(Nickname::parse(shown).as_ref(), Ok(name), "what is accepted stays so");
    assert!(!shown.is_empty() && shown.len() <= BYTES_MAX);
    assert!(!shown.contains(is_forbidden), "nothing in it can do harm");
    assert!(!shown.chars().any(char::is_whitespace));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    assert!(
        shown.chars().filter(char::is_ascii).all(plain),
        "no sign that means something: {shown}"
    );
    assert!(!shown.starts_with(['-', '.']) && !shown.ends_with(['-', '.']));

    assert!(name.same_as(name));
    let fold = name.fold();
    if let Ok(folded) = Nickname::parse(&fold) {
        assert_eq!(folded.fold(), fold, "folding twice is folding once");
        assert!(folded.same_as(name));
    }
    for key in name.keys().iter() {
        check_same(&Ok(name.clone()), &Nickname::parse(key));
    }
    let reserved = ["server", "system", "admin", "root", "you", "你", "系统", "系統"];
    let is_end = |c: char| c.is_ascii_digit() || "-_.".contains(c);
    assert!(!reserved.contains(&fold.trim_matches(is_end)), "{shown} is reserved");
    let comes = ["进入聊天", "进入了聊天", "加入聊天", "加入了聊天"];
    for notice in ["系统消息", "系統消息", "离开了聊天", "退出了"].iter().chain(&comes)
    {
        assert!(!shown.contains(notice), "{shown} reads like a notice");
    }

    let suffixed = [1, 2, 3, 11, u32::MAX].map(|n| name.with_suffix(n));
    for (i, one) in suffixed.iter().enumerate() {
        assert_eq!(Nickname::parse(one.as_str()).as_ref(), Ok(one), "from {shown}");
        for other in &suffixed[..i] {
            assert!(!one.same_as(other), "{one} and {other} look alike");
        }
    }
}
