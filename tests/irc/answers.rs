//! What the texts of Modern IRC and IRCv3 want a server to answer, one small thing after the other.

use crate::client::Irc;
use crate::{dialogue, server};

#[test]
fn what_is_not_one_word_is_never_told_as_one() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    dialogue(
        &mut al,
        &[
            ("JOIN :#a b", &["476 al * :That cannot be the name of a channel"]),
            ("JOIN ::x", &["403 al * :No such channel"]),
            ("PART :#a b", &["403 al * :No such channel"]),
            ("MODE :#a b", &["403 al * :No such channel"]),
            ("NAMES :a b", &["366 al * :End of NAMES list"]),
            ("WHO :a b", &["315 al * :End of WHO list"]),
            ("WHOIS ::x", &["401 al * :No such nick", "318 al * :End of WHOIS list"]),
            ("NICK ::x", &["432 al * :a nickname has a character that is not allowed in one"]),
            ("BATCH :-a b", &["FAIL BATCH MULTILINE_INVALID * :There is no such batch"]),
            ("CHATHISTORY :a b", &["FAIL CHATHISTORY INVALID_PARAMS * :Unknown command"]),
            ("HELP :no such", &["524 al * :There is no help for that"]),
            (
                "MARKREAD :a b",
                &["FAIL MARKREAD INVALID_PARAMS * :That is neither a channel nor a nickname"],
            ),
        ],
    );
}

#[test]
fn a_channel_begins_with_its_sign() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    let none = "403 al c :No such channel";
    dialogue(
        &mut al,
        &[("TOPIC c :x", &[none]), ("INVITE al c", &[none]), ("PART c", &[none]), ("", &[])],
    );
}

#[test]
fn own_modes_are_set_at_once_and_what_is_unknown_is_told_behind() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    dialogue(
        &mut al,
        &[
            ("MODE al +iw", &[":al!al@host MODE al :+iw"]),
            ("MODE al +x-i+i-w", &[":al!al@host MODE al :-i+i-w", "501 al :Unknown user mode"]),
            ("MODE al", &["221 al +i"]),
        ],
    );
}

#[test]
fn who_speaks_a_newer_negotiation_is_always_told_of_capabilities() {
    let server = server(&[]);
    let mut old = Irc::comes_with(&server, "old", "cap-notify batch");
    assert_eq!(old.answers("CAP REQ :-cap-notify"), ["CAP old ACK :-cap-notify"]);
    old.says("CAP LS 302");
    old.sees_until(" CAP old LS ");
    dialogue(
        &mut old,
        &[
            ("CAP REQ :-batch -cap-notify", &["CAP old NAK :-batch -cap-notify"]),
            ("CAP LIST", &["CAP old LIST :batch cap-notify"]),
        ],
    );
}

#[test]
fn whoever_is_invited_can_ask_where() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    al.says("MODE #c +i");
    al.sees(":al!al@host MODE #c +i");
    assert_eq!(al.answers("INVITE bo"), ["461 al INVITE :Not enough parameters"]);
    assert_eq!(al.answers("INVITE bo #c"), ["341 al bo #c"]);
    bo.sees(":al!al@host INVITE bo #c");
    assert_eq!(bo.answers("INVITE"), ["336 bo #c", "337 bo :End of INVITE list"]);
    bo.joins("#c");
    assert_eq!(bo.answers("INVITE"), ["337 bo :End of INVITE list"]);
    bo.says("PART #c");
    bo.sees(":bo!bo@host PART #c");
    assert_eq!(bo.answers("JOIN #c"), ["473 bo #c :Cannot join channel (+i)"], "once only");
}

