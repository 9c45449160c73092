//! Order, as people see it who speak `lines`: rights in rooms, bans and mutes, operators and
//! accounts. A hub without a network; what is kept elsewhere, and the passwords, are the test's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::net::Ipv4Addr;
use std::time::Duration;

use chinwag::archive::{
    AccountAnswer, AccountChange, AccountRequest, Act, Answer, Kept, Proof, Record, Request,
};
use chinwag::config::Config;
use chinwag::dialect::Dialect;

#[path = "../benches/hub/mod.rs"]
mod hub;
#[path = "moderation/model.rs"]
mod model;
#[path = "moderation/people.rs"]
mod people;

use people::{HERE, People, name};

// ── rooms ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn whoever_opens_a_room_is_in_charge_of_it() {
    let mut people = People::new(&Config::default());
    let [alice, bob] = people.join(["alice", "bob"]);
    people.says(alice, "/join ops");
    people.says(bob, "/join ops");
    people.sees(bob, "* You are in #ops. Here now: alice, bob.");
    let settings = "* #ops: only members may speak into it (members, n); only operators set the \
                    topic (topic, t)";
    people.answers(bob, "/room", &[settings, "* Operators: @alice"]);
    let only = "! Only an operator of #ops may do that.";
    for refused in [
        "/topic tea",
        "/kick alice",
        "/op bob",
        "/voice bob",
        "/room moderated on",
        "/ban alice",
        "/unban alice",
        "/bans",
    ] {
        people.answers(bob, refused, &[only]);
    }
    people.answers(alice, "/op bob", &["* alice says that bob is an operator in #ops now"]);
    people.sees(bob, "* alice says that bob is an operator in #ops now");
    people.answers(bob, "/op bob", &["! bob has that rank already, or a higher one."]);
    people.answers(bob, "/deop alice", &["* bob says that alice is without a rank in #ops now"]);
    people.answers(alice, "/topic tea", &[only]);
    people.answers(alice, "/deop bob", &[only]);
    people.answers(bob, "/topic tea", &["* bob says what #ops is about: tea"]);
    people.answers(bob, "/deop alice", &["! alice does not have that rank."]);
    people.answers(bob, "/op carol", &["! Nobody here is called carol."]);
    people.answers(bob, "/deop bob", &["* bob says that bob is without a rank in #ops now"]);
    // Nobody is in charge of the lobby, and the topic is everybody's there.
    people.says(alice, "/join lobby");
    people.says(bob, "/join lobby");
    people.answers(alice, "/kick bob", &["! Only an operator of #lobby may do that."]);
    people.answers(alice, "/topic tea", &["* alice says what #lobby is about: tea"]);
}

#[test]
fn who_is_kicked_goes_and_all_are_told_in_one_line() {
    let mut people = People::new(&Config::default());
    let [alice, bob, carol] = people.join(["alice", "bob", "carol"]);
    for key in [alice, bob, carol] {
        people.says(key, "/join ops");
    }
    people.forget();
    people.answers(
        alice,
        "/kick bob \u{1b}[2Jwhy not",
        &["* bob was kicked by alice: [2Jwhy not (2 here)"],
    );
    people.sees(carol, "* bob was kicked by alice: [2Jwhy not (2 here)");
    people.sees(bob, "! You were kicked out of #ops by alice: [2Jwhy not");
    people.sees(bob, "* You are in #lobby. Here now: bob.");
    people.answers(alice, "/kick bob", &["! bob is not in this room."]);
    people.answers(alice, "/kick alice", &["! That would be you."]);
    people.answers(alice, "/kick nobody", &["! Nobody here is called nobody."]);
    people.answers(alice, "/kick", &["! Usage: /kick NAME [WHY]"]);
    let long = format!("/kick carol {}", "x".repeat(257));
    people.answers(alice, &long, &["! A reason has at most 256 bytes."]);
    people.answers(alice, "/who", &["* 2 here: alice, carol"]);
    people.says(bob, "/join ops");
    people.sees(alice, "* bob joined (3 here)");
}

