//! The reckoning: each client is held against the order of what happened, and the clients are held
//! against each other.

use std::mem;

use chinwag::config::Config;
use chinwag::dialect::Dialect;

use super::classic_checker::ClassicChecker;
use super::client::Client;
use super::codec_model::{self, Ask};
use super::decoder_model::Message;
use super::irc_checker::IrcChecker;
use super::lines::{self, Line, Naming, Wish};
use super::lines_checker::{Findings, Letter, LinesChecker};
use super::names;
use super::order::{Order, WITNESS, What};
use super::outlaw;
use super::wanderer::Wanderer;
use super::wanderer_checker;

/// Checks everyone. `here` says that whoever has not gone is there, and nothing is underway.
/// `counted` are the lines and deliveries that the server has counted.
/// If `verbose`, tells what happened and what there is to know of each client, by the numbers that
/// both have here.
pub(crate) fn check(
    (clients, wanderers): (&[Client], &[Wanderer]),
    order: &Order,
    config: &Config,
    counted: (u64, u64),
    (here, verbose): (bool, bool),
) {
    if verbose {
        order.print();
    }
    let check = |client: &Client| {
        if verbose {
            // If something is wrong with one, it is whoever was told of last.
            client.print();
        }
        let here = here && !client.gone && !client.broke;
        if client.id == WITNESS && client.is_browser() {
            return order.of_witness();
        }
        if client.is_wanderer || client.is_outlaw() {
            return Findings::default();
        }
        check_acts(client, order, config);
        match client.dialect {
            _ if client.is_irc() => IrcChecker::through(client, order, here && !client.eof),
            _ if client.is_visitor() => client.visited(here && !client.eof),
            _ if client.has_commands() => {
                LinesChecker::through(client, order, config, here && !client.eof)
            }
            _ => ClassicChecker::through(client, order, config, here && !client.eof),
        }
    };
    let mut findings: Vec<_> = clients.iter().map(check).collect();
    for wanderer in wanderers {
        let limits = &config.limits;
        wanderer_checker::check(wanderer, (clients, here), (order, limits), &mut findings);
    }
    for (client, found) in
        clients.iter().zip(&findings).filter(|(it, _)| !it.is_wanderer && !it.is_outlaw())
    {
        let excuse = client.broke || client.slow || client.impolite;
        // Whoever must not be told all at once may be too slow although it always reads.
        let too_slow = order.left_for(client.id) == Some("too slow") && client.is_slow();
        let excuse = excuse || too_slow || client.is_held_back() || client.cut_off;
        assert!(found.whole || excuse, "client {} was cut off", client.id);
    }
    find_senders(clients, &mut findings, order);
    clients.iter().filter(|it| it.is_outlaw()).for_each(|it| outlaw::check(it, order, &findings));
    check_letters(&findings, order);
    check_counts(&findings, clients, order, counted);
}

/// What a client said and how it left, as the room was told, must be what it asked for: all of it
/// in order up to some point, and nothing else.
fn check_acts(client: &Client, order: &Order, config: &Config) {
    let all = order.events.iter().zip(&order.by);
    let acts: Vec<_> = all.filter(|(_, by)| **by == client.id).map(|(act, _)| act).collect();
    let Some((What::Came(name), _)) = acts.first() else {
        return assert!(acts.is_empty(), "something from nobody: {acts:?}");
    };
    let mut wishes = match client.dialect {
        _ if client.has_commands() => wishes(client, name),
        _ => asked(client, name, config),
    };
    // Whoever goes to another room leaves the one that they are in.
    let (mut joined, mut left, mut reason) = (0, 0, None);
    for (what, _) in &acts[1..] {
        let is_over = reason.is_some() && !client.moves();
        assert!(!is_over || matches!(what, What::Went(_)), "{what:?} after leaving");
        match what {
            What::Said { text, emote, .. } => {
                let said = (text.clone(), *emote);
                if client.is_irc() {
                    // Their own walk knows what was to be said where.
                } else if client.is_lossy() {
                    assert!(wishes.any(|wish| wish == said), "client {} said {said:?}", client.id);
                } else {
                    assert_eq!(Some(said), wishes.next(), "client {} said", client.id);
                }
            }
            What::Left { why, .. } => {
                left += 1;
                assert!(left == joined || client.moves(), "client {} left twice", client.id);
                reason = Some(why.clone().or(reason.flatten()));
            }
            What::Joined(_) => {
                joined += 1;
                assert!(joined == 1 || client.moves(), "{what:?} twice");
            }
            What::Renamed { .. } | What::Topic { .. } | What::Cut(_) | What::Went(_) => {}
            What::Came(_) | What::Back(_) | What::Stopping => panic!("{what:?} by somebody"),
        }
    }
    assert!(left <= joined, "client {} left more rooms than it was in", client.id);
    if let Some(why) = reason.filter(|_| left == joined) {
        check_reason(client, why.as_deref(), config);
    }
    check_pace(&acts[1..], config);
}

