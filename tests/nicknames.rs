//! What may be a name and which two names are the same, as tables: one row is one rule seen from
//! outside. What needs the inside of the module is tested there.

use chinwag::nickname::NicknameError::{self, *};
use chinwag::nickname::{BYTES_MAX, CLUSTERS_MAX, Nickname};
use chinwag::text;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Accepted, and stored as it was given.
const AS_GIVEN: [&str; 37] = [
    "a",
    "7",
    "_",
    "__",
    "alice",
    "Alice",
    "ALICE",
    "alice_2",
    "_alice_",
    "2pac",
    "jean-luc",
    "a.b-c_d",
    "a..b",
    "v1.2.3",
    "guest_12",
    "rooted",
    "serverless",
    "youngster",
    "Zoë",
    "Straße",
    "Łukasz",
    "Nguyễn",
    "王芳",
    "系统人",
    "小明_2",
    "さくら",
    "カタカナ",
    "佐々木",
    "김철수",
    "محمد",
    "דוד",
    "राहुल",
    "สมชาย",
    "Иван",
    "Ελένη",
    "გიორგი",
    "𠜎",
];

/// Refused, and why.
const REFUSED: [(&str, NicknameError); 78] = [
    ("", Empty),
    // white space, also around a name: refused and not trimmed
    (" ", BadCharacter),
    (" alice", BadCharacter),
    ("alice ", BadCharacter),
    ("alice bob", BadCharacter),
    ("alice\t", BadCharacter),
    ("alice\u{a0}bob", BadCharacter),
    ("alice\u{3000}bob", BadCharacter),
    // controls and line breakers
    ("alice\n", BadCharacter),
    ("alice\r\nbob", BadCharacter),
    ("a\0b", BadCharacter),
    ("\x1b[31mred", BadCharacter),
    ("a\u{7f}b", BadCharacter),
    ("a\u{85}b", BadCharacter),
    ("a\u{9b}b", BadCharacter),
    ("a\u{2028}b", BadCharacter),
    // bidi, zero-width, invisible and tag characters
    ("a\u{202e}b", BadCharacter),
    ("a\u{2066}b", BadCharacter),
    ("a\u{200e}b", BadCharacter),
    ("a\u{61c}b", BadCharacter),
    ("al\u{200b}ice", BadCharacter),
    ("al\u{200c}ice", BadCharacter),
    ("al\u{200d}ice", BadCharacter),
    ("al\u{2060}ice", BadCharacter),
    ("al\u{ad}ice", BadCharacter),
    ("al\u{34f}ice", BadCharacter),
    ("\u{feff}alice", BadCharacter),
    ("alice\u{fe0f}", BadCharacter),
    ("alice\u{e0041}", BadCharacter),
    ("\u{3164}", BadCharacter),
    ("\u{115f}\u{1160}", BadCharacter),
    // non-characters, private use, the replacement character
    ("a\u{ffff}", BadCharacter),
    ("a\u{fdd0}", BadCharacter),
    ("a\u{e000}", BadCharacter),
    ("a\u{fffd}", BadCharacter),
    // emoji and symbols
    ("😀", BadCharacter),
    ("alice👍", BadCharacter),
    ("👩‍👩‍👧", BadCharacter),
    ("🇩🇪", BadCharacter),
    ("1\u{fe0f}\u{20e3}", BadCharacter),
    ("alice©", BadCharacter),
    ("a+b", BadCharacter),
    // punctuation, which would forge what stands around a name
    ("alice:", BadCharacter),
    ("alice@bob", BadCharacter),
    ("alice,bob", BadCharacter),
    ("/who", BadCharacter),
    ("#", BadCharacter),
    ("* alice", BadCharacter),
    ("[alice", BadCharacter),
    ("!alice", BadCharacter),
    ("o'brien", BadCharacter),
    ("o\u{2019}brien", BadCharacter),
    ("a\u{b7}b", BadCharacter),
    ("マイ\u{30fb}ネーム", BadCharacter),
    ("alice\u{a789}", BadCharacter),
    ("\u{2010}a", BadCharacter),
    // compatibility forms and dead scripts are no identifiers in UTS 39
    ("Ａlice", BadCharacter),
    ("ﬁona", BadCharacter),
    ("𝒜lice", BadCharacter),
    ("①", BadCharacter),
    ("𐌰𐌻𐌰", BadCharacter),
    // a mark twice in a row, in whatever order they were typed
    ("e\u{301}\u{301}ric", BadCharacter),
    ("\u{e9}\u{301}ric", BadCharacter),
    ("q\u{323}\u{301}\u{323}", BadCharacter),
    ("\u{1eb9}\u{301}\u{323}", BadCharacter),
    ("र\u{93e}\u{93e}", BadCharacter),
    // where the three signs and the marks may stand
    ("-", BadStart),
    (".", BadStart),
    ("-alice", BadStart),
    (".alice", BadStart),
    ("\u{301}alice", BadStart),
    ("\u{93e}र", BadStart),
    ("alice-", BadEnd),
    ("alice.", BadEnd),
    ("a._.", BadEnd),
    ("alice.\u{301}", BadEnd),
    // the rule that comes first is the one that is told
    ("-a b-", BadCharacter),
    ("-alice-", BadStart),
];

