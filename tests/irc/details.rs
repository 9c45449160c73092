//! What clients rely on without asking for it: what is told at once, in one line, in whole, or not
//! at all.

use crate::client::Irc;
use crate::common::Person;
use crate::{dialogue, server};

#[test]
fn what_one_line_sets_is_told_by_one_line() {
    let server = server(&[]);
    let mut lena = Person::join(&server, "lena");
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    lena.says("/join #c");
    al.sees(":lena!lines@host JOIN #c");
    lena.sees_until("* You are in #c. Here now: al, lena.");
    dialogue(
        &mut al,
        &[
            ("MODE #c +imt-n+l 5", &[":al!al@host MODE #c +im-n+l 5"]),
            ("MODE #c +k key", &[":al!al@host MODE #c +k key"]),
            ("MODE #c -itmkl key", &[":al!al@host MODE #c -itmkl *"]),
            (
                "MODE #c +i+v-i lena",
                &[
                    ":al!al@host MODE #c +i",
                    ":al!al@host MODE #c +v lena",
                    ":al!al@host MODE #c -i",
                ],
            ),
            ("MODE #c +i-i+i-i+i-i", &[":al!al@host MODE #c +i-i+i-i+i", ":al!al@host MODE #c -i"]),
        ],
    );
    for set in ["invite on", "moderated on", "members off", "limit 5", "key on", "invite off"] {
        lena.sees_until(&format!("* al set #c: {set}"));
    }
}

#[test]
fn whoever_says_more_than_fits_into_a_line_is_told_so() {
    let server = server(&["--cloak", "off"]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    let head = ":al!al@127.0.0.1 PRIVMSG bo :";
    let fits = "x".repeat(510 - head.len());
    assert_eq!(al.answers(&format!("PRIVMSG bo :{fits}")), [""; 0]);
    bo.sees(&format!("{head}{fits}"));
    let too_long = ["417 al :Input line was too long"];
    assert_eq!(al.answers(&format!("PRIVMSG bo :{fits}x")), too_long);
    bo.sees_nothing_more();
    // Nothing is ever answered to a notice.
    assert_eq!(al.answers(&format!("NOTICE bo {fits}yz")), [""; 0]);
    bo.sees(&format!(":al!al@127.0.0.1 NOTICE bo :{fits}y"));
    bo.sees(":al!al@127.0.0.1 NOTICE bo :z");
}

#[test]
fn several_channels_that_are_asked_for_at_once_have_one_end() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    al.joins("#c");
    al.joins("#d");
    dialogue(
        &mut al,
        &[
            (
                "NAMES #C,#none,#d",
                &["353 al = #c :@al", "353 al = #d :@al", "366 al #c,#none,#d :End of NAMES list"],
            ),
            ("NAMES #none", &["366 al #none :End of NAMES list"]),
        ],
    );
    let longest = "x".repeat(32);
    assert_eq!(al.answers(&format!("JOIN #{longest}"))[0], format!(":al!al@host JOIN #{longest}"));
    let none = format!("403 al #{longest}x :No such channel");
    assert_eq!(al.answers(&format!("JOIN #{longest}x")), [none]);
}

#[test]
fn a_label_that_is_too_long_is_none_and_of_two_tags_the_last_counts() {
    let server = server(&[]);
    let mut al = Irc::comes_with(&server, "al", "labeled-response message-tags batch");
    let mut bo = Irc::comes_with(&server, "bo", "message-tags");
    let label = "x".repeat(64);
    assert_eq!(al.answers(&format!("@label={label}x PING 1")), ["PONG irc.chinwag :1"]);
    let told = al.answers(&format!("@label={label} PING 1"));
    assert_eq!(told, [format!("@label={label} :irc.chinwag PONG irc.chinwag :1")]);
    al.says("@+a=1;+b;+a=2;c=3;+b=4;+a TAGMSG bo");
    let told = bo.next().unwrap();
    assert!(told.ends_with(";+b=4;+a :al!al@host TAGMSG bo"), "{told}");
}