#[test]
fn what_is_set_for_a_room_is_so() {
    let mut people = People::new(&Config::default());
    let [alice, bob, carol] = people.join(["alice", "bob", "carol"]);
    people.says(alice, "/join ops");
    people.says(bob, "/join ops");
    people.forget();
    people.answers(alice, "/room moderated on", &["* alice set #ops: moderated on"]);
    let moderated = "! This room is moderated: only operators and the voiced may speak.";
    people.answers(bob, "hi", &[moderated]);
    people.answers(bob, "/me waves", &[moderated]);
    people.answers(alice, "hi", &[]);
    people.answers(alice, "/voice BOB", &["* alice says that bob is voiced in #ops now"]);
    people.forget();
    people.answers(bob, "thanks", &[]);
    people.sees(alice, "bob: thanks");
    people.answers(alice, "/devoice bob", &["* alice says that bob is without a rank in #ops now"]);
    people.forget();
    people.answers(bob, "hi", &[moderated]);
    people.answers(alice, "/room m off", &["* alice set #ops: moderated off"]);

    people.answers(alice, "/room key sesame", &["* alice set #ops: key on"]);
    people.answers(carol, "/join ops", &["! #ops has a key: /join ROOM KEY"]);
    people.answers(carol, "/join ops Sesame", &["! #ops has a key: /join ROOM KEY"]);
    people.answers(carol, "/who #ops", &["! You are not in #ops."]);
    people.says(carol, "/join #ops sesame");
    people.sees(carol, "* You are in #ops. Here now: alice, bob, carol.");
    people.says(carol, "/join lobby");
    people.answers(alice, "/room key off", &["* alice set #ops: key off"]);

    people.answers(alice, "/room limit 2", &["* alice set #ops: limit 2"]);
    people.answers(carol, "/join ops", &["! #ops is full."]);
    people.answers(alice, "/room limit off", &["* alice set #ops: limit off"]);

    people.answers(alice, "/room secret on", &["* alice set #ops: secret on"]);
    people.answers(carol, "/rooms", &["* #lobby (1 here)"]);
    for asked in ["/who #ops", "/history #ops", "/room #ops"] {
        people.answers(carol, asked, &["! There is no room #ops."]);
    }
    people.answers(carol, "/whois bob", &["* bob: not logged in"]);
    people.answers(alice, "/room secret off", &["* alice set #ops: secret off"]);

    people.answers(alice, "/room invite on", &["* alice set #ops: invite on"]);
    people.answers(carol, "/join ops", &["! #ops is only for those who are invited."]);
    people.answers(bob, "/invite carol", &["! Only an operator of #ops may do that."]);
    people.answers(alice, "/invite carol", &["* You have invited carol to #ops."]);
    people.says(carol, "/join ops");
    people.sees(carol, "* You are in #ops. Here now: alice, bob, carol.");
    people.says(carol, "/join lobby");
    people.answers(carol, "/join ops", &["! #ops is only for those who are invited."]);

    for wrong in ["moderated maybe", "limit 0", "limit -1", "limit 9999999", "key", "x on", "m"] {
        let usage = "! Usage: /room [SETTING VALUE]";
        people.answers(alice, &format!("/room {wrong}"), &[usage]);
    }
    people.answers(
        alice,
        &format!("/room key {}", "k".repeat(65)),
        &["! Usage: /room [SETTING VALUE]"],
    );
    people.answers(alice, "/room key two words", &["! Usage: /room [SETTING VALUE]"]);
}

#[test]
fn who_is_banned_from_a_room_goes_and_stays_out_until_it_is_over() {
    let mut people = People::new(&Config::default());
    let [alice] = people.join(["alice"]);
    let far = Ipv4Addr::new(192, 0, 2, 7);
    let bob = people.join_from(far, "bob");
    for key in [alice, bob] {
        people.says(key, "/join ops");
    }
    people.forget();
    people.says(alice, "/ban bob 10m spam");
    let until = "2023-11-14 22:23 (UTC)";
    people.sees(alice, &format!("* alice banned bob until {until}: spam"));
    people.sees(alice, "* bob was banned by alice: spam (1 here)");
    people.sees(bob, "! You were banned from #ops by alice: spam");
    people.sees(bob, "* You are in #lobby. Here now: bob.");
    people.answers(bob, "/join ops", &["! You are banned from #ops."]);
    // Another name from there does not help.
    people.says(bob, "/nick rob");
    people.answers(bob, "/join ops", &["! You are banned from #ops."]);
    let eve = people.join_from(far, "eve");
    people.answers(eve, "/join ops", &["! You are banned from #ops."]);
    people.answers(alice, "/bans", &[&format!("* ban bob until {until}, by alice: spam")]);
    people.answers(alice, "/ban 192.0.2.7", &["! Only an operator of the server may do that."]);
    people.answers(alice, "/mute rob", &["! Only an operator of the server may do that."]);
    people.wait(Duration::from_secs(601));
    people.says(bob, "/join ops");
    people.sees(bob, "* You are in #ops. Here now: alice, rob.");
    people.answers(alice, "/bans", &["* Nobody is banned or muted."]);
}

