//! The dialects of five small chat programs in Python, whose own clients work here unmodified. Each
//! file says what is peculiar to its program, and how its messages are framed.

pub(super) mod anonymous;
pub(super) mod datagram;
pub(super) mod mention;
pub(super) mod nick;
pub(super) mod register;

/// Takes off the name that a client puts before each line it sends, once, if it is its own.
fn without_own_name<'a>(line: &'a str, given: &str, separator: &str) -> &'a str {
    let rest = line.strip_prefix(given).and_then(|rest| rest.strip_prefix(separator));
    rest.filter(|_| !given.is_empty()).unwrap_or(line)
}

/// Appends a frame made of parts.
fn frame(out: &mut Vec<u8>, parts: &[&str], end: &str) {
    for part in parts.iter().chain([&end]) {
        out.extend_from_slice(part.as_bytes());
    }
}
