//! What is said, kept in plain text: a file for each room, beside one for what belongs to none.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The files, which are opened when there is something to write.
pub(super) struct LogFiles {
    /// As it was given; `None` if nothing is to be kept, or not any more.
    path: Option<PathBuf>,
    zone: TimeZone,
    files: HashMap<PathBuf, File>,
}

impl LogFiles {
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn open(path: Option<PathBuf>, zone: TimeZone) -> io::Result<LogFiles> {
        let mut files = HashMap::new();
        if let Some(path) = &path {
            files.insert(path.clone(), open(path)?);
        }
        Ok(LogFiles { path, zone, files })
    }

    /// Adds a line to the file of its room. Of a text with several lines the others are indented,
    /// so that none looks like another's.
    ///
    /// # Errors
    /// If that cannot be done: which file, and why. Nothing more is kept then.
    pub(super) fn write(&mut self, room: Option<&str>, at: i64, text: &str) -> Result<(), String> {
        let Some(path) = &self.path else { return Ok(()) };
        let path = room.map_or_else(|| path.clone(), |room| path_of(path, room));
        let at = Timestamp::from_second(at).unwrap_or_default().to_zoned(self.zone.clone());
        let line =
            format!("{} {}\n", at.strftime("%Y-%m-%d %H:%M:%S"), text.replace('\n', "\n    "));
        let file = match self.files.remove(&path) {
            Some(file) => Ok(file),
            None => open(&path),
        };
        let written = file.and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                self.files.insert(path, file);
                Ok(())
            }
            Err(error) => {
                self.path = None;
                Err(format!("{}: {error}", path.display()))
            }
        }
    }
}

/// Opens a file to add to it. Others on the machine need not read it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The file of a room: its name stands before the ending, and nothing in it leads elsewhere.
fn path_of(path: &Path, room: &str) -> PathBuf {
    let name = room.trim_start_matches('#').chars().map(|c| match c {
        c if c.is_alphanumeric() || "-_".contains(c) => c.to_string(),
        c => format!("%{:X}", u32::from(c)),
    });
    let mut file = path.file_stem().unwrap_or_default().to_owned();
    file.push(".");
    file.push(name.collect::<String>());
    if let Some(ending) = path.extension() {
        file.push(".");
        file.push(ending);
    }
    path.with_file_name(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_has_a_file_beside_that_of_all() {
        let of = |room| path_of(Path::new("logs/chat.log"), room);
        assert_eq!(of("#ops"), Path::new("logs/chat.ops.log"));
        assert_eq!(of("#王"), Path::new("logs/chat.王.log"));
        assert_eq!(of("#../x"), Path::new("logs/chat.%2E%2E%2Fx.log"));
        assert_eq!(path_of(Path::new("chat"), "#ops"), Path::new("chat.ops"));
    }
}