// ── operators of the server ──────────────────────────────────────────────────────────────────────

#[test]
fn an_operator_is_who_knows_the_password_and_may_do_all_that_others_may_not() {
    let mut people = People::with_operator();
    let [alice, bob] = people.join(["alice", "bob"]);
    people.answers(bob, "/kill alice", &["! Only an operator of the server may do that."]);
    let asked = people.tries(bob, "/oper root wrong", AccountAnswer::Wrong);
    assert!(matches!(asked, AccountRequest::Oper { hash, .. } if hash.is_empty()));
    people.sees(bob, "! That is not the password.");
    people.tries(bob, "/oper boss wrong", AccountAnswer::Wrong);
    people.sees(bob, "! That is not the password.");
    people.becomes_operator(alice);
    people.answers(alice, "/kill alice", &["! That would be you."]);
    people.says(alice, "/kill bob flooding");
    people.sees(alice, "* bob was removed from the server by alice: flooding (1 here)");
    people.sees(bob, "! You were removed from the server by alice: flooding");
    people.is_gone(bob);
    let bob = people.join(["bob"])[0];
    people.becomes_operator(bob);
    for refused in ["/kill bob", "/ban bob", "/mute bob", "/kick bob"] {
        people.answers(alice, refused, &["! bob is an operator of the server."]);
    }
    people.answers(
        alice,
        "/whois bob",
        &["* bob: not logged in; an operator of the server; in #lobby; from 127.0.0.1 at lines, \
           silent for 0 s"],
    );
}

#[test]
fn who_is_banned_is_put_off_and_cannot_come_again_by_another_name_or_dialect() {
    let mut people = People::with_operator();
    let [alice] = people.join(["alice"]);
    people.becomes_operator(alice);
    let far = Ipv4Addr::new(192, 0, 2, 7);
    let bob = people.join_from(far, "bob");
    let carol = people.join_from(far, "carol");
    people.forget();
    people.answers(
        alice,
        "/ban bob 2h spam",
        &["* This would also hit: carol.", "* Say yes to do it. Anything else leaves it."],
    );
    people.answers(alice, "no", &[]);
    people.sees(bob, "alice: no");
    people.forget();
    people.answers(alice, "yes", &[]);
    people.sees(bob, "alice: yes");
    people.forget();
    people.says(alice, "/ban bob 2h spam");
    people.says(alice, "YES");
    people.sees(alice, "* alice banned bob until 2023-11-15 00:13 (UTC): spam");
    people.sees(alice, "* bob was banned by alice: spam (2 here)");
    people.sees(alice, "* carol was banned by alice: spam (1 here)");
    for key in [bob, carol] {
        people.sees(key, "! You were banned by alice: spam");
        people.is_gone(key);
    }
    let told = "! You are banned until 2023-11-15 00:13 (UTC): spam";
    let bob = people.comes_from(far, Dialect::Lines, "rob");
    people.sees(bob, told);
    people.is_gone(bob);
    let bob = people.comes_from(far, Dialect::Anonymous, "");
    people.is_gone(bob);
    people.answers(
        alice,
        "/bans",
        &["* ban bob (192.0.2.7/32) until 2023-11-15 00:13 (UTC), by alice: spam"],
    );
    people.answers(alice, "/unban carol", &["! Nothing is decided against carol."]);
    people.answers(alice, "/unban bob", &["* alice lifted the ban of bob"]);
    people.join_from(far, "bob");
    people.sees(alice, "* bob joined (2 here)");
}