#[test]
fn a_server_can_be_asked_for_by_its_name() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    for asked in ["ADMIN", "INFO", "MOTD", "STATS u", "TIME", "VERSION"] {
        let none = ["402 al other.example :No such server"];
        assert_eq!(al.answers(&format!("{asked} other.example")), none, "{asked}");
        for name in ["irc.chinwag", "irc.*", "al"] {
            let told = al.answers(&format!("{asked} {name}"));
            assert!(!told[0].starts_with("402 "), "{asked} {name}: {told:?}");
        }
    }
    assert_eq!(al.answers("WHOIS other.example al"), ["402 al other.example :No such server"]);
    assert!(al.answers("WHOIS irc.chinwag al")[0].starts_with("311 al al "));
    let told = al.answers("VERSION");
    let numbers: Vec<_> = told.iter().map(|line| &line[..3]).collect();
    assert_eq!(numbers, ["351", "005", "005"]);
    dialogue(
        &mut al,
        &[
            (
                "LINKS",
                &["364 al irc.chinwag irc.chinwag :0 chinwag", "365 al * :End of LINKS list"],
            ),
            ("ADMIN", &["423 al irc.chinwag :Nothing is known of who looks after this server"]),
            ("STATS", &["461 al STATS :Not enough parameters"]),
            ("STATS x", &["219 al x :End of STATS report"]),
            (
                "HELP QUIT",
                &[
                    "704 al QUIT :What you can do",
                    "705 al QUIT :",
                    "705 al QUIT :QUIT [:why] leaves.",
                    "706 al QUIT :End of help",
                ],
            ),
        ],
    );
    assert!(al.answers("STATS u")[0].starts_with("242 al :Server Up 0 days 0:0"));
}

#[test]
fn targets_that_are_too_many_or_nobody_are_told_of_or_left_out() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    let nobody = |name: &str| format!("401 al {name} :No such nick");
    let told = al.answers("KICK #c v,w,x,y,z");
    let too_many = "407 al z :Too many targets".to_owned();
    assert_eq!(told, [nobody("v"), nobody("w"), nobody("x"), nobody("y"), too_many]);
    let no_text = "412 al :No text to send";
    dialogue(
        &mut al,
        &[
            ("PRIVMSG ,,bo :hi", &[]),
            ("PRIVMSG bo :  ", &[no_text]),
            ("PRIVMSG #c :  ", &[no_text]),
            ("PRIVMSG #c :\x02\x0304\x03", &[no_text]),
            ("PRIVMSG #c :\x01ACTION \x01", &[no_text]),
            ("NOTICE #c :  ", &[]),
        ],
    );
    bo.sees(":al!al@host PRIVMSG bo :hi");
    bo.sees_nothing_more();
}

#[test]
fn what_standard_replies_are_for_is_told_by_them() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "batch draft/multiline");
    al.joins("#c");
    dialogue(
        &mut al,
        &[
            ("CHATHISTORY", &["FAIL CHATHISTORY NEED_MORE_PARAMS :Missing parameters"]),
            ("MARKREAD", &["FAIL MARKREAD NEED_MORE_PARAMS :Missing parameters"]),
            (
                "MARKREAD #c timestamp=2026-01-01",
                &["FAIL MARKREAD INVALID_PARAMS #c :That is no time"],
            ),
            ("SETNAME :", &["FAIL SETNAME INVALID_REALNAME :That is no name"]),
            (
                "BATCH +x draft/multiline",
                &["FAIL BATCH MULTILINE_INVALID :A message needs a reference and a target"],
            ),
            // Who has not asked for labels gets none.
            ("@label=x BATCH +x draft/multiline #c\r\n@batch=x PRIVMSG #c :x\r\nBATCH -x", &[]),
        ],
    );
}

#[test]
fn who_may_not_is_told_so_once_and_by_the_number_for_that() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    bo.joins("#c");
    al.sees(":bo!bo@host JOIN #c");
    al.says("MODE #c +m");
    for client in [&mut al, &mut bo] {
        client.sees(":al!al@host MODE #c +m");
    }
    let text = "This room is moderated: only operators and the voiced may speak.";
    let operator_only = "482 bo #c :You are not an operator of that channel";
    dialogue(
        &mut bo,
        &[
            ("TOPIC #c :x", &[&format!("482 bo #c :{text}")]),
            ("PRIVMSG #c :x", &[&format!("404 bo #c :{text}")]),
            ("MODE #c +bbv a b bo", &[operator_only]),
            ("MODE #c b-nt", &[operator_only, "368 bo #c :End of channel ban list"]),
        ],
    );
    al.says("MODE #c -oo al al");
    al.sees(":al!al@host MODE #c -o al");
    assert_eq!(al.answers(""), ["482 al #c :You are not an operator of that channel"]);
}