type Sayings<'a> = Box<dyn Iterator<Item = (String, bool)> + 'a>;

/// All that a client wanted to say when it had come in as `name`, and whether as an emote.
fn wishes<'a>(client: &'a Client, name: &'a str) -> Sayings<'a> {
    let wishes = client
        .lines
        .iter()
        .skip_while(
            move |line| !matches!(&line.naming, Naming::Attempt(tried) if tried.shown == *name),
        )
        .skip(1)
        .map(|line| &line.wish)
        .take_while(|wish| !matches!(wish, Wish::Quit(_) | Wish::Endless | Wish::Violation(_)))
        .filter_map(|wish| match wish {
            Wish::Say(text) if !lines::is_blank(text) => Some((text.clone(), false)),
            Wish::Emote(text) => Some((text.clone(), true)),
            _ => None,
        });
    Box::new(wishes)
}

/// The same of an older dialect, by what the server has read.
fn asked<'a>(client: &'a Client, name: &'a str, config: &Config) -> Sayings<'a> {
    let (codec_model, max) = (codec_model::of(client.dialect), config.limits.line_bytes_max);
    let mut inside = client.dialect == Dialect::Anonymous;
    let mut given = String::new();
    let asks = client.decoder_model.messages.iter().map(move |message| {
        let ask = codec_model.understand(message, inside, &given, max);
        match &ask {
            Ask::Name(typed) | Ask::Introduce(typed, _) if !inside => {
                let asked = client.dialect == Dialect::Register;
                inside = !asked || names::shown(typed) == name;
                given.clone_from(typed);
            }
            _ => {}
        }
        ask
    });
    // What leaves may have been lost too.
    let ends = |ask: &Ask| matches!(ask, Ask::Quit | Ask::Unterminated | Ask::WrongProtocol);
    let heard = asks.take_while(move |ask| client.is_lossy() || !ends(ask));
    Box::new(heard.filter_map(|ask| match ask {
        Ask::Say(text) | Ask::Introduce(_, text) if !lines::is_blank(&text) => Some((text, false)),
        _ => None,
    }))
}

/// The reason for leaving that the others were told must be one that there was.
fn check_reason(client: &Client, why: Option<&str>, config: &Config) {
    let said = |words: &str| {
        let said = |wish: &Wish| matches!(wish, Wish::Quit(said) if said == words);
        client.lines.iter().any(|line| said(&line.wish))
    };
    let asked = |what: &Ask| {
        !client.has_commands() && {
            let codec_model = codec_model::of(client.dialect);
            let max = config.limits.line_bytes_max;
            let asks = client
                .decoder_model
                .messages
                .iter()
                .map(|m| codec_model.understand(m, true, "", max));
            asks.into_iter().any(|ask| ask == *what || ask == Ask::WrongProtocol)
                || client.dialect == Dialect::Datagram
        }
    };
    let fits = match why {
        None => {
            let ended = client.ended_input() || client.socket.dropped || client.is_broken();
            let parts = |line: &Line| matches!(line.wish, Wish::Part);
            let is_somewhere_else = client.is_irc() && client.lines.iter().any(parts);
            ended || said("") || asked(&Ask::Quit) || is_somewhere_else
        }
        Some("connection lost") => client.broke || client.is_broken(),
        Some("too slow") => client.is_slow(),
        Some("no line end") => {
            client.lines.iter().any(|line| matches!(line.wish, Wish::Endless))
                || client.decoder_model.messages.contains(&Message::Unterminated)
        }
        Some("timed out") => client.dialect == Dialect::Datagram || client.is_browser(),
        Some("protocol error") => {
            client.lines.iter().any(|line| matches!(line.wish, Wish::Violation(_)))
        }
        Some(words) => said(words),
    };
    assert!(fits, "client {} left: {why:?}", client.id);
}

/// Nobody says more than the flood limit allows: a burst, and then the pace. Only a last line that
/// the end of input leaves without an end is heard at once.
fn check_pace(acts: &[&(What, chinwag::Now)], config: &Config) {
    let Some(flood) = config.limits.flood else { return };
    let each = flood.per / flood.lines;
    let is_free = |what: &What| matches!(what, What::Left { .. } | What::Cut(_) | What::Went(_));
    let said = acts.iter().filter(|(what, _)| !is_free(what));
    // To come into the first room costs nothing.
    let times: Vec<_> = said.skip(1).map(|(_, now)| now.instant).collect();
    for burst in times.windows(flood.lines as usize + 2) {
        let (first, last) = (burst[0], burst[burst.len() - 1]);
        assert!(last - first >= each, "{} lines at once", burst.len());
    }
}