#[test]
fn what_would_hit_everybody_must_be_said_twice() {
    let mut people = People::with_operator();
    let [alice] = people.join(["alice"]);
    people.becomes_operator(alice);
    let far = people.join_from(Ipv4Addr::new(192, 0, 2, 7), "bob");
    people.forget();
    let really = "* That would hit you too, or everybody. To do it anyway, say: yes, really";
    people.answers(alice, "/ban 0.0.0.0/0", &["* This would also hit: alice, bob.", really]);
    people.answers(alice, "yes", &["* This would also hit: alice, bob.", really]);
    people.says(alice, "no");
    people.sees(far, "alice: no");
    people.answers(alice, "/mute 127.0.0.0/8 forever", &["* This would also hit: alice.", really]);
    people.answers(alice, "yes, really", &["* alice muted 127.0.0.0/8 forever"]);
    // Who it is for is told by what they cannot say; addresses are for operators alone.
    people.answers(
        alice,
        "/mute 192.0.2.0/24",
        &["* This would also hit: bob.", "* Say yes to do it. Anything else leaves it."],
    );
    people.says(alice, "yes");
    people.sees_nothing_of(far, "192.0.2.0");
    people.answers(far, "hi", &["! You are muted until 2023-11-14 23:13 (UTC)."]);
    for (wrong, why) in [
        ("/ban nobody", "! Nobody here is called nobody."),
        ("/ban", "! Usage: /ban [#ROOM] NAME [TIME] [WHY]"),
        (
            "/ban bob 99999999999999999999w",
            "! 99999999999999999999w is no time. Write it as 30m, \
            1h, 2d or forever.",
        ),
        ("/ban bob 0s", "! 0s is no time. Write it as 30m, 1h, 2d or forever."),
        ("/ban 192.0.2.1/33", "! Nobody here is called 192.0.2.1/33."),
        ("/unmute bob", "! Nothing is decided against bob."),
        ("/lock soon", "! soon is no time. Write it as 30m, 1h, 2d or forever."),
        ("/slow 0", "! Usage: /slow SECONDS"),
        ("/announce", "! Usage: /announce TEXT"),
    ] {
        people.answers(alice, wrong, &[why]);
    }
}

#[test]
fn who_is_muted_says_nothing_by_irc_either() {
    let mut people = People::with_operator();
    let [alice] = people.join(["alice"]);
    people.becomes_operator(alice);
    let [carol, bob] = [("carol", 6), ("bob", 7)].map(|(name, last)| {
        let far = Ipv4Addr::new(192, 0, 2, last);
        let key =
            people.comes_from(far, "irc".parse().unwrap(), "CAP REQ :message-tags away-notify");
        for line in [format!("NICK {name}"), "USER x 0 * :x".into(), "CAP END".into()] {
            people.says(key, &line);
        }
        people.says(key, "JOIN #lobby");
        key
    });
    people.says(alice, "/mute bob");
    people.forget();
    let muted = ":irc.chinwag NOTICE bob :You are muted until 2023-11-14 23:13 (UTC).";
    people.answers(bob, "AWAY :buy now", &[muted]);
    people.answers(bob, "@+x=buy TAGMSG carol", &[muted]);
    let refused = ":irc.chinwag FAIL SETNAME CANNOT_CHANGE_REALNAME :You are muted";
    people.answers(bob, "SETNAME :buy now", &[refused]);
    people.forget();
    people.says(bob, "@+x=buy TAGMSG alice");
    people.sees_nothing_of(carol, "buy");
    people.answers(bob, "AWAY", &[":irc.chinwag 305 bob :You are not marked as away any more"]);
}

#[test]
fn who_is_muted_says_nothing_to_anybody_but_operators() {
    let mut people = People::with_operator();
    let [alice, carol] = people.join(["alice", "carol"]);
    people.becomes_operator(alice);
    let bob = people.join_from(Ipv4Addr::new(192, 0, 2, 7), "bob");
    people.forget();
    people.answers(alice, "/mute bob", &["* alice muted bob until 2023-11-14 23:13 (UTC)"]);
    people.sees(bob, "* alice muted bob until 2023-11-14 23:13 (UTC)");
    people.forget();
    let muted = "! You are muted until 2023-11-14 23:13 (UTC).";
    for said in ["hi", "/me waves", "/msg carol hi", "/nick rob", "/topic tea", "/invite carol"] {
        people.answers(bob, said, &[muted]);
    }
    people.answers(bob, "/msg alice why?", &["[you -> alice] why?"]);
    people.says(bob, "/join ops");
    people.forget();
    people.answers(bob, "hi", &[muted]);
    people.says(bob, "/quit you all stink");
    people.sees_nothing_of(carol, "stink");
    let bob = people.join_from(Ipv4Addr::new(192, 0, 2, 7), "rob");
    people.forget();
    people.answers(bob, "hi", &[muted]);
    people.answers(alice, "/unmute bob", &["* alice lets bob speak again"]);
    people.sees(bob, "* alice lets bob speak again");
    people.answers(bob, "hi", &[]);
    people.sees(carol, "rob: hi");
}