/// Reserved, in all their disguises.
const RESERVED: [&str; 65] = [
    "server",
    "system",
    "admin",
    "127.0.0.1",
    "root",
    "you",
    "系统",
    "系统消息",
    "你",
    "系統",
    "系統消息",
    "Server",
    "SYSTEM",
    "aDmIn",
    "rooT",
    "You",
    "R00T",
    "adrnin",
    "systern",
    "ADM1N",
    "\u{455}erver",       // Cyrillic ѕ
    "y\u{43e}u",          // Cyrillic о
    "r\u{3bf}\u{3bf}t",   // Greek ο
    "\u{430}dmin",        // Cyrillic а
    "\u{410}D\u{41c}IN",  // Cyrillic А and М
    "\u{405}YSTE\u{41c}", // Cyrillic Ѕ and М
    "\u{405}ystem",       // Cyrillic Ѕ
    "y\u{585}u",          // Armenian օ
    "r\u{41e}\u{41e}T",   // Cyrillic О
    // digits for letters, and a dot on what has one
    "r00t",
    "r0ot",
    "y0u",
    "adm1n",
    "AdMlN",
    "admi\u{307}n",
    "adm\u{456}\u{307}n", // Cyrillic і
    "adm\u{131}\u{307}n", // without a dot of its own
    // with signs and digits at their ends
    "server_",
    "_server",
    "__server__",
    "admin2",
    "2admin",
    "root-1",
    "1root",
    "you.2",
    "_1.system-_2",
    "adm1n_007",
    "server\u{664}", // Arabic ٤
    "server_\u{301}",
    "root_\u{301}\u{302}5",
    "系统_",
    "系统2",
    "你_2",
    "系統\u{3007}",
    "_你",
    // with the words of a notice in them
    "bob退出了聊天室alice",
    "系统消息bob",
    "bob系統消息",
    "bob进入了聊天室",
    "bob进入聊天室",
    "进入聊天室bob",
    "bob加入了聊天",
    "bob加入聊天室alice",
    "bob离开了聊天室alice",
    "bob退出了",
];

