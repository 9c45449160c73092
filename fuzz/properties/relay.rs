//! What must hold of the log that servers share: whatever stands in it, all make the same of it,
//! and it reaches nobody as it must not.

use std::time::Instant;

use chinwag::Now;
use chinwag::config::Config;
use chinwag::hub::{Hub, Relayed};
#[cfg(feature = "relay")]
use chinwag::relay::{Link, LinkSettings, LogLength, Side, resp::Replies};

use super::words::is_forbidden;

/// When the log began, in milliseconds since 1970.
const BEGAN_MS: u64 = 1_000_000_000_000;

fn now() -> Now {
    Now { instant: Instant::now(), unix_seconds: BEGAN_MS / 1000 }
}

/// A server with this label that has read nothing.
fn hub(label: &str, now: Now) -> Hub {
    let mut hub = Hub::new(&Config::default(), now);
    hub.share_as(label, 1);
    hub.handle_relay_reset(BEGAN_MS, now);
    hub
}

/// The entries of a log in which a line `@NODE SEQ` stands before each.
fn entries_of(log: &str) -> impl Iterator<Item = Relayed<'_>> {
    let entries = log.split("\n@").enumerate().map(|(place, entry)| {
        let (head, lines) = entry.split_once('\n').unwrap_or((entry, ""));
        let (node, seq) = head.split_once(' ').unwrap_or((head, ""));
        let node = node.strip_prefix('@').unwrap_or(node);
        let seq = seq.parse().unwrap_or(place as u64 + 1);
        Relayed { node, seq, at_ms: BEGAN_MS + place as u64 * 1000, lines }
    });
    entries.filter(|entry| !entry.node.is_empty() && !entry.node.contains([' ', '\r']))
}

/// Both know the same.
fn assert_same(one: &Hub, other: &Hub) {
    let states = [one, other].map(Hub::relayed_state);
    let mut lines = states[0].lines().zip(states[1].lines());
    assert_eq!(lines.find(|(one, other)| one != other), None, "{}\n{}", states[0], states[1]);
    assert_eq!(states[0].len(), states[1].len());
}

/// Two servers read the same log; a third begins with a checkpoint at some place of it. All agree at
/// the end.
pub fn relay_log(data: &[u8]) {
    let (Some((checkpoint_at, log)), now) = (data.split_first(), now()) else { return };
    let log = String::from_utf8_lossy(log);
    let [mut one, mut two, mut late] = ["one", "two", "late"].map(|label| hub(label, now));
    let mut is_there = false;
    for (place, entry) in entries_of(&log).enumerate() {
        if place == usize::from(*checkpoint_at) {
            let checkpoint = one.relay_checkpoint();
            assert!(late.handle_relay_checkpoint(&checkpoint), "{checkpoint}");
            is_there = true;
        }
        one.handle_relayed(&entry, now);
        two.handle_relayed(&entry, now);
        if is_there {
            late.handle_relayed(&entry, now);
        }
    }
    assert_same(&one, &two);
    if is_there {
        assert_same(&one, &late);
    }
    let checkpoint = one.relay_checkpoint();
    let bad = checkpoint.chars().find(|c| is_forbidden(*c) && *c != '\n');
    assert_eq!(bad, None, "in {checkpoint}");
}

/// Any text as a checkpoint: what can be read of it is written so that it can be read again.
pub fn relay_checkpoint(data: &[u8]) {
    let (text, now) = (String::from_utf8_lossy(data), now());
    let mut one = hub("one", now);
    if one.handle_relay_checkpoint(&text) {
        let checkpoint = one.relay_checkpoint();
        let mut two = hub("two", now);
        assert!(two.handle_relay_checkpoint(&checkpoint), "{checkpoint}");
    }
}

/// Whatever an engine answers, replies are the same however they are cut, and the link does no more
/// than to lose it.
#[cfg(feature = "relay")]
pub fn relay_replies(data: &[u8]) {
    let whole = replies(data, data.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(whole, replies(data, size), "in pieces of {size}");
    }
    let mut now = now();
    let label = "one".to_owned();
    let (log, secret) = (LogLength::default(), [1; 16]);
    let settings = LinkSettings { label, log, login: None, addresses: 1, seed: 1, secret };
    let mut link = Link::new(settings, now);
    // Each piece is for one side, and some are for both, or stand for a wait.
    for (place, piece) in data.split(|byte| *byte == 0).enumerate() {
        link.handle_timeout(now);
        while let Some((side, _)) = link.poll_dial() {
            link.handle_open(side, now);
        }
        let mut reply = Vec::new();
        match piece {
            // A whole greeting, since nobody guesses that.
            b"greets" => {
                for side in Side::BOTH {
                    reply.clear();
                    reply.extend_from_slice(b"+OK\r\n*1\r\n+master\r\n");
                    let about = "redis_version:7.0.0\r\nrun_id:1\r\n";
                    reply.extend_from_slice(format!("${}\r\n{about}\r\n", about.len()).as_bytes());
                    link.handle_bytes(side, &reply, now);
                }
            }
            b"waits" => now.instant += std::time::Duration::from_secs(1),
            piece => link.handle_bytes(Side::BOTH[place % 2], piece, now),
        }
        while link.poll_event().is_some() {}
        for side in Side::BOTH {
            let sent = link.poll_transmit(side);
            assert!(sent.is_empty() || sent.starts_with(b"*"));
        }
        link.poll_drop();
    }
}

/// What is found in these bytes if so many come at once, and whether it ends with what is no reply.
#[cfg(feature = "relay")]
fn replies(data: &[u8], size: usize) -> (Vec<chinwag::relay::resp::Reply>, bool) {
    let (mut replies, mut found) = (Replies::default(), Vec::new());
    for piece in data.chunks(size.max(1)) {
        replies.extend(piece);
        loop {
            match replies.next_reply() {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
