//! The program as a command that does one thing and ends: what goes into it, and what it says.

use std::io::Write as _;

use super::common::{Process, chinwag};

/// It is never to be seen.
pub(crate) const PASSWORD: &str = "correct horse";

/// The exit code, and what was written to standard output and to standard error.
#[track_caller]
pub(crate) fn run(args: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = chinwag();
    command.args(args);
    let mut process = Process::spawn(command);
    // Perhaps nobody reads it.
    let _ = process.stdin.take().unwrap().write_all(input);
    let code = process.wait();
    let [out, error] = [&process.stdout, &process.stderr].map(|it| it.lines_at_the_end());
    assert!(!(out.concat() + &error.concat()).contains(PASSWORD), "{out:?} {error:?}");
    (code, out.join("\n"), error.join("\n"))
}

/// It was done, and this was said.
#[track_caller]
pub(crate) fn does(args: &[&str], input: &str, told: &str) {
    let done = run(args, input.as_bytes());
    assert_eq!(done, (Some(0), told.to_owned(), String::new()), "{args:?}");
}

/// It was refused with this exit code, in one sentence that holds these words.
#[track_caller]
pub(crate) fn is_refused(args: &[&str], input: &[u8], code: i32, words: &str) {
    let (got, out, error) = run(args, input);
    assert_eq!((got, &*out), (Some(code), ""), "{args:?}: {error}");
    let is_sentence = error.lines().count() == 1 && error.ends_with('.');
    assert!(error.contains(words) && is_sentence, "{args:?}: {error}");
}