#[test]
fn a_ban_is_one_word_that_can_be_listed_and_the_list_has_an_end() {
    let server = server(&["--flood", "0"]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    let needs = "This mode needs another parameter";
    let long = "x".repeat(201);
    dialogue(
        &mut al,
        &[
            ("MODE #c +b :", &["368 al #c :End of channel ban list"]),
            ("MODE #c +b :a b", &[&format!("696 al #c b * :{needs}")]),
            (&format!("MODE #c +b {long}"), &[&format!("696 al #c b {long} :{needs}")]),
        ],
    );
    for round in 0..250 {
        let masks = [0, 1, 2, 3].map(|number| format!("m{round}-{number}"));
        let told = al.answers(&format!("MODE #c +bbbb {}", masks.join(" ")));
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.iter().all(|line| line.starts_with(":al!al@host MODE #c +b m")), "{told:?}");
    }
    assert_eq!(al.answers("MODE #c +b more"), ["478 al #c b :Channel list is full"]);
}

#[test]
fn what_is_told_again_has_nothing_in_it_that_ends_a_line() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    dialogue(
        &mut al,
        &[
            ("PING a\rb\0c", &["PONG irc.chinwag :abc"]),
            ("CAP REQ :nonsense\rx\0y", &["CAP al NAK :nonsensexy"]),
            ("CAP F\rO\0O", &["410 al FOO :Invalid CAP command"]),
        ],
    );
}

#[test]
fn nothing_is_said_of_a_message_that_was_refused() {
    let server = server(&[]);
    let caps = "batch draft/multiline labeled-response";
    let mut al = Irc::comes_with(&server, "al", caps);
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    bo.joins("#c");
    al.sees(":bo!bo@host JOIN #c");
    al.says("@label=x BATCH +m draft/multiline #c");
    let lines: Vec<_> = (0..30).map(|n| format!("@batch=m PRIVMSG #c :{n}\r\n")).collect();
    al.sends(lines.concat().as_bytes());
    let why = "FAIL BATCH MULTILINE_MAX_LINES 24 :That message is too long";
    assert_eq!(al.answers("BATCH -m"), [format!("@label=x :irc.chinwag {why}")]);
    bo.sees_nothing_more();
    al.says("BATCH +m draft/multiline #c\r\n@batch=m PRIVMSG #c :again\r\nBATCH -m");
    al.sees_nothing_more();
    bo.sees(":al!al@host PRIVMSG #c :again");
}

#[test]
fn bounds_of_a_list_may_stand_behind_its_names() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    let of = |channels: &[&'static str]| {
        let all = ["321 al Channel :Users  Name"].into_iter().chain(channels.iter().copied());
        all.chain(["323 al :End of LIST"]).collect::<Vec<_>>()
    };
    assert_eq!(al.answers("LIST #c,#d >0"), of(&["322 al #c 1 :"]));
    assert_eq!(al.answers("LIST #c,#d >1"), of(&[]));
    assert_eq!(al.answers("LIST #d <2"), of(&[]));
}

#[test]
fn names_that_are_watched_are_counted_once_and_each_is_answered() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let names = |from: usize| (from..from + 50).map(|n| format!("n{n}")).collect::<Vec<_>>();
    al.answers(&format!("MONITOR + {}", names(0).join(",")));
    al.answers(&format!("MONITOR + {}", names(50).join(",")));
    dialogue(
        &mut al,
        &[
            ("MONITOR + n0,al", &["731 al :n0", "734 al 100 al :The monitor list is full"]),
            ("MONITOR - n0", &[]),
            ("MONITOR + al,a{b", &["730 al :al!al@host", "731 al :a{b"]),
            ("MONITOR - n1", &[]),
            // It looks like `al`, and nobody would be told that `al` goes.
            ("MONITOR + a1", &["731 al :a1"]),
        ],
    );
    let refused: Vec<_> = (0..20).map(|n| format!("{n}{}", "x".repeat(20))).collect();
    let told = al.answers(&format!("MONITOR + {}", refused.join(",")));
    let names = told.iter().flat_map(|line| line.split(' ').nth(3).unwrap().split(','));
    assert_eq!(names.collect::<Vec<_>>(), refused, "none of them is cut off");
}

