//! `chinwag account` and `chinwag hash-password`: what is done with accounts by whoever has the
//! file, or may write to the engine through which servers share them; and what stands in the
//! configuration of an operator.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use chinwag::archive::ACCOUNT_PASSWORD_BYTES;
use chinwag::archive::accounts::{self, AccountsError};
use chinwag::archive::passwords::hash_password;
#[cfg(feature = "relay")]
use chinwag::config::{Config, Engine, Relay};
use chinwag::nickname::Nickname;
use chinwag::server::present;
#[cfg(feature = "relay")]
use chinwag::server::visit::{self, Wish};
#[cfg(feature = "relay")]
use clap::ArgGroup;
use clap::{Args, Subcommand, ValueHint};
use unicode_width::UnicodeWidthStr as _;

use crate::{CANNOT_OPEN, FAILED, Failure, WRONG_USAGE, nickname};

/// A password and the end of its line, and then some: what is too long is said by its length.
const PASSWORD_LINE_BYTES_MAX: u64 = 1024;

/// `chinwag account`.
#[derive(Subcommand, Debug)]
pub(crate) enum Account {
    /// Writes all accounts; of a file also since when there is each.
    List(Where),
    /// Makes an account. Its password is the one line of standard input.
    Add(Named),
    /// Gives an account another password: the one line of standard input.
    ///
    /// Whoever is logged in there, or has stayed so, as a browser does, must give it the next time.
    Reset(Named),
    /// Deletes an account, and its ranks in rooms.
    Delete(Named),
}

/// Where accounts are: in a file, or in the engine through which servers share them.
#[derive(Args, Debug)]
#[group(skip)]
#[cfg_attr(
    feature = "relay",
    command(group(ArgGroup::new("place").required(true).args(["data", "relay"])))
)]
pub(crate) struct Where {
    /// The archive.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA", value_hint = ValueHint::FilePath)]
    #[cfg_attr(
        feature = "relay",
        arg(required_unless_present = "relay", conflicts_with = "relay")
    )]
    #[cfg_attr(not(feature = "relay"), arg(required = true))]
    data: Option<PathBuf>,
    /// The Redis or Valkey through which servers share their rooms, as they are told it.
    ///
    /// What is done counts at all of them at once, and also if none is there.
    #[cfg(feature = "relay")]
    #[arg(long, value_name = "URL", env = "CHINWAG_RELAY", hide_env_values = true)]
    relay: Option<Engine>,
    /// Whom to trust to be the engine of --relay rediss://…, or to vouch for it: certificates, in
    /// PEM.
    #[cfg(feature = "relay")]
    #[arg(long, value_name = "FILE", env = "CHINWAG_RELAY_CA", requires = "relay")]
    #[arg(value_hint = ValueHint::FilePath)]
    relay_ca: Option<PathBuf>,
}

/// Where accounts are, and one of them.
#[derive(Args, Debug)]
pub(crate) struct Named {
    #[command(flatten)]
    accounts: Where,
    /// The name of the account, in any spelling of it.
    #[arg(value_name = "NAME", value_parser = nickname)]
    name: Nickname,
}

/// The same, and it makes sense.
enum Place {
    File(PathBuf),
    #[cfg(feature = "relay")]
    Shared(Relay),
}

impl Account {
    /// Does it, and says what came of it.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let failed = |error: AccountsError| failure(&error);
        match self {
            Account::List(accounts) => accounts.place()?.list().map_err(failed),
            Account::Add(Named { accounts, name }) => {
                let (place, password) = (accounts.place()?, read_password()?);
                let name = place.add(&name, &password).map_err(failed)?;
                Ok(format!("{name} is an account now.\n"))
            }
            Account::Reset(Named { accounts, name }) => {
                let (place, password) = (accounts.place()?, read_password()?);
                let name = place.reset(&name, &password).map_err(failed)?;
                Ok(format!("{name} has another password now.\n"))
            }
            Account::Delete(Named { accounts, name }) => {
                let name = accounts.place()?.delete(&name).map_err(failed)?;
                Ok(format!("{name} is no account any more.\n"))
            }
        }
    }
}

