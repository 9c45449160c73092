//! Numerics: the answers of a server that clients know by a number, with the text that people are
//! shown, and how they are written. The names are those of Modern IRC.

use std::fmt::Write as _;

use super::encode::cut;
use super::{LINE_BYTES_MAX, SERVER};

/// A numeric: its number, and its text unless that is each answer's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numeric(pub(crate) &'static str, pub(crate) &'static str);

macro_rules! numerics {
    ($($name:ident = $code:literal $text:literal,)+) => {
        $(pub(crate) const $name: Numeric = Numeric($code, $text);)+
    };
}

numerics! {
    RPL_WELCOME = "001" "",
    RPL_YOURHOST = "002" "",
    RPL_CREATED = "003" "",
    RPL_MYINFO = "004" "",
    RPL_ISUPPORT = "005" "are supported by this server",
    RPL_ENDOFSTATS = "219" "End of STATS report",
    RPL_UMODEIS = "221" "",
    RPL_STATSUPTIME = "242" "",
    RPL_LUSERCLIENT = "251" "",
    RPL_LUSEROP = "252" "operators online",
    RPL_LUSERUNKNOWN = "253" "connections without a name",
    RPL_LUSERCHANNELS = "254" "channels formed",
    RPL_LUSERME = "255" "",
    RPL_LOCALUSERS = "265" "",
    RPL_GLOBALUSERS = "266" "",
    RPL_AWAY = "301" "",
    RPL_USERHOST = "302" "",
    RPL_ISON = "303" "",
    RPL_UNAWAY = "305" "You are not marked as away any more",
    RPL_NOWAWAY = "306" "You are marked as away",
    RPL_WHOISUSER = "311" "",
    RPL_WHOISSERVER = "312" "chinwag",
    RPL_WHOISOPERATOR = "313" "is an operator of the server",
    RPL_WHOWASUSER = "314" "",
    RPL_ENDOFWHO = "315" "End of WHO list",
    RPL_WHOISIDLE = "317" "seconds idle, signon time",
    RPL_ENDOFWHOIS = "318" "End of WHOIS list",
    RPL_WHOISCHANNELS = "319" "",
    RPL_LISTSTART = "321" "Users  Name",
    RPL_LIST = "322" "",
    RPL_LISTEND = "323" "End of LIST",
    RPL_CHANNELMODEIS = "324" "",
    RPL_CREATIONTIME = "329" "",
    RPL_WHOISACCOUNT = "330" "is logged in as",
    RPL_NOTOPIC = "331" "No topic is set",
    RPL_TOPIC = "332" "",
    RPL_TOPICWHOTIME = "333" "",
    RPL_INVITELIST = "336" "",
    RPL_ENDOFINVITELIST = "337" "End of INVITE list",
    RPL_INVITING = "341" "",
    RPL_VERSION = "351" "",
    RPL_WHOREPLY = "352" "",
    RPL_NAMREPLY = "353" "",
    RPL_WHOSPCRPL = "354" "",
    RPL_ENDOFNAMES = "366" "End of NAMES list",
    RPL_LINKS = "364" "0 chinwag",
    RPL_ENDOFLINKS = "365" "End of LINKS list",
    RPL_BANLIST = "367" "",
    RPL_ENDOFBANLIST = "368" "End of channel ban list",
    RPL_ENDOFWHOWAS = "369" "End of WHOWAS",
    RPL_INFO = "371" "",
    RPL_MOTD = "372" "",
    RPL_ENDOFINFO = "374" "End of INFO list",
    RPL_MOTDSTART = "375" "",
    RPL_ENDOFMOTD = "376" "End of MOTD command",
    RPL_WHOISHOST = "378" "",
    RPL_YOUREOPER = "381" "You are an operator of the server now",
    RPL_REHASHING = "382" "The configuration is read again",
    RPL_TIME = "391" "",
    ERR_NOSUCHNICK = "401" "No such nick",
    ERR_NOSUCHSERVER = "402" "No such server",
    ERR_NOSUCHCHANNEL = "403" "No such channel",
    ERR_CANNOTSENDTOCHAN = "404" "Cannot send to channel",
    ERR_TOOMANYCHANNELS = "405" "You have joined too many channels",
    ERR_WASNOSUCHNICK = "406" "There was no such nickname",
    ERR_TOOMANYTARGETS = "407" "Too many targets",
    ERR_NOORIGIN = "409" "No origin specified",
    ERR_INVALIDCAPCMD = "410" "Invalid CAP command",
    ERR_NORECIPIENT = "411" "No recipient given",
    ERR_NOTEXTTOSEND = "412" "No text to send",
    ERR_INPUTTOOLONG = "417" "Input line was too long",
    ERR_UNKNOWNCOMMAND = "421" "Unknown command",
    ERR_NOMOTD = "422" "There is no message of the day",
    ERR_NOADMININFO = "423" "Nothing is known of who looks after this server",
    ERR_NONICKNAMEGIVEN = "431" "No nickname given",
    ERR_ERRONEUSNICKNAME = "432" "",
    ERR_NICKNAMEINUSE = "433" "Nickname is already in use",
    ERR_USERNOTINCHANNEL = "441" "They are not on that channel",
    ERR_NOTONCHANNEL = "442" "You are not on that channel",
    ERR_USERONCHANNEL = "443" "is already on channel",
    ERR_NOTREGISTERED = "451" "You have not registered",
    ERR_NEEDMOREPARAMS = "461" "Not enough parameters",
    ERR_ALREADYREGISTERED = "462" "You are registered already",
    ERR_PASSWDMISMATCH = "464" "Password incorrect",
    ERR_YOUREBANNEDCREEP = "465" "",
    ERR_CHANNELISFULL = "471" "Cannot join channel (+l)",
    ERR_UNKNOWNMODE = "472" "is an unknown mode",
    ERR_INVITEONLYCHAN = "473" "Cannot join channel (+i)",
    ERR_BANNEDFROMCHAN = "474" "Cannot join channel (+b)",
    ERR_BADCHANNELKEY = "475" "Cannot join channel (+k)",
    ERR_BADCHANMASK = "476" "That cannot be the name of a channel",
    ERR_BANLISTFULL = "478" "Channel list is full",
    ERR_NOPRIVILEGES = "481" "Only an operator of the server may do that",
    ERR_CHANOPRIVSNEEDED = "482" "You are not an operator of that channel",
    ERR_NOOPERHOST = "491" "There are no operators with passwords here",
    ERR_UMODEUNKNOWNFLAG = "501" "Unknown user mode",
    ERR_USERSDONTMATCH = "502" "These are the modes of somebody else",
    ERR_HELPNOTFOUND = "524" "There is no help for that",
    ERR_INVALIDKEY = "525" "That cannot be a key",
    RPL_WHOISSECURE = "671" "is using a secure connection",
    ERR_INVALIDMODEPARAM = "696" "",
    RPL_HELPSTART = "704" "",
    RPL_HELPTXT = "705" "",
    RPL_ENDOFHELP = "706" "End of help",
    RPL_MONONLINE = "730" "",
    RPL_MONOFFLINE = "731" "",
    RPL_MONLIST = "732" "",
    RPL_ENDOFMONLIST = "733" "End of MONITOR list",
    ERR_MONLISTFULL = "734" "The monitor list is full",
    RPL_LOGGEDIN = "900" "",
    RPL_LOGGEDOUT = "901" "You are logged out",
    RPL_SASLSUCCESS = "903" "SASL authentication successful",
    ERR_SASLFAIL = "904" "SASL authentication failed",
    ERR_SASLTOOLONG = "905" "SASL message too long",
    ERR_SASLABORTED = "906" "SASL authentication aborted",
    ERR_SASLALREADY = "907" "You are logged in already",
    RPL_SASLMECHS = "908" "are available SASL mechanisms",
}