#[test]
fn one_may_put_oneself_out() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    for client in [&mut al, &mut bo] {
        client.joins("#c");
    }
    al.sees(":bo!bo@host JOIN #c");
    assert_eq!(bo.answers("KICK #c bo"), ["482 bo #c :You are not an operator of that channel"]);
    assert_eq!(al.answers("KICK #c al :enough"), [":al!al@host KICK #c al :enough"]);
    bo.sees(":al!al@host KICK #c al :enough");
    assert_eq!(bo.answers("NAMES #c")[0], "353 bo = #c :bo");
    assert_eq!(al.answers("PRIVMSG #c :x"), ["404 al #c :Cannot send to channel"]);
    assert_eq!(al.answers("MODE al"), ["221 al +"]);
}

#[test]
fn several_are_put_out_of_one_channel_or_each_out_of_their_own() {
    let server = server(&[]);
    let mut al = Irc::comes(&server, "al");
    let mut bo = Irc::comes(&server, "bo");
    for client in [&mut al, &mut bo] {
        client.joins("#c");
        client.joins("#d");
    }
    al.sees_until("JOIN #d");
    let told = al.answers("KICK #c,#d,#d bo,bo,nobody :x");
    let none = "401 al nobody :No such nick";
    assert_eq!(told, [":al!al@host KICK #c bo :x", ":al!al@host KICK #d bo :x", none]);
}

#[test]
fn the_pieces_of_a_message_stay_as_they_were_sent() {
    let server = server(&[]);
    let mut lena = Person::join(&server, "lena");
    let caps = "message-tags server-time batch draft/multiline";
    let mut al = Irc::comes_with(&server, "al", caps);
    let mut bo = Irc::comes_with(&server, "bo", caps);
    let mut cy = Irc::comes_with(&server, "cy", "message-tags server-time");
    for client in [&mut al, &mut bo, &mut cy] {
        client.joins("#lobby");
    }
    for client in [&mut al, &mut bo] {
        client.sees_until("cy!cy@host JOIN");
    }
    al.says("BATCH +m draft/multiline #lobby");
    for (tags, line) in [("", ""), ("", "how "), (";draft/multiline-concat", "\x02is\x02 it")] {
        al.says(&format!("@batch=m{tags} PRIVMSG #lobby :{line}"));
    }
    al.says("BATCH -m");
    let told = bo.sees_until(" BATCH -");
    let number = told[0].split_once("msgid=").unwrap().1.split(' ').next().unwrap();
    let inside = |tags: &str, line: &str| {
        format!("@batch={number}{tags} :al!al@host PRIVMSG #lobby :{line}")
    };
    let concat = ";draft/multiline-concat";
    assert_eq!(told[1..4], [inside("", ""), inside("", "how "), inside(concat, "\x02is\x02 it")]);
    assert_eq!(told.len(), 5);
    cy.sees(&format!("@time=TIME;msgid={number} :al!al@host PRIVMSG #lobby :how "));
    cy.sees("@time=TIME :al!al@host PRIVMSG #lobby :\x02is\x02 it");
    lena.sees_until("al: how is it");
    // All lines of one message have its time.
    al.says("BATCH +n draft/multiline #lobby\r\n@batch=n PRIVMSG #lobby :one");
    al.says("@batch=n PRIVMSG #lobby :two\r\nBATCH -n");
    cy.sees_until(":two");
    let [.., one, two] = &cy.times[..] else { panic!("no times") };
    assert_eq!(one, two);
    // In the history each has its own, by which it can be asked for.
    al.times.clear();
    al.answers("CHATHISTORY LATEST #lobby * 2");
    let [.., one, two] = &al.times[..] else { panic!("no times") };
    assert!(one < two);
    let why = "FAIL BATCH MULTILINE_INVALID :That line is of another batch";
    assert_eq!(al.answers("BATCH +o draft/multiline #lobby\r\n@batch=p PRIVMSG #lobby :x"), [why]);
    assert_eq!(al.answers("@batch=o PRIVMSG #lobby :y\r\nBATCH -o"), [""; 0]);
    let why = "FAIL BATCH MULTILINE_INVALID :There is no such batch";
    assert_eq!(al.answers("@batch=o PRIVMSG #lobby :y"), [why]);
}