/// The same name to the people in the room.
const SAME: [(&str, &str); 41] = [
    ("alice", "alice"),
    ("alice", "Alice"),
    ("alice", "ALICE"),
    ("aLiCe", "AlIcE"),
    ("ΣΑΣ", "σας"),
    ("ΣΑΣ", "σασ"),
    ("Straße", "STRASSE"),
    ("straße", "strasse"),
    ("é", "e\u{301}"),
    ("É", "e\u{301}"),
    ("Иван", "ИВАН"),
    ("\u{435}van", "evan"), // Cyrillic е
    ("\u{415}van", "evan"), // Cyrillic Е
    ("\u{435}VAN", "Evan"), // folds first, then looks
    ("rn", "m"),
    ("Tom", "torn"),
    ("TOM", "tom"),
    ("modern", "rnodern"),
    ("user1", "userl"),
    ("user10", "userlO"),
    ("Bill", "BiII"),
    ("Ian", "lan"),
    ("Ian", "Lan"),
    ("\u{3bf}\u{3bf}", "oo"), // Greek ο
    // in small letters
    ("\u{412}\u{41e}\u{412}", "bob"), // Cyrillic В and О
    ("\u{412}o\u{412}", "Bob"),
    ("\u{39d}ancy", "nancy"), // Greek Ν
    ("\u{39d}\u{399}\u{39a}\u{39f}\u{3a3}", "\u{3bd}\u{3b9}\u{3ba}\u{3bf}\u{3c2}"),
    // a dot on what has one, below another mark or above
    ("ali\u{307}ce", "alice"),
    ("al\u{131}\u{307}ce", "alice"),
    ("al\u{456}\u{307}ce", "ALICE"), // Cyrillic і
    ("AL\u{130}CE", "alice"),
    ("\u{458}\u{307}o", "jo"), // Cyrillic ј
    ("\u{12f}\u{307}", "\u{12f}"),
    ("i\u{323}\u{307}", "\u{1ecb}"),
    ("i\u{301}\u{307}", "\u{ed}"),
    // digits that look like letters
    ("b0b", "bob"),
    ("B0B", "bob"),
    ("a11ce", "Alice"),
    ("m1a", "mia"),
    ("lan", "ian"),
];

/// Names that two people can have at once.
const NOT_SAME: [(&str, &str); 20] = [
    ("alice", "alice_2"),
    ("alice", "alic"),
    ("alice", "al.ice"),
    ("alice", "al-ice"),
    ("al-ice", "al_ice"),
    ("alice_2", "alice_3"),
    ("alice_1", "alice_11"),
    ("e", "é"),
    ("jose", "josé"),
    ("bob", "bo"),
    ("王芳", "王方"),
    ("Иван", "Ivan"),
    ("tom", "ton"),
    ("김철수", "김철"),
    ("e\u{307}", "e"),
    ("l\u{307}", "l"),
    ("e\u{307}i", "ei"),
    ("\u{39d}", "\u{39c}"),
    ("n", "v"),
    ("b2b", "bob"),
];