/// Answers to one client, appended to its bytes.
pub(crate) struct Replies<'a> {
    /// What the client is called, or `*`.
    pub(crate) nick: &'a str,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Replies<'_> {
    /// A numeric with its parameters, and its own text if it has one.
    pub(crate) fn tell(&mut self, numeric: Numeric, parameters: &[&str]) {
        let start = self.begin(numeric, parameters);
        if !numeric.1.is_empty() {
            self.write(&[" :", numeric.1]);
        }
        end_line(self.out, start);
    }

    /// A numeric with its parameters and a text of this answer's.
    pub(crate) fn say(&mut self, numeric: Numeric, parameters: &[&str], text: &str) {
        let start = self.begin(numeric, parameters);
        self.write(&[" :", text]);
        end_line(self.out, start);
    }

    /// What is set for a room: the modes, and what belongs to them behind spaces.
    pub(crate) fn modes(&mut self, room: &str, modes: &str) {
        let parameters: Vec<_> = [room].into_iter().chain(modes.split(' ')).collect();
        self.tell(RPL_CHANNELMODEIS, &parameters);
    }

    /// Anything else that the server says.
    pub(crate) fn server(&mut self, words: &[&str]) {
        let start = self.out.len();
        self.write(&[":", SERVER, " "]);
        self.write(words);
        end_line(self.out, start);
    }

    /// A notice of the server's.
    pub(crate) fn notice(&mut self, text: &str) {
        self.server(&["NOTICE ", self.nick, " :", text]);
    }

    /// Returns where the line begins.
    fn begin(&mut self, Numeric(code, _): Numeric, parameters: &[&str]) -> usize {
        let start = self.out.len();
        self.write(&[":", SERVER, " ", code, " ", self.nick]);
        for parameter in parameters {
            self.write(&[" ", one_word(parameter)]);
        }
        start
    }

    fn write(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }
}

