//! `chinwag export`, `chinwag import` and `chinwag forget`: what is done with an archive besides
//! serving it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use chinwag::archive::query::parse_date;
use chinwag::archive::transfer::{self, Forget, TransferError};
use chinwag::config::values::RoomName;
use clap::{Args, ValueHint};

use crate::{CANNOT_OPEN, FAILED, Failure, cannot_read};

/// `chinwag export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The archive.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA", value_hint = ValueHint::FilePath)]
    data: PathBuf,
    /// Only what was said in this room.
    #[arg(long, value_name = "NAME")]
    room: Option<RoomName>,
    /// Only what was said then or later, in UTC: 2026-01-31 or 2026-01-31T13:45.
    #[arg(long, value_name = "DATE", value_parser = date)]
    after: Option<u64>,
}

/// `chinwag import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The archive; it is made if there is none. No server may use it.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA", value_hint = ValueHint::FilePath)]
    data: PathBuf,
    /// Where lines were said that do not tell it.
    #[arg(long, value_name = "NAME", default_value = "lobby")]
    room: RoomName,
    /// An export, or a log of ssh-chat or weechat; without it, standard input.
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
}

/// `chinwag forget`.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct ForgetArguments {
    /// The archive.
    #[arg(long, value_name = "FILE", env = "CHINWAG_DATA", value_hint = ValueHint::FilePath)]
    data: PathBuf,
    /// All that was said under this name, in any spelling of it.
    #[arg(value_name = "NAME", required_unless_present = "before", conflicts_with = "before")]
    name: Option<String>,
    /// All that was said before then, in UTC: 2026-01-31 or 2026-01-31T13:45.
    #[arg(long, value_name = "DATE", value_parser = date)]
    before: Option<u64>,
}

fn date(text: &str) -> Result<u64, String> {
    let date = parse_date(text);
    date.ok_or_else(|| "a date is like 2026-01-31 or 2026-01-31T13:45, and not before 1970".into())
}

impl Export {
    /// Writes the archive to standard output.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let room = self.room.as_ref().map(|room| room.0.as_str());
        let mut out = BufWriter::new(io::stdout().lock());
        match transfer::export(&self.data, room, self.after, &mut out) {
            // Whoever reads it has seen enough, as `head` has.
            Err(TransferError::Stream(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            exported => exported.map(drop).map_err(|error| failure(&error)),
        }
    }
}

impl Import {
    /// Takes in a log, and says what came of it.
    pub(crate) fn run(&self) -> Result<String, Failure> {
        let imported = match &self.log {
            Some(log) => {
                let opened = open(log)?;
                transfer::import(&self.data, &self.room.0, &mut BufReader::new(opened))
            }
            None => transfer::import(&self.data, &self.room.0, &mut io::stdin().lock()),
        };
        let done = imported.map_err(|error| failure(&error))?;
        let mut told = format!("{} lines are taken in.\n", done.taken);
        if done.known > 0 {
            told += &format!("{} were there already.\n", done.known);
        }
        if done.skipped > 0 {
            told += &format!("{} are skipped: nothing was said by them.\n", done.skipped);
        }
        Ok(told)
    }
}

fn open(log: &Path) -> Result<File, Failure> {
    let opened = File::open(log).and_then(|file| {
        let is_folder = file.metadata()?.is_dir();
        if is_folder { Err(io::Error::other("it is a folder")) } else { Ok(file) }
    });
    opened.map_err(|error| cannot_read("LOG", log, &error.to_string()))
}

impl ForgetArguments {
    /// Deletes what is to be forgotten, and says how much it was.
    pub(crate) fn run(self) -> Result<String, Failure> {
        let what = match (self.name, self.before) {
            (Some(name), _) => Forget::Name(name),
            (None, before) => Forget::Before(before.unwrap_or_default()),
        };
        let lines = transfer::forget(&self.data, &what).map_err(|error| failure(&error))?;
        Ok(format!("{lines} lines are forgotten.\n"))
    }
}

fn failure(error: &TransferError) -> Failure {
    let code = match error {
        TransferError::Open(_) => CANNOT_OPEN,
        _ => FAILED,
    };
    (code, format!("{error}."))
}
