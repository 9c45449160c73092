//! What must hold of [`chinwag::config::file::parse`]: whatever the file, each setting and each
//! error has a place in it, and errors are part of a sentence.

use chinwag::config::Password;
use chinwag::config::file::{self, Place, SettingValue};

/// Reads any bytes as a configuration file, and as a password.
pub fn config_file(data: &[u8]) {
    if let Ok(password) = Password::from_file(data) {
        let text = str::from_utf8(data).unwrap_or_default();
        assert!(password.is(text.trim_end_matches(['\r', '\n'])), "{text:?} is itself");
        assert!(!password.is(""), "{text:?} is something");
    }
    let Ok(text) = str::from_utf8(data) else { return };
    let check = |Place { line, column }| {
        let of_text = text.split('\n').nth(line - 1).map(|of_text| of_text.chars().count());
        let is_there = of_text.is_some_and(|length| (1..=length + 1).contains(&column));
        assert!(is_there, "{line}, {column}");
    };
    match file::parse(text) {
        Ok(settings) => {
            for setting in settings {
                check(setting.key_at);
                check(setting.value_at);
                let is_there = match &setting.value {
                    SettingValue::Switch(on) => text.contains(&on.to_string()),
                    SettingValue::Text(_) | SettingValue::List(_) => !text.is_empty(),
                    SettingValue::Table(settings) => settings.iter().all(|inner| {
                        check(inner.key_at);
                        check(inner.value_at);
                        !matches!(inner.value, SettingValue::Table(_))
                    }),
                };
                assert!(is_there, "{setting:?}");
            }
        }
        Err(error) => {
            check(error.at);
            assert!(!error.what.is_empty(), "it says what is wrong");
        }
    }
}