#[test]
fn who_watches_somebody_is_told_what_changes_of_them() {
    let server = server(&[]);
    let caps = "extended-monitor away-notify setname";
    let mut al = Irc::comes_with(&server, "al", caps);
    let mut bo = Irc::comes_with(&server, "bo", "setname");
    let mut cy = Irc::comes_with(&server, "cy", "away-notify setname");
    for watcher in [&mut al, &mut cy] {
        assert_eq!(watcher.answers("MONITOR + bo"), [format!("730 {} :bo!bo@host", watcher.name)]);
    }
    // In no room, it is told to oneself all the same.
    bo.says("SETNAME :Bobby");
    bo.sees(":bo!bo@host SETNAME :Bobby");
    al.sees(":bo!bo@host SETNAME :Bobby");
    bo.says("AWAY :lunch");
    bo.sees("306 bo :You are marked as away");
    al.sees(":bo!bo@host AWAY :lunch");
    cy.sees_nothing_more();
    for client in [&mut bo, &mut al] {
        client.joins("#c");
    }
    bo.sees(":al!al@host JOIN #c");
    bo.says("SETNAME :Bo");
    bo.sees(":bo!bo@host SETNAME :Bo");
    al.sees(":bo!bo@host SETNAME :Bo");
    al.sees_nothing_more();
    // A name that is only written otherwise is the same name.
    assert_eq!(bo.answers("NICK BO"), [":bo!bo@host NICK BO"]);
    cy.sees_nothing_more();
    assert_eq!(bo.answers("NICK bob"), [":BO!bo@host NICK bob"]);
    cy.sees("731 cy :BO");
}

#[test]
fn tags_alone_go_to_ranks_too() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "message-tags");
    let mut bo = Irc::comes_with(&server, "bo", "message-tags echo-message");
    let mut cy = Irc::comes_with(&server, "cy", "message-tags");
    for client in [&mut al, &mut bo, &mut cy] {
        client.joins("#c");
    }
    al.sees_until(":cy!cy@host JOIN #c");
    bo.sees(":cy!cy@host JOIN #c");
    al.says("MODE #c +v cy");
    for client in [&mut al, &mut bo, &mut cy] {
        client.sees(":al!al@host MODE #c +v cy");
    }
    bo.says("@+x=y TAGMSG @#c");
    for client in [&mut bo, &mut al] {
        let line = client.next().unwrap();
        assert!(line.ends_with(";+x=y :bo!bo@host TAGMSG @#c"), "{line}");
    }
    cy.sees_nothing_more();
    bo.says("@+x=y TAGMSG +#c");
    bo.says("@+x=y PRIVMSG @+#c :both");
    for client in [&mut bo, &mut al, &mut cy] {
        let line = client.next().unwrap();
        assert!(line.ends_with(";+x=y :bo!bo@host TAGMSG +#c"), "{line}");
        let line = client.next().unwrap();
        assert!(line.ends_with(";+x=y :bo!bo@host PRIVMSG +#c :both"), "{line}");
    }
    let mut di = Irc::comes_with(&server, "di", "message-tags");
    assert_eq!(di.answers("@+x=y TAGMSG @#c"), ["404 di #c :Cannot send to channel"]);
}