#[expect(clippy::panic, reason = "the lint does not know a helper of tests for a test")]
fn name(text: &str) -> Nickname {
    Nickname::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The planes in which Unicode has characters other than for private use.
fn assigned() -> impl Iterator<Item = char> {
    ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{e0fff}')
}

#[test]
fn letters_marks_and_digits_of_any_script_make_a_name() {
    for text in AS_GIVEN {
        assert_eq!(name(text).as_str(), text);
        assert_eq!(name(text).to_string(), text);
    }
}

#[test]
fn what_cannot_be_a_name_is_refused_with_the_reason() {
    for (text, reason) in REFUSED {
        assert_eq!(Nickname::parse(text), Err(reason), "{text:?}");
    }
}

#[test]
fn a_refusal_does_not_repeat_what_was_refused() {
    for (text, reason) in REFUSED {
        let told = format!("{reason} {reason:?}");
        assert!(text.len() < 4 || !told.contains(text), "{text:?}: {told}");
    }
}

#[test]
fn a_name_is_stored_in_nfc() {
    let rows = [
        ("e\u{301}ric", "éric"),
        ("Zoe\u{308}", "Zoë"),
        ("\u{1112}\u{1161}\u{11ab}", "한"),
        ("a\u{301}\u{323}", "ạ\u{301}"),
        ("\u{212b}sa", "Åsa"),
        ("\u{f900}", "豈"),
    ];
    for (text, stored) in rows {
        assert_eq!(name(text).as_str(), stored, "{text:?}");
    }
}

#[test]
fn a_name_is_at_most_32_characters_and_128_bytes() {
    let rows = [
        ("a".repeat(32), true),
        ("a".repeat(33), false),
        ("a".repeat(4096), false),
        ("王".repeat(32), true),
        ("王".repeat(33), false),
        ("𠜎".repeat(32), true), // 128 bytes
        (format!("{}é", "𠜎".repeat(31)), true),
        ("q\u{301}".repeat(32), true), // 64 scalar values, 32 characters
        ("q\u{301}".repeat(33), false),
        (format!("{}é", "𠜎\u{301}".repeat(21)), true), // 128 bytes
        (format!("{}éx", "𠜎\u{301}".repeat(21)), false), // 129 bytes, 23 characters
        ("q\u{301}\u{302}".repeat(819), false),
        ("\u{fdfa}".repeat(1360), false),
        // Counted in NFC: 288 bytes as they came, 96 as they are kept.
        ("\u{1112}\u{1161}\u{11ab}".repeat(32), true),
        ("\u{1112}\u{1161}\u{11ab}".repeat(33), false),
        // U+0958 has no composed form in NFC: 3 bytes as it came, 6 as it is kept.
        ("\u{958}".repeat(21), true),
        ("\u{958}".repeat(22), false),
    ];
    for (text, accepted) in rows {
        let expected = if accepted { None } else { Some(TooLong) };
        assert_eq!(Nickname::parse(&text).err(), expected, "{} bytes: {text:?}", text.len());
    }
}

#[test]
fn what_would_be_taken_for_the_server_is_reserved() {
    for text in RESERVED {
        assert_eq!(Nickname::parse(text), Err(Reserved), "{text:?}");
    }
}

#[test]
fn a_name_is_the_same_in_any_case_and_any_look_alike() {
    for (one, other) in SAME {
        assert!(name(one).same_as(&name(other)), "{one:?} {other:?}");
        assert!(name(other).same_as(&name(one)), "{other:?} {one:?}");
    }
}

#[test]
fn names_that_can_be_told_apart_are_not_the_same() {
    for (one, other) in NOT_SAME {
        assert!(!name(one).same_as(&name(other)), "{one:?} {other:?}");
        assert!(!name(other).same_as(&name(one)), "{other:?} {one:?}");
    }
}

#[test]
fn a_dot_above_what_has_one_does_not_count() {
    // All that Unicode calls soft-dotted, but for compatibility forms, which no name has.
    let soft_dotted =
        "ij\u{12f}\u{249}\u{268}\u{29d}\u{3f3}\u{456}\u{458}\u{1d96}\u{1e2d}\u{1ecb}\u{1df1a}";
    let mut count = 0;
    for c in soft_dotted.chars() {
        let Ok(bare) = Nickname::parse(&format!("a{c}")) else { continue };
        count += 1;
        for marks in ["\u{307}", "\u{331}\u{307}", "\u{327}\u{307}", "\u{302}\u{307}"] {
            let dotless = name(&format!("a{c}{}", marks.replace('\u{307}', "")));
            assert!(name(&format!("a{c}{marks}")).same_as(&dotless), "{c} {marks:?}");
            assert!(marks.len() > 2 || dotless == bare);
        }
    }
    assert_eq!(count, 7, "as many a name may have");
}

#[test]
fn what_no_line_may_have_is_in_no_name() {
    for marks in 0..20 {
        let text: String =
            "q".chars().chain("\u{301}\u{302}".chars().cycle().take(marks)).collect();
        assert_eq!(Nickname::parse(&text).is_ok(), text::clean(&text) == text, "{marks} marks");
    }
}

#[test]
fn same_as_has_no_direction() {
    let names: Vec<_> = AS_GIVEN
        .into_iter()
        .chain(SAME.into_iter().chain(NOT_SAME).flat_map(|(one, other)| [one, other]))
        .map(name)
        .collect();
    for one in &names {
        assert!(one.same_as(one));
        for other in &names {
            assert_eq!(one.same_as(other), other.same_as(one), "{one} {other}");
            if one.fold() == other.fold() {
                assert!(one.same_as(other), "{one} {other}");
            }
        }
    }
}

#[test]
fn names_are_listed_without_regard_to_case() {
    let mut names = ["Zoë", "bob", "alice", "Carol", "ALF"].map(name);
    names.sort_by_cached_key(|name| name.fold().into_owned());
    assert_eq!(names.map(|name| name.to_string()), ["ALF", "alice", "bob", "Carol", "Zoë"]);
    assert_eq!(name("ΣΑΣ").fold(), "σασ");
    assert_eq!(name("Straße").fold(), "strasse");
}

#[test]
fn a_suffix_always_fits() {
    let conjunct = format!("{}क", "क\u{94d}".repeat(20));
    let rows = [
        ("alice".to_owned(), 2, "alice_2".to_owned()),
        ("alice_2".to_owned(), 3, "alice_2_3".to_owned()),
        ("a".repeat(32), 2, format!("{}_2", "a".repeat(30))),
        ("a".repeat(32), u32::MAX, format!("{}_4294967295", "a".repeat(21))),
        ("a".repeat(30), 2, format!("{}_2", "a".repeat(30))),
        ("𠜎".repeat(32), 2, format!("{}_2", "𠜎".repeat(30))),
        // No mark is torn from its letter…
        (format!("{}q\u{301}x", "𠜎".repeat(30)), 10, format!("{}_10", "𠜎".repeat(29))),
        (format!("ab{}", "q\u{301}\u{302}".repeat(25)), 2, {
            format!("ab{}_2", "q\u{301}\u{302}".repeat(24))
        }),
        // … except where that letter is the whole name.
        (conjunct, 10000, format!("{}_10000", "क\u{94d}".repeat(20))),
        // What is left of a name is not the server's.
        (format!("server{}xy", "_".repeat(24)), 2, "guest_2".to_owned()),
    ];
    for (base, n, expected) in rows {
        assert_eq!(name(&base).with_suffix(n).as_str(), expected);
        assert_eq!(name(&expected).as_str(), expected);
    }
}

#[test]
fn suffixed_names_differ_from_each_other() {
    let names: Vec<_> = (0..120).map(|n| name("alice").with_suffix(n)).collect();
    for (i, one) in names.iter().enumerate() {
        assert!(names[i + 1..].iter().all(|other| !one.same_as(other)), "{one}");
    }
}

#[test]
fn whatever_is_accepted_keeps_every_rule() {
    let mut accepted = 0;
    for c in assigned() {
        for text in [format!("a{c}b"), format!("{c}")] {
            // What is not allowed between two letters is not allowed elsewhere.
            let Ok(name) = Nickname::parse(&text) else { break };
            accepted += 1;
            assert_eq!(name.as_str(), text.nfc().collect::<String>());
            assert_eq!(Nickname::parse(name.as_str()).as_ref(), Ok(&name), "{text:?}");
            assert_eq!(text::clean(name.as_str()), name.as_str(), "{text:?}");
            assert!(!name.as_str().contains(char::is_whitespace), "{text:?}");
            assert!(name.keys().iter().all(|key| !key.is_empty()), "{text:?}");
            // A name is the same in any case, in whatever script.
            if let Ok(upper) = Nickname::parse(&text.to_uppercase()) {
                assert!(upper.same_as(&name) && name.same_as(&upper), "{text:?}");
            }
        }
    }
    assert!(accepted > 50_000, "only {accepted} were accepted: this looked at nothing");
}

#[test]
fn a_suffix_makes_a_name_of_every_name() {
    for c in assigned().step_by(7) {
        let Ok(base) = Nickname::parse(&format!("{c}-{}", "x".repeat(28))) else { continue };
        let name = base.with_suffix(4711);
        assert_eq!(Nickname::parse(name.as_str()).as_ref(), Ok(&name), "{c:?}");
        assert!(name.as_str().graphemes(true).count() <= CLUSTERS_MAX);
        assert!(name.as_str().len() <= BYTES_MAX);
    }
}
