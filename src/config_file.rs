//! A `--config` file, the server's or the client's, as what the flags are unless they are given. It
//! knows no flag by name: keys are looked up among the flags, and each value is checked as it would
//! be on a command line.

use std::path::Path;

use chinwag::config::file::{self, Place, Setting, SettingValue};
use chinwag::nickname::Nickname;
use clap::{Arg, ArgAction, Command};

use crate::{Failure, WRONG_USAGE, cannot_read, read_file, sentence_of};

const FLAG: &str = "--config";

/// Much more than anybody writes.
const BYTES_MAX: u64 = 1 << 20;

/// Flags that are no keys.
const NO_KEYS: [&str; 3] = ["config", "help", "version"];

/// The table that is no flag: its hashes are nothing to type.
const OPERATORS: &str = "operators";

/// Operators and the hashes of their passwords.
pub(crate) type Operators = Vec<(Nickname, String)>;

/// The command line with the values in a file as its defaults; and what no flag can say.
pub(crate) fn defaults(mut command: Command, path: &Path) -> Result<(Command, Operators), Failure> {
    let bytes = read_file(FLAG, path, BYTES_MAX)?;
    let text =
        str::from_utf8(&bytes).map_err(|_| cannot_read(FLAG, path, "it is not UTF-8 text"))?;
    let wrong = |at: Place, what: &str| {
        (WRONG_USAGE, format!("{}, {at}: {what}. Check {FLAG}.", path.display()))
    };
    let settings = file::parse(text).map_err(|error| wrong(error.at, &error.what))?;
    let mut passwords = Vec::new();
    for setting in settings {
        let key = &*setting.key;
        if key == OPERATORS {
            passwords = operators(setting).map_err(|(at, what)| wrong(at, &what))?;
            continue;
        }
        let is_key = |it: &&Arg| it.get_long() == Some(key) && !NO_KEYS.contains(&key);
        let Some(argument) = command.get_arguments().find(is_key).cloned() else {
            return Err(wrong(setting.key_at, &format!("there is no key {key}")));
        };
        let values = values(&argument, setting.value);
        let values = values.map_err(|what| wrong(setting.value_at, &format!("{key} {what}")))?;
        check(&argument, &values).map_err(|what| wrong(setting.value_at, &what))?;
        let id = argument.get_id().clone();
        command = command.mut_arg(id, |argument| argument.default_values(values));
    }
    Ok((command, passwords))
}

/// The operators in their table; or what is wrong, and where.
fn operators(table: Setting) -> Result<Operators, (Place, String)> {
    let SettingValue::Table(settings) = table.value else {
        let what = format!("{OPERATORS} is a table, with a password hash for each name");
        return Err((table.value_at, what));
    };
    let mut operators = Operators::new();
    for Setting { key, key_at, value, value_at } in settings {
        let name = Nickname::parse(&key).map_err(|error| (key_at, format!("{key}: {error}")))?;
        if operators.iter().any(|(other, _)| other.same_as(&name)) {
            return Err((key_at, format!("{key} is there twice, as nicknames are compared")));
        }
        let SettingValue::Text(hash) = value else {
            return Err((value_at, format!("the password hash of {key} is a text")));
        };
        // What stands there may be a password: it is not shown.
        check_hash(&hash).map_err(|error| {
            let advice = "chinwag hash-password makes one";
            (value_at, format!("what {key} is set to {error}; {advice}"))
        })?;
        operators.push((name, hash));
    }
    Ok(operators)
}

#[cfg(feature = "data")]
use chinwag::archive::passwords::check_hash;

/// Nothing can be tried with it: that is said later.
#[cfg(not(feature = "data"))]
fn check_hash(_: &str) -> Result<(), String> {
    Ok(())
}

/// A value as the texts that would stand on a command line; or what the flag takes.
fn values(argument: &Arg, value: SettingValue) -> Result<Vec<String>, &'static str> {
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
    let is_list = argument.get_value_delimiter().is_some();
    let is_optional = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    match value {
        SettingValue::Switch(on) if is_switch => Ok(vec![on.to_string()]),
        SettingValue::Switch(false) if is_optional => Ok(Vec::new()),
        SettingValue::Switch(true) if is_optional => Ok(vec![crate::CONSOLE_NAME.to_owned()]),
        SettingValue::Text(_) | SettingValue::List(_) if is_switch => Err("is true or false"),
        SettingValue::Text(text) => Ok(vec![text]),
        SettingValue::List(texts) if is_list => Ok(texts),
        SettingValue::List(_) => Err("takes one value, and not a list"),
        SettingValue::Table(_) => Err("is a flag, and no table"),
        SettingValue::Switch(_) => Err("is neither true nor false"),
    }
}

/// Says what is wrong with values of a flag, if anything is.
fn check(argument: &Arg, values: &[String]) -> Result<(), String> {
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let flag = argument.get_long().unwrap_or_default();
    let words = values.iter().map(|value| format!("--{flag}={value}"));
    let alone = Command::new("chinwag").arg(argument.clone());
    let parsed = alone.try_get_matches_from(std::iter::once("chinwag".to_owned()).chain(words));
    parsed.map(drop).map_err(|error| sentence_of(&error))
}