#[test]
fn what_one_says_to_oneself_comes_once_without_the_label() {
    let server = server(&[]);
    let caps = "labeled-response batch message-tags";
    let mut al = Irc::comes_with(&server, "al", caps);
    for (asked, told) in [("PRIVMSG al :hi", "PRIVMSG al :hi"), ("TAGMSG al", "TAGMSG al")] {
        al.says(&format!("@label=x;+y {asked}"));
        let line = al.next().unwrap();
        assert!(line.starts_with("@msgid=") && line.ends_with(told), "{line}");
        al.sees("@label=x :irc.chinwag ACK");
    }
    assert_eq!(al.answers("CAP REQ :echo-message"), ["CAP al ACK :echo-message"]);
    for (asked, told) in [("PRIVMSG al :hi", "PRIVMSG al :hi"), ("TAGMSG al", "TAGMSG al")] {
        al.says(&format!("@label=x;+y {asked}"));
        for begin in ["@msgid=", "@label=x;msgid="] {
            let line = al.next().unwrap();
            assert!(line.starts_with(begin) && line.ends_with(told), "{line}");
        }
    }
    al.sees_nothing_more();
}

#[cfg(feature = "data")]
mod with_accounts {
    use std::io::Write as _;

    use crate::client::Irc;
    use crate::common::{Folder, Process, chinwag};
    use crate::server;

    #[test]
    fn whoever_is_killed_knows_by_whom_and_so_do_others() {
        let folder = Folder::new("irc-kill");
        let mut command = chinwag();
        command.arg("hash-password");
        let mut process = Process::spawn(command);
        process.stdin.take().unwrap().write_all(b"battery staple\n").unwrap();
        assert_eq!(process.wait(), Some(0));
        let hash = process.stdout.lines_at_the_end().remove(0);
        let file = folder.file("chinwag.toml");
        std::fs::write(&file, format!("[operators]\nboss = \"{hash}\"\n")).unwrap();
        let server = server(&["--config", file.to_str().unwrap()]);
        let mut al = Irc::comes(&server, "al");
        let mut bo = Irc::comes(&server, "bo");
        bo.joins("#c");
        bo.joins("#d");
        al.joins("#c");
        bo.sees(":al!al@host JOIN #c");
        al.says("OPER boss :battery staple");
        al.sees("381 al :You are an operator of the server now");
        al.sees("MODE al :+o");
        assert_eq!(al.answers("KILL bo"), ["461 al KILL :Not enough parameters"]);
        al.says("KILL bo :spam");
        al.sees(":bo!bo@host QUIT :Killed by al: spam");
        bo.sees(":al!al@host KILL bo :spam");
        bo.sees("ERROR :Closing link: killed");
        assert_eq!(bo.next(), None);
        let mut cy = Irc::comes(&server, "cy");
        cy.joins("#c");
        al.says("KILL al :done");
        cy.sees_until(":al!al@host QUIT :Killed by al: done");
        al.sees_until("KILL al :done");
        al.sees("ERROR :Closing link: killed");
        assert_eq!(al.next(), None);
    }

    #[test]
    fn who_comes_in_before_an_account_was_shown_has_shown_none() {
        let folder = Folder::new("irc-aborted");
        let data = folder.file("data");
        let server = server(&["--data", data.to_str().unwrap()]);
        let mut al = Irc::connects(&server);
        for line in ["CAP REQ :sasl", "NICK al", "USER al 0 * :Al", "AUTHENTICATE PLAIN"] {
            al.says(line);
        }
        al.sees("CAP * ACK :sasl");
        al.sees("AUTHENTICATE +");
        al.says("CAP END");
        al.sees("906 * :SASL authentication aborted");
        assert!(al.next().unwrap().contains(" 001 al "));
        al.sees_until(" 221 ");
        al.says("AUTHENTICATE PLAIN");
        al.sees("AUTHENTICATE +");
    }

