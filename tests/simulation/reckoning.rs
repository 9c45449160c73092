//! The reckoning: each client is held against the order of what happened, and the clients are held
//! against each other.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chinwag::config::Config;

use super::client::Client;
use super::lines::{Naming, Wish};
use super::names;
use super::order::{Order, Owners, What};
use super::walk::{Findings, Letter, Walk};

/// Checks everyone. `here` says that whoever has not gone is there, and nothing is underway.
pub(crate) fn check(
    clients: &[Client],
    order: &Order,
    owners: &Owners,
    config: &Config,
    here: bool,
) {
    let findings: Vec<_> = clients
        .iter()
        .map(|client| {
            let walk = || {
                let here = here && !client.gone && !client.broke;
                check_acts(client, order, owners, config);
                Walk::through(client, order, owners, config, here && !client.eof)
            };
            catch_unwind(AssertUnwindSafe(walk)).unwrap_or_else(|panic| {
                eprintln!("this was client {}, who received:", client.id);
                eprintln!("{}", String::from_utf8_lossy(&client.received));
                resume_unwind(panic)
            })
        })
        .collect();
    for (client, found) in clients.iter().zip(&findings) {
        let excuse = client.broke || client.slow || client.impolite;
        assert!(found.whole || excuse, "client {} was cut off", client.id);
    }
    check_letters(&findings, owners);
}

/// What a client said and how it left, as the room was told, must be what it asked for: all of it
/// in order up to some point, and nothing else.
fn check_acts(client: &Client, order: &Order, owners: &Owners, config: &Config) {
    let acts: Vec<_> = order
        .events
        .iter()
        .filter(|(what, _)| what.by().is_some_and(|name| owners[name] == client.id))
        .collect();
    let Some((What::Joined(name), _)) = acts.first() else {
        return assert!(acts.is_empty(), "something from nobody: {acts:?}");
    };
    let mut wishes = client
        .lines
        .iter()
        .skip_while(|line| !matches!(&line.naming, Naming::Attempt(tried) if tried.shown == *name))
        .skip(1)
        .map(|line| &line.wish)
        .take_while(|wish| !matches!(wish, Wish::Quit(_) | Wish::Endless))
        .filter_map(|wish| match wish {
            Wish::Say(text) if !text.trim().is_empty() => Some((text, false)),
            Wish::Emote(text) => Some((text, true)),
            _ => None,
        });
    let mut gone = false;
    for (what, _) in &acts[1..] {
        assert!(!gone, "{what:?} after leaving");
        match what {
            What::Said { text, emote, .. } => {
                assert_eq!(Some((text, *emote)), wishes.next(), "client {} said", client.id);
            }
            What::Left { why, .. } => {
                gone = true;
                check_reason(client, why.as_deref());
            }
            What::Renamed { .. } => {}
            What::Joined(_) | What::Stopping => panic!("{what:?} twice"),
        }
    }
    check_pace(&acts[1..], config);
}

/// The reason for leaving that the others were told must be one that there was.
fn check_reason(client: &Client, why: Option<&str>) {
    let said = |words: &str| {
        let said = |wish: &Wish| matches!(wish, Wish::Quit(said) if said == words);
        client.lines.iter().any(|line| said(&line.wish))
    };
    let fits = match why {
        None => client.ended_input() || said("") || client.socket.dropped || client.is_broken(),
        Some("connection lost") => client.broke || client.is_broken(),
        Some("too slow") => client.slow,
        Some("no line end") => client.lines.iter().any(|line| matches!(line.wish, Wish::Endless)),
        Some(words) => said(words),
    };
    assert!(fits, "client {} left: {why:?}", client.id);
}

/// Nobody says more than the flood limit allows: a burst, and then the pace. Only a last line that
/// the end of input leaves without an end is heard at once.
fn check_pace(acts: &[&(What, chinwag::Now)], config: &Config) {
    let Some(flood) = config.limits.flood else { return };
    let each = flood.per / flood.lines;
    let said = acts.iter().filter(|(what, _)| !matches!(what, What::Left { .. }));
    let times: Vec<_> = said.map(|(_, now)| now.instant).collect();
    for burst in times.windows(flood.lines as usize + 2) {
        let (first, last) = (burst[0], burst[burst.len() - 1]);
        assert!(last - first >= each, "{} lines at once", burst.len());
    }
}

/// Each private message reaches the one that it was for, once, and nobody else.
fn check_letters(findings: &[Findings], owners: &Owners) {
    let same = |a: &Letter, b: &Letter| (a.from, a.to, &a.text) == (b.from, b.to, &b.text);
    for sent in findings.iter().flat_map(|found| &found.sent) {
        let to = &findings[sent.to];
        let got: Vec<_> = to.got.iter().filter(|got| same(got, sent)).collect();
        assert!(got.len() <= 1, "a private message twice: {sent:?}");
        match got.first() {
            Some(got) => assert!(meet(got.span, sent.span), "out of order: {sent:?} and {got:?}"),
            None => assert!(!to.whole || is_deaf(to, sent, owners), "lost: {sent:?}"),
        }
    }
    for got in findings.iter().flat_map(|found| &found.got) {
        let from = &findings[got.from];
        let sent = from.sent.iter().any(|sent| same(got, sent));
        assert!(sent || !from.whole, "never sent: {got:?}");
    }
}

/// Whether `to` may not have heard from whom a letter came when it came.
fn is_deaf(to: &Findings, letter: &Letter, owners: &Owners) -> bool {
    let names = || owners.iter().filter(|(_, id)| **id == letter.from).map(|(name, _)| name);
    to.deaf
        .iter()
        .filter(|(_, span)| meet(*span, letter.span))
        .any(|(deaf, _)| deaf.iter().any(|ignored| names().any(|name| names::same(name, ignored))))
}

fn meet(one: (usize, usize), other: (usize, usize)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}
