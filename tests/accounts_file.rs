//! Accounts by the command line, and operators in the configuration: `chinwag account`, also while
//! a server uses the file, `chinwag hash-password`, and `[operators]`.

#![cfg(feature = "data")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says so by a panic"
)]

mod common;
#[path = "common/running.rs"]
mod running;

use std::fs;

use common::{Folder, Process, Server, chinwag};
use running::{PASSWORD, does, is_refused, run};

#[test]
fn accounts_are_added_and_deleted_while_a_server_runs() {
    let folder = Folder::new("accounts-running");
    let file = folder.file("chat.db");
    let data = format!("--data={}", file.display());
    let mut server = Server::start(&[&data]);
    let account = |task: &'static str, name: &'static str| ["account", task, &data, name];
    does(&["account", "list", &data], "", "There are no accounts.");
    does(&account("add", "Alice"), "correct horse\n", "Alice is an account now.");
    does(&account("add", "鲍勃"), "correct horse", "鲍勃 is an account now.");
    server.log().waits_for("accounts changed outside");
    for taken in ["alice", "A1ice"] {
        let args = account("add", taken);
        is_refused(&args, b"correct horse", 1, "there is an account Alice already");
    }
    let told = |args: &[&str]| {
        let (code, out, _) = run(args, b"");
        assert_eq!(code, Some(0), "{out}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let list = told(&["account", "list", &data]);
    assert_eq!(list[0], "NAME   SINCE (UTC)");
    assert!(list[1].starts_with("Alice  2") && list[1].len() == "Alice  2026-01-01 00:00".len());
    assert!(list[2].starts_with("鲍勃   2") && list.len() == 3, "{list:?}");
    does(&account("reset", "alice"), "correct horse\r\n", "Alice has another password now.");
    does(&account("delete", "ALICE"), "", "Alice is no account any more.");
    server.log().waits_for("0 added, 1 deleted");
    for task in ["reset", "delete"] {
        let args = account(task, "alice");
        is_refused(&args, b"correct horse", 1, "there is no account alice");
    }
    // It is also told by the variable, and there when no server is.
    server.kill();
    let mut command = chinwag();
    command.args(["account", "list"]).env("CHINWAG_DATA", &file);
    let mut process = Process::spawn(command);
    assert_eq!((process.wait(), process.stdout.lines_at_the_end().len()), (Some(0), 2));
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
        assert!(!found, "a password is kept as it is");
    }
}

#[test]
fn what_cannot_be_an_account_is_said_in_one_sentence() {
    let folder = Folder::new("accounts-refused");
    let at = |name: &str| format!("--data={}", folder.file(name).display());
    let (missing, foreign, empty) = (at("none.db"), at("foreign.db"), at("empty.db"));
    fs::write(folder.file("foreign.db"), "Dear diary, this is no database. ".repeat(200)).unwrap();
    fs::write(folder.file("empty.db"), "").unwrap();
    for (data, words) in [
        (&missing, "there is no such file or folder; check --data"),
        (&foreign, "it is not a file of chinwag"),
        (&empty, "it is not a file of chinwag"),
        (&format!("--data={}", folder.path().display()), "it is not a regular file"),
    ] {
        is_refused(&["account", "list", data], b"", 3, words);
        is_refused(&["account", "add", data, "alice"], b"correct horse", 3, words);
        is_refused(&["account", "reset", data, "alice"], b"correct horse", 3, words);
        is_refused(&["account", "delete", data, "alice"], b"", 3, words);
    }
    assert!(!folder.file("none.db").exists(), "nothing is made");
    let add = ["account", "add", &missing, "alice"];
    let length = "it must have 8 to 128 bytes";
    for (input, words) in [
        (&b""[..], length),
        (b"\n", length),
        (b"1234567\n", length),
        (&[b'x'; 129], length),
        (&[b'x'; 100_000], length),
        (b"correct horse\nbattery staple\n", "it has more than one line"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", "it is not UTF-8 text"),
    ] {
        is_refused(&add, input, 2, words);
        is_refused(&["hash-password"], input, 2, words);
    }
    for name in ["", "a b", "server", "-x"] {
        is_refused(&["account", "add", &missing, "--", name], b"correct horse", 2, "Try --help");
    }
    is_refused(&["account", "list"], b"", 2, "--data");
    is_refused(&["account", "delete", &missing], b"", 2, "NAME");
    let (code, ..) = run(&["account"], b"");
    assert_eq!(code, Some(2));
}

#[test]
fn an_operator_stands_in_the_file_with_a_hash() {
    let folder = Folder::new("accounts-operators");
    let path = folder.file("chinwag.toml");
    let config = format!("--config={}", path.display());
    let (code, hash, _) = run(&["hash-password"], b"correct horse\n");
    assert!(code == Some(0) && hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(run(&["hash-password"], b"correct horse\n").1, hash, "each has its own salt");
    let text = format!(
        "accounts = \"off\"\noperator = [\"carol\", \"dave\"]\ninsecure-passwords = true\n\
         [operators]\nalice = \"{hash}\"\n\"鲍勃\" = '{hash}'\n"
    );
    fs::write(&path, text).unwrap();
    let (code, told, _) = run(&["check-config", &config], b"");
    assert_eq!(code, Some(0), "{told}");
    let changed = "Not as usual: --accounts, --operator, [operators], --insecure-passwords.";
    assert!(told.contains(changed), "{told}");
    let short = hash.split('$').take(5).collect::<Vec<_>>().join("$");
    let other = hash.replace("argon2id", "argon2i");
    for (text, words) in [
        (
            "history = 3\n[operators]\nalice = \"correct horse\"\n".to_owned(),
            "line 3, column 9: what alice is set to is no password hash; chinwag hash-password",
        ),
        (format!("[operators]\nalice = \"{short}\"\n"), "line 2, column 9: "),
        (format!("[operators]\nalice = \"{other}\"\n"), "of another kind than argon2id"),
        (format!("operators.alice = \"x{hash}\"\n"), "line 1, column 19: "),
        (format!("[operators]\nalice = [\"{hash}\"]\n"), "column 9: the password hash of alice"),
        ("[operators.alice]\nhash = \"x\"\n".to_owned(), "line 1, column 1: a value is a text"),
        (
            format!("[operators]\nalice = \"{hash}\"\nA1ice = \"{hash}\"\n"),
            "line 3, column 1: A1ice is there twice",
        ),
        (format!("[operators]\n\"a b\" = \"{hash}\"\n"), "line 2, column 1: a b: a nickname"),
        ("operators = true\n".to_owned(), "line 1, column 13: operators is a table"),
        ("[history]\nlines = 3\n".to_owned(), "history is a flag, and no table"),
        ("accounts = \"some\"\n".to_owned(), "line 1, column 12: invalid value 'some'"),
        ("operator = \"a b\"\n".to_owned(), "line 1, column 12: invalid value 'a b'"),
        ("accounts = \"required\"\n".to_owned(), "--accounts required needs --data"),
        (
            "accounts = \"required\"\nclassic = true\ndata = \"chat.db\"\n".to_owned(),
            "let everybody in there with --classic-open",
        ),
    ] {
        fs::write(&path, &text).unwrap();
        is_refused(&["check-config", &config], b"", 2, words);
        is_refused(&[&config], b"", 2, words);
    }
}

#[cfg(unix)]
#[test]
fn who_is_an_operator_is_read_again() {
    let folder = Folder::new("accounts-again");
    let path = folder.file("chinwag.toml");
    let hash = run(&["hash-password"], b"correct horse\n").1;
    let data = format!("data = '{}'\naccounts = \"off\"\n", folder.file("chat.db").display());
    fs::write(&path, &data).unwrap();
    let mut server = Server::start(&["--config", path.to_str().unwrap()]);
    fs::write(&path, format!("{data}[operators]\nalice = \"correct horse\"\n")).unwrap();
    server.signal("HUP");
    let line = server.log().waits_for("configuration not read again");
    assert!(line.contains("line 4, column 9") && !line.contains(PASSWORD), "{line}");
    // Only now somebody looks after accounts, also after those from before.
    let data_flag = format!("--data={}", folder.file("chat.db").display());
    let add = ["account", "add", &data_flag, "alice"];
    does(&add, "correct horse", "alice is an account now.");
    let on = data.replace("off", "optional");
    fs::write(&path, format!("{on}operator = \"bob\"\n[operators]\nalice = \"{hash}\"\n")).unwrap();
    server.signal("HUP");
    let changed = "configuration read again: --accounts, --operator, [operators] changed";
    server.log().waits_for(changed);
    server.log().waits_for("accounts changed outside: 1 added, 0 deleted");
    does(&["account", "delete", &data_flag, "alice"], "", "alice is no account any more.");
    server.log().waits_for("accounts changed outside: 0 added, 1 deleted");
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(!folder.file("chat.db-wal").exists(), "whoever had the file has closed it");
}