#[test]
fn a_lock_keeps_those_out_who_were_not_here() {
    let mut people = People::with_operator();
    let [alice, bob] = people.join(["alice", "bob"]);
    people.becomes_operator(alice);
    people.forget();
    let locked = "* alice locked the server: only who was here or has an account may come in";
    people.answers(alice, "/lock", &[locked]);
    people.sees(bob, locked);
    let eve = people.comes_from(HERE, Dialect::Lines, "eve");
    people.sees(eve, "! The server is locked: only who has an account or was here may come in.");
    people.says(bob, "/quit");
    let far = people.comes_from(Ipv4Addr::new(192, 0, 2, 7), Dialect::Lines, "bob");
    people.sees(far, "! The server is locked");
    let bob = people.join(["bob"])[0];
    people.answers(alice, "/lock off", &["* alice unlocked the server"]);
    let eve = people.join(["eve"])[0];
    people.forget();
    people.says(alice, "/lock 10m");
    people.forget();
    people.answers(
        eve,
        "hi",
        &["! The server is locked: you are too new to speak here without an account."],
    );
    people.wait(Duration::from_secs(600));
    people.answers(eve, "hi", &[]);
    people.sees(bob, "eve: hi");
    people.says(alice, "/lock off");
    people.says(alice, "/slow 30");
    people.forget();
    people.answers(eve, "one", &[]);
    people.wait(Duration::from_secs(10));
    people.answers(eve, "two", &["! Slow mode: you may speak again in 20 seconds."]);
    people.wait(Duration::from_secs(20));
    people.answers(eve, "three", &[]);
    people.sees(bob, "eve: three");
    people.answers(alice, "one", &[]);
    people.answers(alice, "two", &[]);
}

#[test]
fn each_act_is_kept_with_who_did_it_to_whom_and_why() {
    let mut people = People::with_operator();
    people.hub().restore(Kept::default());
    let [alice] = people.join(["alice"]);
    people.join_from(Ipv4Addr::new(192, 0, 2, 7), "bob");
    people.becomes_operator(alice);
    people.says(alice, "/mute bob 1h loud");
    people.says(alice, "/unmute bob");
    people.says(alice, "/join ops");
    people.says(alice, "/room key sesame");
    people.says(alice, "/announce tea is ready");
    let records = std::mem::take(people.hub().records());
    let acts: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Act(Act { event, by, whom, room, why, until, .. }) => {
                assert_eq!(by, "alice");
                let until = until.map(|until| until - people::NOW).unwrap_or_default();
                Some(format!("{event} {whom} {room:?} {why} {until}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        acts,
        [
            "oper boss None  0",
            "mute bob None loud 3600",
            "unmute bob None  0",
            "room key on Some(\"ops\")  0",
            "announce  None tea is ready 0"
        ]
    );
    assert!(!format!("{acts:?}").contains("sesame"));
    let kinds = |record: &&Record| {
        matches!(record, Record::Sanction(_) | Record::Lifted(_) | Record::Rights { .. })
    };
    assert_eq!(records.iter().filter(kinds).count(), 3, "{records:?}");
    people.says(alice, "/audit");
    let (key, request) = people.hub().poll_request().unwrap();
    assert_eq!(request, Request::Acts { count: 50 });
    let Some(Record::Act(act)) = records.into_iter().find(|it| matches!(it, Record::Act(_))) else {
        panic!("there is none")
    };
    people.hub().handle_answer(key, Answer::Acts(vec![act]));
    people.sees(alice, "* 2023-11-14 22:13 (UTC) alice: oper boss");
}

// ── accounts ─────────────────────────────────────────────────────────────────────────────────────

#[test]
fn without_an_archive_there_are_no_accounts() {
    let mut people = People::new(&Config::default());
    let [alice] = people.join(["alice"]);
    for asked in ["/register sesame123", "/login alice sesame123", "/logout"] {
        people.answers(alice, asked, &["! There are no accounts on this server."]);
    }
}

#[test]
fn a_registered_name_is_its_owners_alone() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept::default());
    let [alice, bob] = people.join(["alice", "bob"]);
    people.forget();
    people.answers(alice, "/register short", &["! A password has 8 to 128 bytes."]);
    people.answers(alice, "/register", &["! Usage: /register PASSWORD"]);
    let done = AccountAnswer::Done(None, None);
    let asked = people.tries(alice, "/register sesame 123", done.clone());
    assert!(matches!(&asked, AccountRequest::Register { name, password }
        if name.as_str() == "alice" && password.reveal() == "sesame 123"));
    people.sees(alice, "* alice is your account now. You are logged in.");
    people.answers(alice, "/register sesame123", &["! You are logged in already."]);
    // Nobody else takes it, in whatever spelling.
    let registered = "! The nickname AIice is registered. If it is yours: /login AIice PASSWORD";
    people.answers(bob, "/nick AIice", &[registered]);
    people.says(alice, "/quit");
    people.answers(bob, "/nick AIice", &[registered]);
    let mallory = people.comes_from(HERE, Dialect::Lines, "Alice");
    people.sees(mallory, "* alice is registered. Password?");
    for tries in 1..=3 {
        people.tries(mallory, "guess", AccountAnswer::Wrong);
        people.sees(mallory, "! That is not the password.");
        if tries < 3 {
            people.sees(mallory, "* alice is registered. Password?");
        }
    }
    people.sees(mallory, "* Welcome to chinwag. What is your nickname?");
    people.says(mallory, "alice");
    people.sees(mallory, "* alice is registered. Password?");
    people.answers(mallory, "", &["* Welcome to chinwag. What is your nickname?"]);
    people.says(mallory, "mallory");
    people.sees(mallory, "* You are mallory.");
    // Who cannot be asked gets another name.
    let nick = people.comes_from(HERE, Dialect::Nick, "");
    people.hub();
    people.arrives(nick, "alice");
    people.sees(bob, "* alice_2 joined (3 here)");
    // The owner comes back.
    let alice = people.comes_from(HERE, Dialect::Lines, "alice");
    let asked = people.tries(alice, "sesame 123", AccountAnswer::Done(Some(name("alice")), None));
    assert!(matches!(asked, AccountRequest::Login { proof: Proof::Password(_), .. }));
    people.sees(alice, "* You are alice.");
    people.sees(alice, "* You are logged in as alice.");
    people.answers(bob, "/whois alice", &["* alice: logged in as alice; in #lobby"]);
}

