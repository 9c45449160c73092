//! Messages of several lines (`draft/multiline`): an IRC client sends them in a batch, and they are
//! said one after the other, without anybody else's line between them. IRC clients that can take it
//! are told them in a batch as well, whatever they were said with.

use std::borrow::Cow;

use crate::author::Extra;
use crate::chat::UserKey;
use crate::dialect::irc::caps::{Caps, MULTILINE_BYTES_MAX, MULTILINE_LINES_MAX};
use crate::dialect::irc::message::Message;
use crate::dialect::irc::{Batch, Verb, format};
use crate::event::Command;
use crate::hub::Hub;
use crate::hub::irc::lines::Said;
use crate::key::ConnectionKey;
use crate::text;

/// What makes a batch a message of several lines.
const KIND: &str = "draft/multiline";

impl Hub {
    /// `BATCH`: lines that are one message begin or end.
    pub(super) fn irc_batch(
        &mut self,
        (key, user): (ConnectionKey, UserKey),
        message: &Message<'_>,
    ) {
        let given = message.parameters();
        let label = self.label_of(key, message).map(Cow::into_owned);
        let Some(session) = self.connections[key].session.irc_mut() else { return };
        if let Some(reference) = given[0].strip_prefix('+') {
            let kind = given.get(1).copied().unwrap_or_default();
            if kind != KIND {
                return self.fail(
                    key,
                    Verb::Batch,
                    "UNKNOWN_TYPE",
                    (&[kind], "That kind is not known here"),
                );
            }
            let Some(target) = given.get(2).filter(|it| !it.is_empty() && !reference.is_empty())
            else {
                let why = "A message needs a reference and a target";
                return self.fail(key, Verb::Batch, "MULTILINE_INVALID", (&[], why));
            };
            if session.batch.as_ref().is_some_and(|batch| !batch.is_refused) {
                let why = "Another message has not ended";
                return self.fail(key, Verb::Batch, "MULTILINE_INVALID", (&[reference], why));
            }
            session.batch = Some(Box::new(Batch {
                reference: reference.to_owned(),
                target: (*target).to_owned(),
                tags: message.client_tags(),
                label,
                lines: Vec::new(),
                is_refused: false,
                is_notice: false,
            }));
        } else if let Some(reference) = given[0].strip_prefix('-')
            && let Some(batch) = session.batch.take_if(|batch| batch.reference == reference)
        {
            if batch.is_refused {
                return; // that was told at once
            }
            let waits = self.begin_answer(key);
            self.irc.apart = batch.label.is_some().then(Vec::new);
            self.say_batch((key, user), &batch);
            self.end_answer(key, batch.label.as_deref(), waits);
        } else {
            let why = "There is no such batch";
            self.fail(key, Verb::Batch, "MULTILINE_INVALID", (&[given[0]], why));
        }
    }

    /// Keeps a line that is part of a message of several. Returns whether it is.
    pub(super) fn keep_in_batch(
        &mut self,
        key: ConnectionKey,
        verb: Verb,
        message: &Message<'_>,
    ) -> bool {
        let Some(reference) = message.tag("batch") else { return false };
        let has_batches = self.caps_of(key).has(Caps::MULTILINE);
        let Some(session) = self.connections[key].session.irc_mut() else { return false };
        let is_open = |batch: &&mut Box<Batch>| {
            batch.reference == *reference || has_batches && !batch.is_refused
        };
        let Some(batch) = session.batch.as_mut().filter(is_open) else {
            if has_batches {
                let (code, why) = ("MULTILINE_INVALID", "There is no such batch");
                self.fail(key, Verb::Batch, code, (&[], why));
            }
            return has_batches;
        };
        if batch.is_refused {
            return true;
        }
        let (given, goes_on) = (message.parameters(), message.has_tag("draft/multiline-concat"));
        let target = given.first().copied().unwrap_or_default();
        let line = given.get(1).copied().unwrap_or_default();
        let bytes: usize = batch.lines.iter().map(|(line, _)| line.len() + 1).sum();
        let refused = if batch.reference != *reference {
            Some(("MULTILINE_INVALID", Vec::new(), "That line is of another batch"))
        } else if !target.eq_ignore_ascii_case(&batch.target) {
            let targets = vec![batch.target.clone(), target.to_owned()];
            Some(("MULTILINE_INVALID_TARGET", targets, "All lines of a message go to one"))
        } else if verb == Verb::TagMsg || goes_on && line.is_empty() {
            Some(("MULTILINE_INVALID", Vec::new(), "Only lines of text make a message"))
        } else if bytes + line.len() > MULTILINE_BYTES_MAX {
            let max = vec![MULTILINE_BYTES_MAX.to_string()];
            Some(("MULTILINE_MAX_BYTES", max, "That message is too long"))
        } else if batch.lines.len() >= MULTILINE_LINES_MAX {
            let max = vec![MULTILINE_LINES_MAX.to_string()];
            Some(("MULTILINE_MAX_LINES", max, "That message is too long"))
        } else {
            None
        };
        if let Some((code, context, why)) = refused {
            (batch.is_refused, batch.lines) = (true, Vec::new());
            let label = batch.label.take();
            let waits = self.begin_answer(key);
            let context: Vec<_> = context.iter().map(String::as_str).collect();
            self.fail(key, Verb::Batch, code, (&context, why));
            self.end_answer(key, label.as_deref(), waits);
        } else {
            batch.is_notice = verb == Verb::Notice;
            batch.lines.push((line.to_owned(), goes_on));
        }
        true
    }

    /// Says a message of several lines: to a room at once, to others line by line.
    fn say_batch(&mut self, who: (ConnectionKey, UserKey), batch: &Batch) {
        // Each line, and the pieces in which it came.
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for (piece, goes_on) in &batch.lines {
            match lines.last_mut().filter(|_| *goes_on) {
                Some((line, pieces)) => {
                    line.push_str(piece);
                    pieces.push(format::cleaned(piece));
                }
                None => lines.push((piece.clone(), vec![format::cleaned(piece)])),
            }
        }
        let plain: Vec<_> =
            lines.iter().map(|(line, _)| format::plain(line).into_owned()).collect();
        let seen = text::seen(&plain);
        let blank = seen.start;
        let (lines, plain) = (&lines[seen.clone()], &plain[seen]);
        if plain.is_empty() {
            let why = "There are blank lines only";
            return self.fail(who.0, Verb::Batch, "MULTILINE_INVALID", (&[], why));
        }
        let has_pieces = blank > 0 || lines.iter().any(|(_, pieces)| pieces.len() > 1);
        if !batch.target.starts_with('#') || plain.len() == 1 && !has_pieces {
            for ((line, _), _) in lines.iter().zip(plain).filter(|(_, it)| !text::is_blank(it)) {
                let said = Said::new(line, batch.tags.clone(), batch.is_notice);
                self.irc_say(who, &batch.target, &said);
            }
            return;
        }
        let is_formatted = plain.iter().zip(lines).any(|(plain, (line, _))| plain != line);
        let mut formatted = String::new();
        if is_formatted || has_pieces {
            let lines = lines.iter().map(|(_, pieces)| pieces.join(&Extra::PIECE.to_string()));
            formatted = Extra::BLANK.to_string().repeat(blank);
            formatted += &lines.collect::<Vec<_>>().join("\n");
        }
        self.saying = Some(Box::new(Extra {
            formatted: formatted.into(),
            tags: batch.tags.as_str().into(),
            is_notice: batch.is_notice,
            part: None,
        }));
        self.execute_command(who.0, Some(&batch.target), Command::Lines(plain));
        self.saying = None;
    }
}