/// A parameter before the last one, as it can be told: `*` for what clients would read as something
/// else, since it has a space in it, begins with a colon or is empty.
pub(crate) fn one_word(parameter: &str) -> &str {
    let is_one = !parameter.is_empty() && !parameter.starts_with(':') && !parameter.contains(' ');
    if is_one { parameter } else { "*" }
}

/// Ends the line that begins at `start`, without its tags. What does not fit into a line of the
/// protocol is left out, but for what people say: of a long topic of other dialects, its end.
pub(crate) fn end_line(out: &mut Vec<u8>, start: usize) {
    if out.len() - start > LINE_BYTES_MAX - 2 {
        let line = String::from_utf8_lossy(&out[start..]);
        let fits = cut(&line, LINE_BYTES_MAX - 2).0.len();
        out.truncate(start + fits);
    }
    out.extend_from_slice(b"\r\n");
}

/// Words that are told in as few lines as they fit into, each of which begins in the same way.
pub(crate) struct Lines<F> {
    head: F,
    line: String,
    bytes_max: usize,
    between: char,
    /// Nothing has been told yet: then there is at least one line.
    is_first: bool,
}

impl<F: Fn(bool) -> String> Lines<F> {
    /// `head` gives what a line begins with, and is told whether it is the last one.
    pub(crate) fn new(head: F) -> Lines<F> {
        let bytes_max = LINE_BYTES_MAX - 2;
        Lines { head, line: String::new(), bytes_max, between: ' ', is_first: true }
    }

    /// The same, however long a line gets.
    pub(crate) fn unbounded(self) -> Lines<F> {
        Lines { bytes_max: usize::MAX, ..self }
    }

    /// The same, with another character between two words.
    pub(crate) fn between(self, between: char) -> Lines<F> {
        Lines { between, ..self }
    }

    /// Adds a word.
    pub(crate) fn push(&mut self, word: &str, out: &mut Vec<u8>) {
        let head_bytes = (self.head)(false).len();
        let is_full = head_bytes + self.line.len() + 1 + word.len() > self.bytes_max;
        if is_full && !self.line.is_empty() {
            self.tell(false, out);
        }
        if !self.line.is_empty() {
            self.line.push(self.between);
        }
        self.line.push_str(word);
    }

    /// Tells what is left; if there is nothing at all, one line without words.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        if self.is_first || !self.line.is_empty() {
            self.tell(true, out);
        }
    }

    /// Tells what is left, if there is anything.
    pub(crate) fn finish_unless_empty(mut self, out: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.tell(true, out);
        }
    }

    fn tell(&mut self, is_last: bool, out: &mut Vec<u8>) {
        out.extend_from_slice((self.head)(is_last).as_bytes());
        out.extend_from_slice(self.line.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.line.clear();
        self.is_first = false;
    }
}

/// A time as `server-time` has it: `2026-11-27T14:05:09.000Z`.
pub(crate) fn write_time(out: &mut String, unix_seconds: u64, millis: u16) {
    let seconds_of_day = unix_seconds % 86_400;
    let (hour, minute, second) =
        (seconds_of_day / 3600, seconds_of_day / 60 % 60, seconds_of_day % 60);
    let day = crate::text::day_of(unix_seconds);
    // Writing to a String cannot fail.
    let _ = write!(out, "{day}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
}