#[test]
fn who_has_a_name_that_is_an_account_loses_it_to_its_owner() {
    let mut people = People::new(&Config::default());
    let kept = Kept { accounts: vec![name("alice")], ..Kept::default() };
    let [mallory] = people.join(["alice"]);
    people.hub().restore(kept);
    let bob = people.join(["bob"])[0];
    people.forget();
    people.tries(bob, "/login alice sesame123", AccountAnswer::Wrong);
    people.sees(bob, "! That is not the password.");
    let done = AccountAnswer::Done(Some(name("alice")), None);
    people.tries(bob, "/login ALICE sesame123", done.clone());
    people.sees(mallory, "* alice is now alice_2");
    people.sees(mallory, "* The nickname alice belongs to an account. You are alice_2 now.");
    people.sees(mallory, "* bob is now alice");
    people.sees(bob, "* You are logged in as alice.");
    // And by logging out.
    people.forget();
    let asked = people.tries(bob, "/logout", AccountAnswer::Done(None, None));
    assert!(matches!(asked, AccountRequest::Logout { .. }));
    people.sees(bob, "* alice is now alice_3");
    people.sees(bob, "* You are not logged in any more.");
    people.answers(bob, "/password sesame123 b", &["! You are not logged in."]);
    people.answers(bob, "/unregister sesame123", &["! You are not logged in."]);
    // The account is gone, and the name is free.
    people.hub().handle_accounts(vec![AccountChange::Removed(name("alice"))]);
    people.answers(bob, "/nick alice", &["* alice_3 is now alice"]);
}

#[test]
fn who_is_in_charge_of_a_room_with_an_account_stays_so() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let alice = people.logs_in("alice");
    people.says(alice, "/join ops");
    people.says(alice, "/room invite on");
    let records = std::mem::take(people.hub().records());
    let kept = records.iter().rev().find_map(|record| match record {
        Record::Rights { room, rights } => Some((room.as_str(), rights)),
        _ => None,
    });
    let (room, rights) = kept.unwrap();
    assert!(room == "ops" && rights.has_operator() && rights.letters() == "int", "{rights:?}");
    people.says(alice, "/quit");
    // Nobody is there, and who comes first is still nobody.
    let bob = people.join(["bob"])[0];
    people.answers(bob, "/join ops", &["! #ops is only for those who are invited."]);
    let alice = people.logs_in("alice");
    people.says(alice, "/join ops");
    people.answers(alice, "/room moderated on", &["* alice set #ops: moderated on"]);
}