    #[test]
    fn what_was_read_at_one_client_is_read_at_all_of_the_account() {
        let folder = Folder::new("irc-markers");
        let data = folder.file("data");
        let server = server(&["--data", data.to_str().unwrap()]);
        let mut desk = Irc::comes_with(&server, "al", "draft/read-marker");
        desk.says("NS REGISTER correct-horse");
        desk.sees("900 al al!al@host al :You are now logged in as al");
        let comes = |name: &str| {
            let mut client = Irc::connects(&server);
            client.says("CAP REQ :draft/read-marker");
            client.says(&format!("PASS al:correct-horse\r\nNICK {name}\r\nUSER al 0 * :Al"));
            client.says("CAP END");
            client.sees_until(" 221 ");
            client
        };
        let mut phone = comes("al-phone");
        let mut other = Irc::comes_with(&server, "other", "draft/read-marker");
        let read = |time: &str| format!("MARKREAD #C timestamp=2026-0{time}-01T00:00:00.000Z");
        assert_eq!(desk.answers(&read("2")), [read("2")]);
        phone.sees(&read("2"));
        assert_eq!(phone.answers(&read("1")), [read("2")], "nothing is unread again");
        desk.sees_nothing_more();
        other.says("JOIN #c");
        other.sees(":other!other@host JOIN #c");
        other.sees("MARKREAD #c *");
        other.sees_until(" 366 ");
        // They outlive the connection, and none is of a time that has not come.
        phone.says("MARKREAD bob timestamp=9999-01-01T00:00:00.000Z");
        let now = phone.next().unwrap();
        assert!(now.starts_with(":irc.chinwag MARKREAD bob timestamp=2"), "{now}");
        desk.sees(&now);
        for client in [&mut desk, &mut phone] {
            client.says("QUIT");
            client.sees_until("ERROR");
        }
        let mut phone = comes("al");
        let again = phone.answers("MARKREAD bob");
        assert_eq!(format!(":irc.chinwag {}", again[0]), now);
        phone.says("JOIN #c");
        phone.sees_until(" JOIN #c");
        phone.sees("MARKREAD #c timestamp=2026-02-01T00:00:00.000Z");
        phone.sees_until(" 366 ");
        phone.answers("NS LOGOUT");
        assert_eq!(phone.answers("MARKREAD #c"), ["MARKREAD #c *"]);
        assert_eq!(phone.answers("MARKREAD #c timestamp=2026-01-01T00:00:00.000Z").len(), 1);
        assert_eq!(other.answers("MARKREAD #c").last().unwrap(), "MARKREAD #c *");
    }
}

#[test]
fn a_message_of_several_lines_ends_before_another_begins() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "batch draft/multiline");
    let mut bo = Irc::comes(&server, "bo");
    al.joins("#c");
    bo.joins("#c");
    al.sees(":bo!bo@host JOIN #c");
    al.says("BATCH +one draft/multiline #c\r\n@batch=one PRIVMSG #c :first");
    let why = "FAIL BATCH MULTILINE_INVALID two :Another message has not ended";
    assert_eq!(al.answers("BATCH +two draft/multiline #c"), [why]);
    al.says("@batch=one PRIVMSG #c :second\r\nBATCH -one");
    bo.sees(":al!al@host PRIVMSG #c :first");
    bo.sees(":al!al@host PRIVMSG #c :second");
}

#[test]
fn who_has_gone_is_not_counted_as_coming() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut other = Irc::connects(&server);
    let unknown = |al: &mut Irc, count: usize| {
        let told = al.answers("LUSERS");
        assert_eq!(told[2], format!("253 al {count} :connections without a name"));
    };
    other.says("NICK bo\r\nPING 1");
    other.sees("PONG irc.chinwag :1");
    unknown(&mut al, 1);
    other.says("QUIT");
    other.sees_until("ERROR ");
    unknown(&mut al, 0);
}

#[test]
fn others_alone_are_told_that_whoever_joins_is_away() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "away-notify");
    let mut bo = Irc::comes_with(&server, "bo", "away-notify");
    bo.joins("#c");
    al.answers("AWAY :lunch");
    let told = al.answers("JOIN #c");
    assert_eq!(told.len(), 3, "the join, and who is there: {told:?}");
    bo.sees(":al!al@host JOIN #c");
    bo.sees(":al!al@host AWAY :lunch");
    assert_eq!(al.answers("NAMES :"), ["366 al * :End of NAMES list"]);
    let from = "378 al al :is connecting from *@127.0.0.1 127.0.0.1".to_owned();
    assert!(al.answers("WHOIS al").contains(&from));
}
