//! What must hold of [`chinwag::dialect::Dialect::parse`]: whatever is sent asks for something, and
//! the words in it are the sender's.

use std::mem::discriminant;

use chinwag::dialect::{Dialect, Stage};
use chinwag::event::Command;
use chinwag::order::{AccountCommand, Moderation};

/// Takes the first line as the sender's name, and the second as a message in every dialect.
pub fn parse_commands(data: &[u8]) {
    let input = String::from_utf8_lossy(data);
    let (given, line) = input.split_once('\n').unwrap_or(("al", &input));
    for dialect in Dialect::ALL {
        for stage in [Stage::Naming, Stage::Chatting] {
            for text in dialect.parse(stage, line, given).flat_map(|command| words(&command)) {
                assert!(is_part(text, line), "{dialect}: {text:?} is not from {line:?}");
            }
        }
    }
    check_lines(line);
    check_older(given, line);
}

/// What a message asks for, which is one thing.
fn one<'a>(dialect: Dialect, stage: Stage, line: &'a str, given: &str) -> Command<'a> {
    let mut commands = dialect.parse(stage, line, given);
    let (Some(command), None) = (commands.next(), commands.next()) else {
        unreachable!("{dialect}: {line:?} is not one command");
    };
    command
}

/// The texts in a command.
fn words<'a>(command: &Command<'a>) -> Vec<&'a str> {
    match *command {
        Command::Say(text)
        | Command::Emote(text)
        | Command::Reply(text)
        | Command::Rename(text)
        | Command::Unignore(text)
        | Command::Invite(text)
        | Command::Search(text)
        | Command::Part(text)
        | Command::Quit(text)
        | Command::Unknown(text) => vec![text],
        Command::Tell { to, text } => vec![to, text],
        Command::Ignore(words) | Command::Join(words) | Command::Topic(words) => {
            words.into_iter().collect()
        }
        Command::Account(asked) => of_account(asked),
        Command::Moderate(asked) => of_moderation(asked),
        // Only browsers ask for these here.
        Command::Resume { .. }
        | Command::Password(_)
        | Command::Lines(_)
        | Command::Who
        | Command::History(_)
        | Command::Forget
        | Command::Rooms
        | Command::Help(_)
        | Command::Misuse(_) => Vec::new(),
    }
}

fn of_account(asked: AccountCommand<'_>) -> Vec<&str> {
    match asked {
        AccountCommand::Register(password) | AccountCommand::Unregister(password) => vec![password],
        AccountCommand::Login { name, password } | AccountCommand::Oper { name, password } => {
            vec![name, password]
        }
        AccountCommand::LoginAgain { name, token } => vec![name, token],
        AccountCommand::SetPassword { old, new } => vec![old, new],
        AccountCommand::Logout => Vec::new(),
    }
}

fn of_moderation(asked: Moderation<'_>) -> Vec<&str> {
    match asked {
        Moderation::Set { what, value } => vec![what, value],
        Moderation::Rank { name, .. } | Moderation::Whois(name) => vec![name],
        Moderation::Kick { name, why } | Moderation::Kill { name, why } => vec![name, why],
        Moderation::Sanction { whom, rest, .. } => vec![whom, rest],
        Moderation::Lift { whom, .. } => vec![whom],
        Moderation::Mask { mask, .. } => vec![mask],
        Moderation::Lock(words) | Moderation::Slow(words) | Moderation::Announce(words) => {
            vec![words]
        }
        Moderation::Settings
        | Moderation::Sanctions { .. }
        | Moderation::Acts
        | Moderation::Reload => Vec::new(),
    }
}

/// Whether `part` is a piece of `whole`, not only equal to one.
fn is_part(part: &str, whole: &str) -> bool {
    let (part, whole) = (part.as_bytes().as_ptr_range(), whole.as_bytes().as_ptr_range());
    // What is empty says nothing, wherever it is from.
    part.is_empty() || whole.start <= part.start && part.end <= whole.end
}

/// In `lines`, a slash in front makes a command and two make a line with one.
fn check_lines(line: &str) {
    let parse = |stage, line| one(Dialect::Lines, stage, line, "");
    let command = parse(Stage::Chatting, line);
    if line.starts_with("//") {
        assert_eq!(command, Command::Say(&line[1..]));
    } else if line.starts_with('/') {
        assert!(!matches!(command, Command::Say(_)), "{line:?} is never said");
    } else if let Command::Say(said) = command {
        assert_eq!(said, line);
    } else {
        let trimmed = line.trim().to_ascii_lowercase();
        assert!(["quit", "exit", "#", "&"].contains(&&*trimmed), "{line:?} is a line");
    }
    // The case of a command's name says nothing.
    let end = line.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.len());
    for stage in [Stage::Naming, Stage::Chatting] {
        let loud = line[..end].to_ascii_uppercase() + &line[end..];
        let kind = |line| discriminant(&one(Dialect::Lines, stage, line, ""));
        assert_eq!(kind(line), kind(&loud), "{line:?} and {loud:?}");
    }
    let naming = parse(Stage::Naming, line);
    assert!(
        matches!(naming, Command::Rename(_) | Command::Quit(_) | Command::Help(_)),
        "{naming:?} from somebody who has no name"
    );
}

/// The older clients' habits.
fn check_older(given: &str, line: &str) {
    let parse = |dialect, line| one(dialect, Stage::Chatting, line, given);
    // One leading name is taken off, never two.
    for (dialect, separator) in [(Dialect::Nick, ": "), (Dialect::Datagram, " : ")] {
        let prefixed = format!("{given}{separator}{line}");
        let leaves = dialect == Dialect::Datagram && line.trim().eq_ignore_ascii_case("exit");
        if !given.is_empty() && !leaves {
            let command = one(dialect, Stage::Chatting, &prefixed, given);
            assert_eq!(command, Command::Say(line), "{dialect}");
        }
    }
    // What is meant for one person is never said to all.
    if line.contains('@') {
        let command = parse(Dialect::Mention, line);
        assert!(matches!(command, Command::Tell { .. } | Command::Misuse(_)), "{command:?}");
    }
    if line.trim().is_empty() {
        assert_eq!(parse(Dialect::Anonymous, line), Command::Quit(""), "a blank line leaves");
    }
    let quits = line.trim().eq_ignore_ascii_case("quit");
    let register = parse(Dialect::Register, line);
    assert_eq!(register, if quits { Command::Quit("") } else { Command::Say(line) });
}