#[test]
fn an_operators_name_is_not_for_whoever_comes_first() {
    let config = Config { operators: vec![name("olga")], ..Config::default() };
    let mut people = People::new(&config);
    people.hub().restore(Kept::default());
    let olga = people.join_from(Ipv4Addr::new(192, 0, 2, 7), "0lga");
    let refused = "! That name is for an operator: only who runs the server can register it.";
    people.answers(olga, "/register sesame123", &[refused]);
    people.says(olga, "/quit");
    // Who is on the machine itself could do it anyhow.
    let olga = people.join(["olga"])[0];
    people.tries(olga, "/register sesame123", AccountAnswer::Done(Some(name("olga")), None));
    people.answers(olga, "/slow off", &["* olga ended the slow mode"]);
    // It is the account that makes her one.
    people.tries(olga, "/logout", AccountAnswer::Done(None, None));
    people.answers(olga, "/slow off", &["! Only an operator of the server may do that."]);
    let olga = people.logs_in("olga");
    people.hub().handle_accounts(vec![AccountChange::Reset(name("olga"))]);
    people.sees(olga, "* olga is now olga_3");
    people.answers(olga, "/slow off", &["! Only an operator of the server may do that."]);
}

#[test]
fn names_can_be_for_those_alone_who_have_accounts() {
    let config = Config { accounts: chinwag::config::Accounts::Required, ..Config::default() };
    let mut people = People::new(&config);
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let bob = people.comes_from(HERE, Dialect::Lines, "bob");
    people.sees(bob, "! Only people with an account may come in. Ask whoever runs this server.");
    people.logs_in("alice");
}

#[test]
fn passwords_are_not_tried_without_end() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let far = Ipv4Addr::new(192, 0, 2, 7);
    let bob = people.join_from(far, "bob");
    people.forget();
    for _ in 0..5 {
        people.tries(bob, "/login alice sesame123", AccountAnswer::Wrong);
        people.sees(bob, "! That is not the password.");
    }
    let too_many = "! Too many passwords have been tried from your address. Wait a minute.";
    people.answers(bob, "/login alice sesame123", &[too_many]);
    let eve = people.comes_from(far, Dialect::Lines, "alice");
    people.answers(eve, "sesame123", &[too_many, "* alice is registered. Password?"]);
    people.wait(Duration::from_secs(12));
    people.tries(bob, "/login alice sesame123", AccountAnswer::Wrong);
}

#[test]
fn no_password_is_taken_where_others_can_read_it() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let bob = people.join(["bob"])[0];
    people.hub().note_exposed(bob);
    people.forget();
    let insecure = "! Others could read a password here on its way: this address is not encrypted.";
    people.answers(bob, "/register sesame123", &[insecure]);
    people.answers(bob, "/login alice sesame123", &[insecure]);
    let config = Config { insecure_passwords: true, ..Config::default() };
    people.update(&config);
    people.tries(bob, "/login alice sesame123", AccountAnswer::Wrong);
}

#[test]
fn help_tells_what_the_asker_may_do() {
    let mut people = People::with_operator();
    let [alice, bob] = people.join(["alice", "bob"]);
    let has = |people: &mut People, key, word: &str| {
        let told = people.asks(key, "/help");
        told.iter().any(|line| line.starts_with(&format!("* /{word} ")))
    };
    for word in ["kick", "mute", "register"] {
        assert!(!has(&mut people, bob, word), "{word}");
    }
    people.says(bob, "/join ops");
    assert!(has(&mut people, bob, "kick") && !has(&mut people, bob, "mute"));
    people.becomes_operator(alice);
    assert!(has(&mut people, alice, "kick") && has(&mut people, alice, "mute"));
    people.hub().restore(Kept::default());
    assert!(has(&mut people, bob, "register"));
}

#[test]
fn what_entries_decide_is_the_same_when_they_are_applied_again() {
    let mut people = People::with_operator();
    people.hub().record_entries();
    let [alice, bob] = people.join(["alice", "bob"]);
    people.becomes_operator(alice);
    for said in ["/join ops", "/room key k", "/op alice", "/mute bob", "/lock", "/slow 3"] {
        people.says(alice, said);
    }
    people.says(bob, "/join tea");
    people.says(alice, "/ban #ops 192.0.2.9 forever");
    people.hub().replays_alike().unwrap();
}

#[test]
fn a_random_life_goes_as_the_rules_say() {
    let seeds = std::env::var("CHINWAG_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(3000_u64).min(3000) {
        model::live(seed);
    }
}

// ── ways round ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_room_that_nobody_is_in_is_not_anybodys_by_another_spelling() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let alice = people.logs_in("alice");
    people.says(alice, "/join ops");
    people.says(alice, "/room key sesame");
    people.says(alice, "for few");
    people.says(alice, "/quit");
    let mallory = people.join(["mallory"])[0];
    for spelling in ["ops", "0ps", "OPS"] {
        let told = people.asks(mallory, &format!("/join {spelling}"));
        assert!(told[0].ends_with(" has a key: /join ROOM KEY"), "{spelling}: {told:?}");
    }
    people.says(mallory, "/join 0ps sesame");
    people.sees(mallory, "* You are in #ops. Here now: mallory.");
    people.answers(mallory, "/room key off", &["! Only an operator of #ops may do that."]);
}

