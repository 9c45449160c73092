//! `chinwag account` and `chinwag hash-password`: what is done with accounts by whoever has the
//! file, and what stands in the configuration of an operator.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use chinwag::archive::ACCOUNT_PASSWORD_BYTES;
use chinwag::archive::accounts::{self, AccountsError};
use chinwag::archive::passwords::hash_password;
use chinwag::nickname::Nickname;
use chinwag::server::present;
use clap::{Args, Subcommand, ValueHint};
use unicode_width::UnicodeWidthStr as _;

use crate::{CANNOT_OPEN, FAILED, Failure, WRONG_USAGE, nickname};

/// A password and the end of its line, and then some: what is too long is said by its length.
const PASSWORD_LINE_BYTES_MAX: u64 = 1024;

/// `chinwag account`.
#[derive(Subcommand, Debug)]
pub(crate) enum Account {
    /// Writes all accounts, and since when there is each.
    List(Archive),
    /// Makes an account. Its password is the one line of standard input.
    Add(Named),
    /// Gives an account another password: the one line of standard input.
    ///
    /// Whoever has stayed logged in there, as a browser does, must give it the next time.
    Reset(Named),
    /// Deletes an account, and its ranks in rooms.
    Delete(Named),
}

/// The archive.
#[derive(Args, Debug)]
pub(crate) struct Archive {
    /// The archive.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA", value_hint = ValueHint::FilePath)]
    data: PathBuf,
}

/// The archive, and an account there.
#[derive(Args, Debug)]
pub(crate) struct Named {
    #[command(flatten)]
    archive: Archive,
    /// The name of the account, in any spelling of it.
    #[arg(value_name = "NAME", value_parser = nickname)]
    name: Nickname,
}

impl Account {
    /// Does it, and says what came of it.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let failed = |error: AccountsError| failure(&error);
        match self {
            Account::List(Archive { data }) => {
                accounts::list_accounts(&data).map(|all| table(&all)).map_err(failed)
            }
            Account::Add(Named { archive, name }) => {
                let (password, now) = (read_password()?, present().unix_seconds);
                let added = accounts::add_account(&archive.data, &name, &password, now);
                added.map_err(failed)?;
                Ok(format!("{name} is an account now.\n"))
            }
            Account::Reset(Named { archive, name }) => {
                let password = read_password()?;
                let reset = accounts::reset_account(&archive.data, &name, &password);
                let name = reset.map_err(failed)?;
                Ok(format!("{name} has another password now.\n"))
            }
            Account::Delete(Named { archive, name }) => {
                let name = accounts::delete_account(&archive.data, &name).map_err(failed)?;
                Ok(format!("{name} is no account any more.\n"))
            }
        }
    }
}

/// `chinwag hash-password`.
pub(crate) fn hash_password_of_stdin() -> Result<String, Failure> {
    let hash = hash_password(&read_password()?).ok_or_else(|| failure(&AccountsError::System))?;
    Ok(hash + "\n")
}

/// The one line of standard input.
fn read_password() -> Result<String, Failure> {
    let stdin = io::stdin();
    let wrong = |why: &str| (WRONG_USAGE, format!("the password cannot be used: {why}."));
    let mut limited = stdin.lock().take(PASSWORD_LINE_BYTES_MAX);
    let mut bytes = Vec::new();
    let read = if stdin.is_terminal() {
        let _ = write!(io::stderr(), "The password (it can be seen while you type it): ");
        limited.read_until(b'\n', &mut bytes)
    } else {
        limited.read_to_end(&mut bytes)
    };
    read.map_err(|error| (FAILED, format!("cannot read the password: {error}.")))?;
    let text = str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8 text"))?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.trim_end_matches('\r'));
    if line.contains(['\n', '\r']) {
        return Err(wrong("it has more than one line"));
    }
    if !ACCOUNT_PASSWORD_BYTES.contains(&line.len()) {
        let (least, most) = (ACCOUNT_PASSWORD_BYTES.start(), ACCOUNT_PASSWORD_BYTES.end());
        return Err(wrong(&format!("it must have {least} to {most} bytes")));
    }
    Ok(line.to_owned())
}

fn table(accounts: &[accounts::Account]) -> String {
    let widths = accounts.iter().map(|account| account.name.as_str().width());
    let Some(width) = widths.max() else { return "There are no accounts.\n".to_owned() };
    let row = |name: &str, since: &str| {
        format!("{name}{}  {since}\n", " ".repeat(width.max(4).saturating_sub(name.width())))
    };
    let rows = accounts.iter().map(|it| row(it.name.as_str(), &date(it.since)));
    row("NAME", "SINCE (UTC)") + &rows.collect::<String>()
}

/// A time as people read it, in UTC.
fn date(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
        Err(_) => unix_seconds.to_string(),
    }
}

fn failure(error: &AccountsError) -> Failure {
    let code = match error {
        AccountsError::Open(_) => CANNOT_OPEN,
        _ => FAILED,
    };
    (code, format!("{error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_a_table() {
        assert_eq!(table(&[]), "There are no accounts.\n");
        let account = |name: &str, since| accounts::Account {
            id: 1,
            name: Nickname::parse(name).unwrap(),
            since,
            mark: 0,
        };
        let told =
            table(&[account("alice", 1_767_225_660), account("\u{7231}\u{4e3d}\u{4e1d}", 0)]);
        let rows = [
            "NAME    SINCE (UTC)",
            "alice   2026-01-01 00:01",
            "\u{7231}\u{4e3d}\u{4e1d}  1970-01-01 00:00",
            "",
        ];
        assert_eq!(told, rows.join("\n"));
        assert_eq!(date(u64::MAX), u64::MAX.to_string());
    }
}
