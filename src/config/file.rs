//! The configuration file: TOML whose keys are the names of the flags, without their dashes. Here
//! it becomes texts as they could stand on a command line, each with its place in the file; which
//! keys there are, and what their values mean, only the command line knows.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something stands in a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As in `max-clients`.
    pub key: String,
    /// Where that stands.
    pub key_at: Place,
    /// What the key is set to.
    pub value: SettingValue,
    /// Where that stands.
    pub value_at: Place,
}

/// What a key can be set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// `true` or `false`.
    Switch(bool),
    /// A text or a number, as it stands there.
    Text(String),
    /// Several of these.
    List(Vec<String>),
    /// Keys of its own, as under `[operators]`; none of these is a table.
    Table(Vec<Setting>),
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Where.
    pub at: Place,
    /// What, as part of a sentence.
    pub what: String,
}

/// The settings in a file, in the order in which they stand there.
///
/// # Errors
/// If it is not TOML, or holds what no flag could take.
pub fn parse(text: &str) -> Result<Vec<Setting>, FileError> {
    let table = DeTable::parse(text).map_err(|error| FileError {
        at: place(text, error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
    })?;
    settings(text, table.get_ref(), setting_value)
}

/// The settings in a table, whose values are read by `read`.
fn settings(
    text: &str,
    table: &DeTable<'_>,
    read: fn(&str, &Spanned<DeValue<'_>>) -> Result<SettingValue, FileError>,
) -> Result<Vec<Setting>, FileError> {
    let settings = table.iter().map(|(key, value)| {
        Ok(Setting {
            key: key.get_ref().to_string(),
            key_at: place(text, key.span().start),
            value: read(text, value)?,
            value_at: place(text, value.span().start),
        })
    });
    let mut settings: Vec<_> = settings.collect::<Result<_, _>>()?;
    settings.sort_by_key(|setting| (setting.key_at.line, setting.key_at.column));
    Ok(settings)
}

fn setting_value(text: &str, value: &Spanned<DeValue<'_>>) -> Result<SettingValue, FileError> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(SettingValue::Table(settings(text, table, plain_value)?)),
        _ => plain_value(text, value),
    }
}

fn plain_value(text: &str, value: &Spanned<DeValue<'_>>) -> Result<SettingValue, FileError> {
    Ok(match value.get_ref() {
        DeValue::Boolean(switch) => SettingValue::Switch(*switch),
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| single(text, value));
            SettingValue::List(texts.collect::<Result<_, _>>()?)
        }
        _ => SettingValue::Text(single(text, value)?),
    })
}

fn single(text: &str, value: &Spanned<DeValue<'_>>) -> Result<String, FileError> {
    match value.get_ref() {
        DeValue::String(string) => Ok(string.to_string()),
        DeValue::Integer(integer) if integer.radix() == 10 => Ok(integer.as_str().to_owned()),
        DeValue::Float(float) => Ok(float.as_str().to_owned()),
        _ => Err(FileError {
            at: place(text, value.span().start),
            what: "a value is a text, a number, true or false, or a list of texts".to_owned(),
        }),
    }
}

/// Where the byte at `offset` stands.
fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    Place { line, column: 1 + before[begin..].chars().count() }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_known_with_its_place() {
        let text = "# Ours\nmax-line = \"8K\"\n\nhistory=200\nclassic = true\n\
            listen = [\n  \"lines\", # for nc\n  \"web\",\n]\ndrain = 0.5\n\n\
            [operators]\n  alice = \"$argon2id$v=19$m=1,t=2\"\n";
        let mut settings = parse(text).unwrap();
        let Some(Setting { value: SettingValue::Table(operators), key_at, .. }) = settings.pop()
        else {
            panic!("{settings:?}")
        };
        assert_eq!(key_at.to_string(), "line 12, column 2");
        let alice = Setting {
            key: "alice".to_owned(),
            key_at: Place { line: 13, column: 3 },
            value: SettingValue::Text("$argon2id$v=19$m=1,t=2".to_owned()),
            value_at: Place { line: 13, column: 11 },
        };
        assert_eq!(operators, [alice]);
        let told: Vec<_> = settings
            .iter()
            .map(|it| format!("{} {} {:?}", it.key, it.value_at, it.value))
            .collect();
        assert_eq!(
            told,
            [
                "max-line line 2, column 12 Text(\"8K\")",
                "history line 4, column 9 Text(\"200\")",
                "classic line 5, column 11 Switch(true)",
                "listen line 6, column 10 List([\"lines\", \"web\"])",
                "drain line 10, column 9 Text(\"0.5\")",
            ]
        );
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, line, column) in [
            ("a = 1\nb = \n", 2, 4),
            ("a = 1\na = 2\n", 2, 1),
            ("motd = \"x", 1, 9),
            ("rooms = [[\"a\"]]", 1, 10),
            ("[operators.alice]\nhash = 1\n", 1, 1),
            ("drain = 1979-05-27", 1, 9),
            ("history = 0xff", 1, 11),
            ("\u{4f60} = ?", 1, 1),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.at.line, line, "{text:?}: {error}");
            assert!(error.at.column.abs_diff(column) <= 1, "{text:?}: {error}");
            assert!(!error.what.contains('\n'), "{text:?}: {error}");
        }
    }
}
