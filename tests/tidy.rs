//! The rules of the house that clippy cannot check: how a file opens, how long a line is, and which
//! file may use which. What they are for stands in the messages. How long a function may be, and
//! where the time may be taken, is checked by clippy (`clippy.toml`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Columns of a line.
const COLUMNS_MAX: usize = 100;

/// Bytes of what is downloaded to install this.
const PACKAGE_BYTES_MAX: u64 = 1_000_000;

/// Every Rust file of ours, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "there are no sources in {folder}");
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    ["src", "tests", "examples", "benches"].into_iter().flat_map(sources).collect()
}

/// The part of a file that is not its own tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

#[test]
fn a_file_opens_with_what_it_is() {
    for (path, text) in all_sources() {
        let opens = text.starts_with("//! ");
        assert!(opens, "{} does not open with a paragraph about itself", path.display());
    }
}

#[test]
fn a_line_has_at_most_100_columns() {
    for (path, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            let table = line.trim_start().starts_with("//! |");
            let fits = line.chars().count() <= COLUMNS_MAX;
            assert!(fits || table, "{at} has more than {COLUMNS_MAX}");
        }
    }
}

#[test]
fn the_hub_knows_no_sockets_and_the_sockets_know_no_chat() {
    for (path, text) in sources("src") {
        let text = without_tests(&text);
        let (name, path) = (path.file_name().unwrap().to_str().unwrap(), path.display());
        let is_net = path.to_string().replace('\\', "/").contains("/src/net/");
        let is_server = is_net
            || path.to_string().replace('\\', "/").contains("/src/server/")
            || ["server.rs", "main.rs", "logger.rs", "lib.rs"].contains(&name);
        // The client is at the other end of the wire, and knows only that.
        let is_client = path.to_string().replace('\\', "/").contains("/src/join/");
        let is_archive = path.to_string().replace('\\', "/").contains("/src/archive/");
        let forbidden: &[&str] = match (is_net, is_server) {
            (true, _) => {
                &["crate::hub", "crate::chat", "crate::event", "crate::dialect", "crate::config"]
            }
            (false, true) => &["crate::chat", "crate::delivery"],
            (false, false) if is_client => &["chinwag::hub", "chinwag::turn", "chinwag::archive"],
            // It has threads of its own.
            (false, false) if is_archive => &["mio::", "crate::net", "crate::server"],
            (false, false) => &["mio::", "crate::net", "crate::server", "std::thread"],
        };
        for word in forbidden {
            assert!(!text.contains(word), "{path} must not know of {word}");
        }
    }
}

#[test]
fn a_file_uses_only_what_is_further_down() {
    /// From the top of the house to its ground; a folder is one place.
    const FLOORS: [&str; 15] = [
        "server", "turn", "hub", "chat", "archive", "config", "delivery", "dialect", "event",
        "order", "query", "sanction", "rights", "nickname", "text",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for (path, text) in sources("src") {
        let place = Path::new(path.strip_prefix(&folder).unwrap().iter().next().unwrap());
        let place = place.file_stem().unwrap().to_str().unwrap();
        let Some(floor) = FLOORS.iter().position(|name| *name == place) else { continue };
        seen |= 1 << floor;
        for above in &FLOORS[..floor] {
            let uses = without_tests(&text).contains(&format!("crate::{above}::"));
            assert!(!uses, "{} must not use {above}, which is above it", path.display());
        }
    }
    assert_eq!(seen, (1 << FLOORS.len()) - 1, "a floor has no file");
}

#[test]
fn what_is_installed_is_small() {
    // Where the tests run under wine, Cargo is a program of another system.
    if cfg!(windows) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--offline", "--no-verify", "--allow-dirty", "--target-dir"]);
    let done = cargo.arg(&folder).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let name = concat!(env!("CARGO_PKG_NAME"), "-", env!("CARGO_PKG_VERSION"), ".crate");
    let bytes = fs::metadata(folder.join("package").join(name)).unwrap().len();
    fs::remove_dir_all(&folder).unwrap();
    assert!(
        bytes < PACKAGE_BYTES_MAX,
        "the package has {bytes} bytes; see `exclude` in Cargo.toml"
    );
}
