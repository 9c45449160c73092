//! What an IRC client can ask for, by the first word of its message.

/// How many parameters a command needs, and whether it can be given before somebody has a name.
#[derive(Clone, Copy, Debug)]
struct Rule {
    name: &'static str,
    verb: Verb,
    parameters_min: usize,
    before_name: bool,
}

macro_rules! verbs {
    ($($verb:ident $name:literal $parameters_min:literal $before_name:literal,)+) => {
        /// The first word of a message.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the command of that name")]
        pub enum Verb {
            /// Nothing has been asked for yet, or something that there is not.
            #[default]
            Unknown,
            $($verb,)+
        }

        const RULES: &[Rule] = &[$(Rule {
            name: $name,
            verb: Verb::$verb,
            parameters_min: $parameters_min,
            before_name: $before_name,
        },)+];
    };
}

// What comes most often comes first.
verbs! {
    Privmsg "PRIVMSG" 0 false,
    Notice "NOTICE" 0 false,
    TagMsg "TAGMSG" 1 false,
    Ping "PING" 0 true,
    Pong "PONG" 0 true,
    Cap "CAP" 0 true,
    Pass "PASS" 1 true,
    Nick "NICK" 0 true,
    User "USER" 4 true,
    Authenticate "AUTHENTICATE" 1 true,
    Quit "QUIT" 0 true,
    Error "ERROR" 0 true,
    Join "JOIN" 1 false,
    Part "PART" 1 false,
    Topic "TOPIC" 1 false,
    Names "NAMES" 0 false,
    List "LIST" 0 false,
    Invite "INVITE" 0 false,
    Kick "KICK" 2 false,
    Mode "MODE" 1 false,
    Who "WHO" 0 false,
    Whois "WHOIS" 0 false,
    Whowas "WHOWAS" 0 false,
    UserHost "USERHOST" 1 false,
    Ison "ISON" 1 false,
    Monitor "MONITOR" 1 false,
    Away "AWAY" 0 false,
    SetName "SETNAME" 0 false,
    Lusers "LUSERS" 0 false,
    Motd "MOTD" 0 false,
    Version "VERSION" 0 false,
    Time "TIME" 0 false,
    Info "INFO" 0 false,
    Admin "ADMIN" 0 false,
    Links "LINKS" 0 false,
    Stats "STATS" 1 false,
    Help "HELP" 0 true,
    HelpOp "HELPOP" 0 true,
    Oper "OPER" 2 false,
    Kill "KILL" 2 false,
    Rehash "REHASH" 0 false,
    Wallops "WALLOPS" 1 false,
    ChatHistory "CHATHISTORY" 0 false,
    MarkRead "MARKREAD" 0 false,
    Batch "BATCH" 1 false,
    NickServ "NICKSERV" 0 false,
    Ns "NS" 0 false,
}

impl Verb {
    /// The command that a message begins with, in any case.
    pub(crate) fn of(command: &str) -> Verb {
        let rule = RULES.iter().find(|rule| rule.name.eq_ignore_ascii_case(command));
        rule.map_or(Verb::Unknown, |rule| rule.verb)
    }

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        self.rule().map_or("*", |rule| rule.name)
    }

    /// How many parameters it needs, none of the first being empty.
    pub(crate) fn parameters_min(self) -> usize {
        self.rule().map_or(0, |rule| rule.parameters_min)
    }

    /// Whether it can be given before somebody has a name.
    pub(crate) fn is_before_name(self) -> bool {
        self.rule().is_some_and(|rule| rule.before_name)
    }

    /// Whether it says something to somebody.
    pub(crate) fn is_message(self) -> bool {
        matches!(self, Verb::Privmsg | Verb::Notice | Verb::TagMsg | Verb::Batch)
    }

    /// Whether it may be for another server, which is named.
    pub(crate) fn may_name_server(self) -> bool {
        matches!(
            self,
            Verb::Admin | Verb::Info | Verb::Motd | Verb::Stats | Verb::Time | Verb::Version
        )
    }

    /// Whether nobody is ever told that it was not done.
    pub(crate) fn is_silent(self) -> bool {
        matches!(self, Verb::Notice)
    }

    fn rule(self) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.verb == self)
    }
}
