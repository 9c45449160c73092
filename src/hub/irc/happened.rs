//! What happened between the lines of a room, told again to clients that ask for it
//! (`draft/event-playback`): in the words in which it was told at first.

use std::net::Ipv4Addr;

use crate::author::{Author, Host};
use crate::chat::{Happening, What};
use crate::dialect::irc::caps::Caps;
use crate::dialect::irc::encode::encode_again;
use crate::dialect::{About, Dialect, Lang};
use crate::event::{Change, Event, Parting, Said, TopicView};
use crate::hub::Hub;
use crate::hub::moderation::removal_words;
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::order::{Occurrence, Removal};
use crate::span::Placed;

/// What lies behind in a room: what was said, or happened.
#[derive(Clone, Debug)]
pub(super) enum Past {
    Said(Said),
    Happened(Happening),
}

impl Past {
    /// The line that it is, if it is one.
    pub(super) fn line(self) -> Option<Said> {
        match self {
            Past::Said(said) => Some(said),
            Past::Happened(_) => None,
        }
    }
}

impl Placed for Past {
    fn id(&self) -> u64 {
        match self {
            Past::Said(said) => said.id,
            Past::Happened(it) => it.id,
        }
    }

    fn unix_millis(&self) -> u64 {
        match self {
            Past::Said(said) => said.unix_millis(),
            Past::Happened(it) => it.unix_millis(),
        }
    }
}

/// Lines and what happened between them, in the order of their numbers.
pub(super) fn past(lines: Vec<Said>, happened: impl IntoIterator<Item = Happening>) -> Vec<Past> {
    let happened = happened.into_iter().map(Past::Happened);
    let mut past: Vec<_> = lines.into_iter().map(Past::Said).chain(happened).collect();
    past.sort_by_key(Placed::id);
    past
}

impl Hub {
    /// Whether a client wants to know of more than lines. Outside a batch it would take what is
    /// told again for what happens now.
    pub(super) fn wants_happenings(&self, key: ConnectionKey) -> bool {
        let caps = self.caps_of(key);
        caps.has(Caps::EVENT_PLAYBACK) && caps.has(Caps::BATCH)
    }
}

/// Tells again what happened in a room, as a client that speaks so is told it.
pub(super) fn encode(reader: (Dialect, Lang), room: &str, it: &Happening, out: &mut Vec<u8>) {
    let Happening { id, at: (at, millis), what, from, mask: _, whom, text } = it;
    let names = [Nickname::unchecked(from)];
    let words = if text.is_empty() { Parting::Plain } else { Parting::Words(text) };
    let removal;
    let event = match *what {
        What::Joined(_) => Event::Joined { names: &names, count: 0 },
        What::Parted => Event::Left { names: &names, why: words, count: 0, is_gone: false },
        What::Left(why) => Event::Changed(Change::Gone(why.map_or(words, Parting::Reason))),
        What::Removed(how) => {
            removal = removal_words(how, whom, text);
            Event::Changed(Change::Removed(&removal))
        }
        What::Kicked => {
            let (name, by, why, how) = (whom, from, text, Removal::Kick);
            let (count, is_gone) = (0, false);
            Event::Order(Occurrence::Removed { name, how, by, why, count, is_gone })
        }
        What::Renamed => Event::Renamed { old: from, new: whom },
        What::Topic => Event::TopicSet(TopicView { text, by: from, at: *at }),
        What::Mode => Event::Changed(Change::Mode(text)),
    };
    let author = author_of(it);
    let (at, millis, authors) = (*at, *millis, author.as_slice());
    let about = About { room: Some(room), at, millis, authors, ..About::default() };
    encode_again(reader, &about, (&event, *id), out);
}

/// Who did it; `None` if that was nobody.
fn author_of(it: &Happening) -> Option<Author<'_>> {
    let Happening { what, from, mask, whom, text, .. } = it;
    let rank = if let What::Joined(rank) = what { *rank } else { None };
    // What is said of somebody who comes is their own.
    let is_coming = matches!(what, What::Joined(_));
    let account = Some(whom.as_str()).filter(|account| is_coming && !account.is_empty());
    let real_name = if is_coming && !text.is_empty() { text } else { from };
    (!from.is_empty()).then_some(Author {
        name: from,
        user: "",
        // That is in the mask.
        host: Host { address: Ipv4Addr::UNSPECIFIED.into(), cloak: None },
        mask: Some(mask),
        account,
        real_name,
        away: None,
        rank,
        told_apart: false,
    })
}