#[test]
fn a_rank_and_a_mute_are_the_accounts_also_after_logging_out() {
    let mut people = People::with_operator();
    people.hub().restore(Kept { accounts: vec![name("alice")], ..Kept::default() });
    let [boss] = people.join(["dora"]);
    people.becomes_operator(boss);
    let alice = people.logs_in("alice");
    people.says(alice, "/join ops");
    people.says(boss, "/mute alice");
    people.tries(alice, "/logout", AccountAnswer::Done(None, None));
    let muted = "! You are muted until 2023-11-14 23:13 (UTC).";
    people.answers(alice, "hi", &[muted]);
    people.answers(alice, "/kick alice_2 WORDS", &[muted]);
    people.says(boss, "/unmute alice");
    people.answers(alice, "/topic tea", &["! Only an operator of #ops may do that."]);
    // An account that is banned cannot be logged in to from inside.
    people.says(boss, "/ban alice forever");
    people.sees(boss, "* This would also hit: alice_2.");
    people.says(boss, "yes");
    people.is_gone(alice);
    let zed = people.join_from(Ipv4Addr::new(192, 0, 2, 7), "zed");
    let done = AccountAnswer::Done(Some(name("alice")), None);
    people.tries(zed, "/login alice sesame123", done);
    people.sees(zed, "! You are banned forever");
    people.is_gone(zed);
    // Whoever has the name next has done nothing.
    people.hub().handle_accounts(vec![AccountChange::Removed(name("alice"))]);
    people.answers(boss, "/bans", &["* Nobody is banned or muted."]);
}

#[test]
fn a_voice_is_no_way_round_a_ban_and_can_be_taken_from_who_is_away() {
    let mut people = People::new(&Config::default());
    people.hub().restore(Kept { accounts: vec![name("vic")], ..Kept::default() });
    let [alice] = people.join(["alice"]);
    let vic = people.logs_in("vic");
    for key in [alice, vic] {
        people.says(key, "/join ops");
    }
    people.says(alice, "/voice vic");
    people.says(vic, "/quit");
    people.answers(alice, "/deop vic", &["! vic does not have that rank."]);
    people.answers(alice, "/devoice vic", &["* alice says that vic is without a rank in #ops now"]);
    people.answers(alice, "/devoice vic", &["! Nobody here is called vic."]);
    let vic = people.logs_in("vic");
    people.says(vic, "/join ops");
    people.says(alice, "/voice vic");
    people.says(alice, "/ban vic");
    people.answers(vic, "/join ops", &["! You are banned from #ops."]);
}

#[test]
fn a_question_does_not_outlive_its_room_nor_a_minute() {
    let mut people = People::with_operator();
    let [dora, anna, bert] = people.join(["dora", "anna", "bert"]);
    people.becomes_operator(dora);
    people.says(anna, "/join one");
    people.says(bert, "/join one");
    let asked = ["* This would also hit: bert.", "* Say yes to do it. Anything else leaves it."];
    people.answers(dora, "/ban #one anna", &asked);
    people.says(anna, "/join two");
    people.says(bert, "/join two");
    let late = "! That was too long ago, and nothing was done. Ask for it again.";
    people.answers(dora, "yes", &[late]);
    people.answers(dora, "/ban #two anna", &asked);
    people.wait(Duration::from_secs(62));
    people.answers(dora, "yes", &[late]);
    // Who is in charge of a room is not told who shares an address.
    let kim = people.join(["kim"])[0];
    people.says(kim, "/join three");
    people.says(anna, "/join three");
    people.says(bert, "/join three");
    let asked = [
        "* This would also hit others who are here (1).",
        "* Say yes to do it. Anything else leaves it.",
    ];
    people.answers(kim, "/ban anna", &asked);
}

#[test]
fn only_who_is_in_charge_lets_somebody_in_whatever_is_set() {
    let mut people = People::new(&Config::default());
    let [alice, bob, carol] = people.join(["alice", "bob", "carol"]);
    people.says(alice, "/join ops");
    people.says(alice, "/room key sesame");
    people.says(bob, "/join ops sesame");
    people.says(bob, "/invite carol");
    people.answers(carol, "/join ops", &["! #ops has a key: /join ROOM KEY"]);
    people.says(alice, "/invite carol");
    people.says(alice, "/room invite on");
    people.answers(carol, "/join ops", &["! #ops is only for those who are invited."]);
}