/// Those without a name of their own are called alike, one after the other. Of an IRC client, and
/// of who is cut off at times, it is not known which of them was there when it was written to: it
/// is one who has written that.
fn find_senders(clients: &[Client], findings: &mut [Findings], order: &Order) {
    let guesses = clients.iter().filter(|it| it.is_irc() || it.is_wanderer);
    let places: Vec<_> = guesses.map(|it| it.id).collect();
    for place in places {
        let mut got = mem::take(&mut findings[place].got);
        for letter in &mut got {
            let has_written = |by: &usize| {
                let may_be = |sent: &Letter| sent.to == letter.to || !sent.sure;
                findings[*by].sent.iter().any(|sent| sent.text == letter.text && may_be(sent))
            };
            if !has_written(&letter.from) {
                let sender = order.namesakes(letter.from).find(has_written);
                letter.from = sender.unwrap_or(letter.from);
            }
        }
        findings[place].got = got;
    }
}

/// Each private message reaches the one that it was for, as often as it was sent, and nobody else.
fn check_letters(findings: &[Findings], order: &Order) {
    let same = |a: &Letter, b: &Letter| (a.from, a.to, &a.text) == (b.from, b.to, &b.text);
    for sent in findings.iter().flat_map(|found| &found.sent) {
        let to = &findings[sent.to];
        let got: Vec<_> = to.got.iter().filter(|got| same(got, sent)).collect();
        // Of what may have been for somebody else of that name, each may have been for them.
        let may_be = |other: &&Letter| {
            same(other, sent) || !other.sure && (other.from, &other.text) == (sent.from, &sent.text)
        };
        let times = findings[sent.from].sent.iter().filter(may_be).count();
        // Of invitations, which have the same words, not all that were sent may be known.
        let excuse = sent.text.starts_with("come to #") && !findings[sent.from].whole;
        assert!(excuse || got.len() <= times, "a private message twice: {sent:?}");
        let met = got.iter().any(|got| meet(got.span, sent.span));
        match got.first() {
            Some(_) if met => {}
            // Only invitations are sent twice in the same words.
            Some(first) if times == 1 => panic!("out of order: {sent:?} and {first:?}"),
            _ => {
                // Whoever is cut off gets it when they are back, if they ever are.
                let is_cut = order.is_cut_before(sent.to, sent.span.1 + 1);
                let excuse = !to.whole || !sent.sure || is_cut || is_deaf(to, sent);
                assert!(excuse, "lost: {sent:?}");
            }
        }
    }
    for got in findings.iter().flat_map(|found| &found.got) {
        let from = &findings[got.from];
        let may_be = |sent: &Letter| same(got, sent) || (!sent.sure && sent.text == got.text);
        let sent = from.sent.iter().any(may_be);
        assert!(sent || !from.whole, "never sent: {got:?}");
    }
}

/// Whether `to` may not have heard from whom a letter came when it came.
fn is_deaf(to: &Findings, letter: &Letter) -> bool {
    let then = to.deaf.iter().filter(|(_, span)| meet(*span, letter.span));
    then.into_iter().any(|(deaf, _)| deaf.contains(&letter.from))
}

/// The server has counted what was said and who heard it: as many as did, and perhaps those whose
/// connection broke before it came.
fn check_counts(findings: &[Findings], clients: &[Client], order: &Order, counted: (u64, u64)) {
    let said = |events: &[(What, chinwag::Now)]| {
        events.iter().filter(|(what, _)| matches!(what, What::Said { .. })).count()
    };
    assert_eq!(counted.0, said(&order.events) as u64, "lines");
    let least: usize = findings.iter().map(|found| found.heard).sum();
    let lost =
        clients.iter().zip(findings).filter(|(_, found)| !found.whole).map(|(client, found)| {
            let mut rooms = 0;
            let lost = |at: &usize| {
                let (what, mine) = (&order.events[*at].0, order.by[*at] == client.id);
                match what {
                    What::Joined(_) if mine => rooms |= order.rooms[*at],
                    What::Left { .. } if mine => rooms &= !order.rooms[*at],
                    _ => {}
                }
                let is_said = matches!(what, What::Said { .. });
                *at >= found.at && is_said && order.rooms[*at] & rooms != 0
            };
            (0..order.events.len()).filter(lost).count()
        });
    let heard = least as u64..=(least + lost.sum::<usize>()) as u64;
    assert!(heard.contains(&counted.1), "{} deliveries, but {heard:?} were heard", counted.1);
}

fn meet(one: (usize, usize), other: (usize, usize)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}