impl Where {
    fn place(self) -> Result<Place, Failure> {
        #[cfg(feature = "relay")]
        if let Some(engine) = self.relay {
            // It is no server, but what makes no sense for one makes none here.
            let relay = Relay { engine, label: "account".to_owned(), ca: self.relay_ca };
            let config = Config { relay: Some(relay.clone()), ..Config::default() };
            config.check().map_err(|error| (WRONG_USAGE, format!("{error}. Try --help.")))?;
            return Ok(Place::Shared(relay));
        }
        let missing = || (WRONG_USAGE, "--data is missing. Try --help.".to_owned());
        self.data.map(Place::File).ok_or_else(missing)
    }
}

impl Place {
    fn list(&self) -> Result<String, AccountsError> {
        match self {
            Place::File(file) => {
                let all = accounts::list_accounts(file)?;
                let all: Vec<_> = all.into_iter().map(|it| (it.name, Some(it.since))).collect();
                Ok(table(&all))
            }
            #[cfg(feature = "relay")]
            Place::Shared(relay) => {
                let all = visit::list_accounts(relay)?;
                let all: Vec<_> = all.into_iter().map(|name| (name, None)).collect();
                Ok(table(&all))
            }
        }
    }

    fn add(&self, name: &Nickname, password: &str) -> Result<Nickname, AccountsError> {
        match self {
            Place::File(file) => {
                let added = accounts::add_account(file, name, password, present().unix_seconds);
                added.map(|()| name.clone())
            }
            #[cfg(feature = "relay")]
            Place::Shared(relay) => {
                visit::change_account(relay, name, Wish::Added(hash(password)?))
            }
        }
    }

    fn reset(&self, name: &Nickname, password: &str) -> Result<Nickname, AccountsError> {
        match self {
            Place::File(file) => accounts::reset_account(file, name, password),
            #[cfg(feature = "relay")]
            Place::Shared(relay) => {
                visit::change_account(relay, name, Wish::Reset(hash(password)?))
            }
        }
    }

    fn delete(&self, name: &Nickname) -> Result<Nickname, AccountsError> {
        match self {
            Place::File(file) => accounts::delete_account(file, name),
            #[cfg(feature = "relay")]
            Place::Shared(relay) => visit::change_account(relay, name, Wish::Deleted),
        }
    }
}

fn hash(password: &str) -> Result<String, AccountsError> {
    hash_password(password).ok_or(AccountsError::System)
}

/// `chinwag hash-password`.
pub(crate) fn hash_password_of_stdin() -> Result<String, Failure> {
    let hash = hash(&read_password()?).map_err(|error| failure(&error))?;
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

/// All accounts, and since when there is each, where that is known.
fn table(accounts: &[(Nickname, Option<u64>)]) -> String {
    let widths = accounts.iter().map(|(name, _)| name.as_str().width());
    let Some(width) = widths.max() else { return "There are no accounts.\n".to_owned() };
    let row = |name: &str, since: &str| {
        let gap = " ".repeat(width.max(4).saturating_sub(name.width()));
        format!("{name}{gap}  {since}").trim_end().to_owned() + "\n"
    };
    let are_known = accounts.iter().any(|(_, since)| since.is_some());
    let rows = accounts.iter().map(|(name, since)| {
        let since = since.map(date).unwrap_or_default();
        row(name.as_str(), &since)
    });
    row("NAME", if are_known { "SINCE (UTC)" } else { "" }) + &rows.collect::<String>()
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
        AccountsError::Open(_) | AccountsError::Engine(_) => CANNOT_OPEN,
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
        let account = |name: &str, since| (Nickname::parse(name).unwrap(), since);
        let [alice, other] = ["alice", "\u{7231}\u{4e3d}\u{4e1d}"];
        let told = table(&[account(alice, Some(1_767_225_660)), account(other, Some(0))]);
        let rows = [
            "NAME    SINCE (UTC)",
            "alice   2026-01-01 00:01",
            "\u{7231}\u{4e3d}\u{4e1d}  1970-01-01 00:00",
            "",
        ];
        assert_eq!(told, rows.join("\n"));
        let told = table(&[account(alice, None), account(other, None)]);
        assert_eq!(told, format!("NAME\n{alice}\n{other}\n"));
        assert_eq!(date(u64::MAX), u64::MAX.to_string());
    }
}
