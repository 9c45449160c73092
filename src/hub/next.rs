//! What follows: where servers share their rooms, what somebody has asked for is done when a line
//! of the log has come back, and what is to be done for them then is a [`Next`].

use super::Hub;
use super::connection::Connection;
use super::returning::{Keyed, Known};
use crate::archive::AccountRequest;
use crate::chat::{Applied, Conflict, Fact, Leaving, Proposed, Standing, UserKey};
use crate::dialect::Dialect;
use crate::event::{Event, Refusal};
use crate::key::ConnectionKey;
use crate::nickname::Nickname;
use crate::token::Token;

/// What is to be done for somebody when it is known what has become of a proposal.
#[derive(Debug)]
pub(super) enum Next {
    /// They have a name, or are asked for another.
    Named { name: Nickname },
    /// They have a name, or get another: that with the first suffix from this on.
    Suffixed { name: Nickname, number: u32, standing: Box<Standing> },
    /// They have come with an IRC client, and have its nickname, or are asked for another.
    NamedIrc { name: Nickname },
    /// They are in, and listened to.
    Entered,
    /// They are told if it was not done, and that it was if they gave a key.
    Asked { wanted: Option<Nickname>, is_line: bool, given: Option<String> },
    /// They are where they wanted to go, or go back.
    Went { room: Nickname, back: Option<Nickname> },
    /// Those whom it hits are put out.
    Sanctioned { by: UserKey, proposed: Box<Proposed> },
    /// They are told how many lines are forgotten.
    Forgot,
    /// An account is as they want it, or not.
    Account { request: Box<AccountRequest> },
    /// They are who they were at another server, in this dialect, or have come too late.
    Took { user: UserKey, token: Token, known: Box<[Known]>, dialect: Dialect },
}

impl Hub {
    /// It is known what has become of what somebody has asked for; perhaps they have gone.
    pub(super) fn go_on(&mut self, (key, next): (ConnectionKey, Next), applied: &Applied) {
        match (&next, applied) {
            (Next::Took { user, token, known, dialect }, Applied::Moved { .. }) => {
                return self.took((key, *dialect), *user, (token, known));
            }
            (_, Applied::Connected(user)) => return self.has_name(key, *user),
            _ => {}
        }
        if !self.is_heard(key) {
            return;
        }
        match applied {
            Applied::Refused(conflict) => self.has_failed(key, next, *conflict),
            applied => self.has_happened(key, next, applied),
        }
        self.arm(key);
    }

    fn is_heard(&self, key: ConnectionKey) -> bool {
        self.connections.get(key).is_some_and(Connection::is_heard)
    }

    fn has_name(&mut self, key: ConnectionKey, user: UserKey) {
        if self.is_heard(key) {
            self.named(key, user);
            self.arm(key);
        } else {
            self.propose(Fact::Left { user, why: Leaving::Plain });
        }
    }

    fn has_happened(&mut self, key: ConnectionKey, next: Next, applied: &Applied) {
        match (next, applied) {
            (Next::Entered, _) => self.process_if_read(key),
            (Next::Asked { wanted, is_line, given }, applied) => {
                self.answer_keyed(key, applied, (wanted.as_ref(), is_line, given));
            }
            (Next::Sanctioned { by, proposed }, _) => self.put_out_hit(by, &proposed),
            (Next::Account { request }, _) => self.account_is_shared(key, *request),
            (Next::Forgot, Applied::Forgot(lines)) => {
                self.tell(key, None, &Event::Forgotten(*lines));
            }
            _ => {}
        }
    }

    fn has_failed(&mut self, key: ConnectionKey, next: Next, conflict: Conflict) {
        match next {
            Next::Named { name } => self.refuse_name(key, &name, conflict),
            Next::NamedIrc { name } => self.refuse_irc_name(key, &name, (conflict, None)),
            Next::Suffixed { name, number, standing } => match conflict {
                Conflict::NameTaken | Conflict::Registered => {
                    self.join_with(key, (&name, number), &standing);
                }
                conflict => self.keep_out(key, None, conflict),
            },
            Next::Entered => self.process_if_read(key),
            Next::Asked { wanted, is_line, given } => {
                let user = self.connections[key].user();
                let said = given.as_deref().and_then(|given| self.said_elsewhere(user?, given));
                if let (Some(id), Some(given)) = (said, &given) {
                    return self.tell(key, None, &Event::Acked { key: given, id });
                }
                let applied = Applied::Refused(conflict);
                self.answer_keyed(key, &applied, (wanted.as_ref(), is_line, given));
            }
            Next::Went { room, back } => self.could_not_go(key, &room, back),
            Next::Sanctioned { .. } => self.refuse(key, Refusal::NotSaid),
            Next::Took { .. } => self.refuse_token(key),
            Next::Account { request } => self.account_is_not_shared(key, &request, conflict),
            Next::Forgot => {}
        }
    }

    /// Tells somebody what has become of what they asked for under a key.
    fn answer_keyed(
        &mut self,
        key: ConnectionKey,
        applied: &Applied,
        (wanted, is_line, given): (Option<&Nickname>, bool, Option<String>),
    ) {
        self.keyed = given.map(|given| Keyed::new(key, given));
        self.answer_asked(key, applied, (wanted, is_line));
        self.keyed = None;
    }
}
