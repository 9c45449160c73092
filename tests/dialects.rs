//! The five older dialects, row by row of their tables in WIRE.md, what happens where a table is
//! silent, and `lines` in Chinese. Bob is always somebody in `lines` who sees what becomes
//! of it in the room. What one dialect makes of another stands in `pairs.rs`, the clients of the
//! original programs in `original_clients.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Caller, DIALECTS, Person, Server, WELCOME, left_by_reset};

/// The older dialects …
const CLASSIC: [&str; 5] = ["nick", "register", "datagram", "anonymous", "mention"];
/// … and those of them where messages have no end.
const UNFRAMED: [&str; 3] = ["nick", "register", "mention"];

/// A room with listeners for `dialect` and for `lines`, where bob has joined.
#[track_caller]
fn with_bob(dialect: &str, args: &[&str]) -> (Server, Person) {
    let server = Server::start_with_listeners(&["lines", dialect], args);
    let bob = Person::join(&server, "bob");
    (server, bob)
}

/// Comes in at `dialect` when bob, and perhaps others who are not asked, are there.
#[track_caller]
fn enters(server: &Server, dialect: &str, name: &str, bob: &mut Person, here: usize) -> Caller {
    let caller = Caller::enters(server, dialect, name);
    bob.sees(&format!("* {} joined ({here} here)", caller.name()));
    caller
}

/// What `dialect` makes of a short phrase for which it has none of its own.
fn phrase(dialect: &str, text: &str) -> String {
    match dialect {
        "register" => format!("系统消息{text}\n"),
        "anonymous" => format!("[ 系统 ]: {text}\r\n"),
        _ => text.to_owned(),
    }
}

// ---- nick -----------------------------------------------------------------------------------

#[test]
fn nick_asks_for_a_name_and_tells_all_who_joined() {
    let (server, mut bob) = with_bob("nick", &[]);
    let mut alice = Caller::connect(&server, "nick");
    alice.sees("NICK");
    alice.sends(b"alice");
    alice.sees("alice 加入了聊天\n已连接至聊天服务器");
    bob.sees("* alice joined (2 here)");
    let carol = enters(&server, "nick", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天");
    carol.closes();
    alice.sees("carol 退出了聊天");
    bob.sees("* carol left (2 here)");
    alice.closes();
    bob.sees("* alice left (1 here)");
}

#[test]
fn nick_says_a_line_to_all_and_to_the_speaker() {
    let (server, mut bob) = with_bob("nick", &[]);
    let mut alice = enters(&server, "nick", "alice", &mut bob, 2);
    let mut carol = enters(&server, "nick", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天");
    alice.sends(b"alice: hi");
    alice.sees("alice: hi");
    carol.sees("alice: hi");
    bob.sees("alice: hi");
    // Also one that a program of another kind sends.
    carol.sends(b"hello");
    alice.sees("carol: hello");
    carol.sees("carol: hello");
    bob.sees("carol: hello");
    bob.says("/msg alice psst");
    bob.sees("[you -> alice] psst");
    alice.sees("bob (私聊): psst");
    alice.closes();
    carol.sees("alice 退出了聊天");
    carol.closes();
}

// ---- register -------------------------------------------------------------------------------

#[test]
fn register_asks_for_a_name_and_tells_all_who_joined() {
    let (server, mut bob) = with_bob("register", &[]);
    let mut alice = Caller::connect(&server, "register");
    alice.sees("请输入昵称:");
    alice.sends(b"alice");
    alice.sees_first("昵称设置成功\n");
    alice.sees("系统消息alice进入了聊天室\n");
    bob.sees("* alice joined (2 here)");
    let carol = enters(&server, "register", "carol", &mut bob, 3);
    alice.sees("系统消息carol进入了聊天室\n");
    carol.closes();
    alice.sees("系统消息carol退出了聊天室\n");
    bob.sees("* carol left (2 here)");
}

#[test]
fn register_says_a_line_to_the_others() {
    let (server, mut bob) = with_bob("register", &[]);
    let mut alice = enters(&server, "register", "alice", &mut bob, 2);
    let mut carol = enters(&server, "register", "carol", &mut bob, 3);
    alice.sees("系统消息carol进入了聊天室\n");
    alice.sends(b"hi");
    bob.sees("alice: hi");
    carol.sees("alice:hi\n");
    bob.says("/msg alice psst");
    bob.sees("[you -> alice] psst");
    alice.sees("bob(私聊):psst\n");
    alice.sends(b"quit");
    alice.sees("退出");
    alice.sees_eof();
    carol.sees("系统消息alice退出了聊天室\n");
    carol.closes();
    bob.sees("* alice left (2 here)");
    bob.sees("* carol left (1 here)");
}

#[test]
fn register_keeps_the_frames_of_its_handshake_apart_when_it_asks_again() {
    let (server, mut bob) = with_bob("register", &[]);
    let began = Instant::now();
    let mut newcomer = Caller::connect(&server, "register");
    newcomer.sees("请输入昵称:");
    for (refusals, name) in ["bob", "BOB"].into_iter().enumerate() {
        newcomer.sends(name.as_bytes());
        newcomer.sees_first("当前昵称已经存在，请重新输入\n");
        newcomer.sees("请输入昵称:");
        assert!(began.elapsed() >= gaps(2 * (refusals as u32 + 1)));
    }
    newcomer.sends(b"no name");
    let why = "系统消息昵称只能由字母和数字组成，中间可以有 - _ .，请换一个。\n";
    newcomer.sees_first(why);
    newcomer.sees("请输入昵称:");
    bob.sees_nothing_more();
    newcomer.sends(b"alice");
    newcomer.sees_first("昵称设置成功\n");
    newcomer.sees("系统消息alice进入了聊天室\n");
    assert!(began.elapsed() >= gaps(8), "{:?}", began.elapsed());
    bob.sees("* alice joined (2 here)");
    newcomer.closes();
}

/// How long so many gaps of a handshake take at least.
fn gaps(count: u32) -> Duration {
    Duration::from_millis(100) * count
}

#[test]
fn register_holds_the_room_back_until_the_newcomer_is_in() {
    let (server, mut bob) = with_bob("register", &["--flood", "0"]);
    let mut alice = Caller::connect(&server, "register");
    alice.sees("请输入昵称:");
    alice.sends(b"alice");
    bob.sees("* alice joined (2 here)");
    // Whether this is said before alice knows that she is in is a matter of pace; that she hears it
    // afterwards is not.
    bob.says("welcome");
    alice.sees_first("昵称设置成功\n");
    let mut came = String::new();
    let expected = "系统消息alice进入了聊天室\nbob:welcome\n";
    while came.len() < expected.len() {
        came += std::str::from_utf8(&alice.receives()).unwrap();
    }
    assert_eq!(came, expected);
    alice.closes();
}

// ---- datagram -------------------------------------------------------------------------------

#[test]
fn datagram_takes_the_first_one_for_the_name() {
    let (server, mut bob) = with_bob("datagram", &[]);
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    let mut carol = enters(&server, "datagram", "carol", &mut bob, 3);
    alice.sees("carol 进入聊天室...");
    alice.sends("alice : hi".as_bytes());
    bob.sees("alice: hi");
    carol.sees("alice : hi");
    bob.says("/msg alice psst");
    bob.sees("[you -> alice] psst");
    alice.sees("bob (私聊) : psst");
    carol.sends(b"carol : ExIt");
    alice.sees("carol 离开了聊天室...");
    bob.sees("* carol left (2 here)");
    // The address is a stranger's now, and what comes from it next is a name.
    carol.sends(b"eve");
    bob.sees("* eve joined (3 here)");
    alice.sees("eve 进入聊天室...");
    carol.sends(b"exit");
    bob.sees("* eve left (2 here)");
    alice.sees("eve 离开了聊天室...");
    bob.says("so long");
    alice.sees("bob : so long");
}

#[test]
fn a_datagram_is_one_message_and_a_message_one_datagram() {
    let (server, mut bob) = with_bob("datagram", &["--flood", "0"]);
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    let mut carol = enters(&server, "datagram", "carol", &mut bob, 3);
    alice.sees("carol 进入聊天室...");
    alice.sends(b"alice : one\ntwo");
    bob.sees("alice: onetwo");
    carol.sees("alice : onetwo");
    // Over the 1,200 bytes that any network carries in one piece.
    let long = "long ".repeat(700);
    let long = long.trim();
    alice.sends(format!("alice : {long}").as_bytes());
    bob.sees(&format!("alice: {long}"));
    carol.sees(&format!("alice : {long}"));
    // Many lines in one write, which the server reads in one turn and sends in one.
    let lines: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
    bob.sends(format!("{}\n", lines.join("\n")).as_bytes());
    for line in &lines {
        alice.sees(&format!("bob : {line}"));
        carol.sees(&format!("bob : {line}"));
    }
}

#[test]
fn bad_datagrams_are_met_with_silence_and_the_door_lives_on() {
    let (server, mut bob) = with_bob("datagram", &["--max-line", "32", "--flood", "0"]);
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    let mut stranger = Caller::connect(&server, "datagram");
    let too_long = [b'x'; 33];
    let junk: [&[u8]; 9] = [
        b"",
        b" ",
        b"\n",
        b"\0\0\0\x01",
        b"\xff",
        b"\xe4\xbd",
        b"hi\xff",
        &too_long,
        &[0xff; 2000],
    ];
    for bytes in junk {
        alice.sends(bytes);
        stranger.sends(bytes);
    }
    for leaves_at_once in ["exit", "EXIT", "stranger : exit"] {
        stranger.sends(leaves_at_once.as_bytes());
    }
    alice.sends(b"alice : still here");
    bob.sees("alice: still here");
    // Neither has been answered: what comes next is what is said next.
    stranger.sends(b"stranger");
    bob.sees("* stranger joined (3 here)");
    alice.sees("stranger 进入聊天室...");
    bob.says("hi");
    stranger.sees("bob : hi");
    alice.sees("bob : hi");
}

#[test]
fn a_peer_that_is_not_heard_from_leaves_and_may_come_back() {
    let (server, mut bob) = with_bob("datagram", &["--udp-expiry", "0.5"]);
    let began = Instant::now();
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    bob.sees("* alice left: timed out (1 here)");
    assert!(began.elapsed() >= Duration::from_millis(500));
    // Its client has not noticed, and sends what it always sends.
    alice.sends(b"alice : anybody there?");
    bob.sees("* alice joined (2 here)");
    bob.sees("alice: anybody there?");
    bob.says("yes");
    alice.sees("bob : yes");
    bob.sees("* alice left: timed out (1 here)");
    let _other = Person::join(&server, "alice");
    bob.sees("* alice joined (2 here)");
    alice.sends(b"alice : and now?");
    alice.sees("您的昵称是 alice_2");
    bob.sees("* alice_2 joined (3 here)");
    bob.sees("alice_2: and now?");
}

#[test]
fn every_datagram_puts_off_the_time_at_which_its_sender_is_given_up() {
    // On a machine that is too slow to let her talk in time, she tries again.
    assert!((0..10).any(|_| alice_talks_on_past_her_expiry()), "this machine is far too slow");
}

/// Whether she had the chance to; if so, she was there all the time.
fn alice_talks_on_past_her_expiry() -> bool {
    let (server, mut bob) = with_bob("datagram", &["--udp-expiry", "1", "--flood", "0"]);
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    let (began, mut spoke) = (Instant::now(), Instant::now());
    while began.elapsed() < Duration::from_millis(1500) {
        let before = std::mem::replace(&mut spoke, Instant::now());
        alice.sends(b"alice : more");
        let line = bob.sees_a_line();
        if line != "alice: more" {
            assert!(before.elapsed() > Duration::from_millis(900), "bob saw {line:?}");
            return false;
        }
    }
    bob.sees("* alice left: timed out (1 here)");
    true
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn a_datagram_from_the_doors_own_port_is_ignored() {
    if common::is_wine() {
        return; // There nobody else can have that port.
    }
    let (server, mut bob) = with_bob("datagram", &[]);
    let listener = server.address("datagram");
    let echo = UdpSocket::bind(("127.0.0.2", listener.port())).unwrap();
    let mut echo = Caller::with_socket(echo, listener);
    echo.sends(b"echo");
    echo.sends(b"echo : hi");
    let _alice = enters(&server, "datagram", "alice", &mut bob, 2);
    bob.sees_nothing_more();
}

#[test]
fn loopback_may_have_any_number_of_peers() {
    let (server, mut bob) = with_bob("datagram", &["--max-per-ip", "1"]);
    let mut alice = enters(&server, "datagram", "alice", &mut bob, 2);
    for (here, name) in (3..).zip(["carol", "dave", "eve"]) {
        enters(&server, "datagram", name, &mut bob, here);
        alice.sees(&format!("{name} 进入聊天室..."));
    }
}

// ---- anonymous ------------------------------------------------------------------------------

#[test]
fn anonymous_is_in_the_room_on_connecting_by_its_address() {
    let (server, mut bob) = with_bob("anonymous", &[]);
    let mut first = Caller::connect(&server, "anonymous");
    let one = first.local_address();
    first.sees(&format!("[ {one} ]加入聊天室\r\n"));
    bob.sees(&format!("* {one} joined (2 here)"));
    let mut second = Caller::connect(&server, "anonymous");
    let two = second.local_address();
    second.sees(&format!("[ {two} ]加入聊天室\r\n"));
    first.sees(&format!("[ {two} ]加入聊天室\r\n"));
    bob.sees(&format!("* {two} joined (3 here)"));

    first.sends(b"hi\r\n");
    second.sees(&format!("[ {one} ]: hi\r\n"));
    bob.sees(&format!("{one}: hi"));
    second.sends(b"hi, with LF alone\n");
    first.sees(&format!("[ {two} ]: hi, with LF alone\r\n"));
    bob.sees(&format!("{two}: hi, with LF alone"));
    bob.says("hi all");
    first.sees("[ bob ]: hi all\r\n");
    second.sees("[ bob ]: hi all\r\n");
    bob.says(&format!("/msg {one} psst"));
    bob.sees(&format!("[you -> {one}] psst"));
    first.sees("[ bob ](私聊): psst\r\n");

    second.closes();
    first.sees(&format!("[ {two} ]退出了\r\n"));
    bob.sees(&format!("* {two} left (2 here)"));
}

#[test]
fn a_blank_line_leaves_anonymous() {
    let (server, mut bob) = with_bob("anonymous", &[]);
    let mut stays = enters(&server, "anonymous", "", &mut bob, 2);
    for blank in ["\r\n", "\n", " \t\r\n", "\u{1b}\u{2028}\u{85}\n"] {
        let mut leaves = enters(&server, "anonymous", "", &mut bob, 3);
        let name = leaves.name().to_owned();
        stays.sees(&format!("[ {name} ]加入聊天室\r\n"));
        leaves.sends(blank.as_bytes());
        leaves.sees_eof();
        stays.sees(&format!("[ {name} ]退出了\r\n"));
        bob.sees(&format!("* {name} left (2 here)"));
    }
}

// ---- mention --------------------------------------------------------------------------------

#[test]
fn mention_takes_the_first_arrival_for_the_name() {
    let (server, mut bob) = with_bob("mention", &[]);
    let mut alice = Caller::connect(&server, "mention");
    alice.sends(b"!alice");
    bob.sees("* alice joined (2 here)");
    alice.sends(b"hi");
    alice.sees("alice say: hi");
    bob.sees("alice: hi");
    let mut carol = enters(&server, "mention", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天室");
    carol.sends(b"hello");
    alice.sees("carol say: hello");
    carol.sees("carol say: hello");
    bob.sees("carol: hello");
    carol.closes();
    alice.sees("carol 离开了聊天室");
    bob.sees("* carol left (2 here)");
    alice.sends(b"exit");
    alice.sees_eof();
    bob.sees("* alice left (1 here)");
}

#[test]
fn mention_lists_who_is_here_and_helps() {
    let (server, mut bob) = with_bob("mention", &[]);
    let mut alice = enters(&server, "mention", "alice", &mut bob, 2);
    alice.sends(b"#");
    alice.sees("在线 2 人: alice, bob");
    let _carol = enters(&server, "mention", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天室");
    alice.sends(b" # ");
    alice.sees("在线 3 人: alice, bob, carol");
    alice.sends(b"&");
    let help = alice.sees_a(|help| !help.ends_with('\n'));
    for part in ["#", "&", "text@name", "exit", "在线", "私聊", "退出"] {
        assert!(help.contains(part), "{part} in {help:?}");
    }
    bob.sees_nothing_more();
    alice.sends(b"# is how one asks");
    alice.sees("alice say: # is how one asks");
    bob.sees("alice: # is how one asks");
}

#[test]
fn mention_tells_one_person_alone() {
    let (server, mut bob) = with_bob("mention", &[]);
    let mut alice = enters(&server, "mention", "alice", &mut bob, 2);
    let mut carol = enters(&server, "mention", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天室");
    alice.sends("你好@carol".as_bytes());
    carol.sees("alice 对你说: 你好");
    alice.sends("你好@bob".as_bytes());
    bob.sees("[alice -> you] 你好");
    // The last of several is what parts the name from the text.
    alice.sends(b"a@b@bob");
    bob.sees("[alice -> you] a@b");
    alice.sends(b"hi @ BOB ");
    bob.sees("[alice -> you] hi ");
    bob.says("/r and you");
    bob.sees("[you -> alice] and you");
    alice.sees("bob 对你说: and you");
    // Nobody else has received any of it.
    alice.sends(b"hi all");
    alice.sees("alice say: hi all");
    carol.sees("alice say: hi all");
    bob.sees("alice: hi all");
}

#[test]
fn mention_tells_the_sender_when_nobody_has_that_name_and_nobody_else_hears_it() {
    let (server, mut bob) = with_bob("mention", &[]);
    let mut alice = enters(&server, "mention", "alice", &mut bob, 2);
    let mut carol = enters(&server, "mention", "carol", &mut bob, 3);
    alice.sees("carol 加入了聊天室");
    alice.sends(b"me@example.org");
    alice.sees("这里没有人叫 example.org。");
    alice.sends(b"hi@alice");
    alice.sees("不能给自己发私信。");
    for without_text in ["@bob", " @bob", "@"] {
        alice.sends(without_text.as_bytes());
        alice.sees("用法: 内容@昵称");
    }
    bob.sees_nothing_more();
    alice.sends(b"hi");
    alice.sees("alice say: hi");
    carol.sees("alice say: hi");
    bob.sees("alice: hi");
}

// ---- Names ----------------------------------------------------------------------------------

/// Sends `name` as the clients of `dialect` do, where one is not asked again, and is let
/// in as `called`, which it is told.
#[track_caller]
fn is_renamed(server: &Server, dialect: &str, name: &str, called: &str) -> Caller {
    let mut newcomer = Caller::connect(server, dialect);
    match dialect {
        "nick" => {
            newcomer.sees("NICK");
            newcomer.says(name);
            newcomer.sees(&format!("{called} 加入了聊天\n已连接至聊天服务器\n您的昵称是 {called}"));
        }
        "mention" => {
            newcomer.says(&format!("!{name}"));
            newcomer.sees(&format!("您的昵称是 {called}"));
        }
        _ => {
            newcomer.says(name);
            newcomer.sees(&format!("您的昵称是 {called}"));
        }
    }
    newcomer
}

#[test]
fn who_cannot_be_asked_again_gets_the_lowest_suffix_that_is_free_and_is_told() {
    for dialect in ["nick", "datagram", "mention"] {
        let server = Server::start_with_listeners(&["lines", dialect], &[]);
        let mut alice = Person::join(&server, "alice");
        let second = is_renamed(&server, dialect, "alice", "alice_2");
        alice.sees("* alice_2 joined (2 here)");
        let _third = is_renamed(&server, dialect, "ALICE", "ALICE_3");
        alice.sees("* ALICE_3 joined (3 here)");
        leaves(dialect, second);
        alice.sees("* alice_2 left (2 here)");
        let _second = is_renamed(&server, dialect, "alice", "alice_2");
        alice.sees("* alice_2 joined (3 here)");
    }
}

/// Goes, after whatever it has seen.
fn leaves(dialect: &str, mut caller: Caller) {
    match dialect {
        "datagram" => caller.sends(b"exit"),
        _ => {
            caller.half_closes();
            while !caller.receives().is_empty() {}
        }
    }
}

#[test]
fn who_cannot_be_asked_again_and_gives_no_name_is_a_guest_and_is_told() {
    let no_names = ["two words", "-dash", "🦀", "[eve]", "server", "系统", "ｅｖｅ", "e\u{202e}ve"];
    for dialect in ["nick", "datagram", "mention"] {
        let (server, mut bob) = with_bob(dialect, &["--flood", "0"]);
        let mut guests = Vec::new();
        for (number, no_name) in (1..).zip(no_names) {
            let guest = is_renamed(&server, dialect, no_name, &format!("guest_{number}"));
            bob.sees(&format!("* guest_{number} joined ({} here)", number + 1));
            guests.push(guest);
        }
        let first = guests.remove(0);
        leaves(dialect, first);
        bob.sees(&format!("* guest_1 left ({} here)", no_names.len()));
        let _first = is_renamed(&server, dialect, &"x".repeat(33), "guest_1");
        bob.sees(&format!("* guest_1 joined ({} here)", no_names.len() + 1));
    }
}

#[test]
fn what_is_given_as_a_name_is_taken_off_lines_if_it_is_no_longer_than_a_name() {
    for (dialect, separator) in [("nick", ": "), ("datagram", " : ")] {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut newcomers = Vec::new();
        for (length, is_taken_off) in [(128, true), (129, false)] {
            let given = "x".repeat(length);
            let guest = format!("guest_{}", length - 127);
            let mut newcomer = is_renamed(&server, dialect, &given, &guest);
            bob.sees(&format!("* {guest} joined ({} here)", length - 126));
            newcomer.sends(format!("{given}{separator}hi").as_bytes());
            let before = if is_taken_off { String::new() } else { format!("{given}{separator}") };
            bob.sees(&format!("{guest}: {before}hi"));
            newcomers.push(newcomer);
        }
    }
}

#[test]
fn a_name_that_is_not_text_makes_a_guest_too() {
    for dialect in ["nick", "mention"] {
        let (server, mut bob) = with_bob(dialect, &["--max-line", "100"]);
        for bytes in [&b"!\xb0\xae\xc0\xf6"[..], &[b'x'; 101]] {
            let mut newcomer = Caller::connect(&server, dialect);
            if dialect == "nick" {
                newcomer.sees("NICK");
            }
            newcomer.sends(bytes);
            newcomer.sees_a(|told| told.ends_with("您的昵称是 guest_1"));
            bob.sees("* guest_1 joined (2 here)");
            newcomer.closes();
            bob.sees("* guest_1 left (1 here)");
        }
    }
}

#[test]
fn who_can_be_asked_again_is_asked_until_the_name_will_do() {
    let (server, mut bob) = with_bob("register", &["--flood", "0"]);
    let mut newcomer = Caller::connect(&server, "register");
    newcomer.sees("请输入昵称:");
    let refusals = [
        ("bob", "当前昵称已经存在，请重新输入\n"),
        ("two words", "系统消息昵称只能由字母和数字组成，中间可以有 - _ .，请换一个。\n"),
        ("-dash", "系统消息昵称须以字母、数字或 _ 开头，请换一个。\n"),
        ("系统消息", "系统消息昵称 系统消息 是保留的，请换一个。\n"),
        ("bob退出了聊天室alice", "系统消息昵称 bob退出了聊天室alice 是保留的，请换一个。\n"),
        (&"x".repeat(33), "系统消息昵称最多 32 个字符、128 字节，请换一个。\n"),
    ];
    for (name, why) in refusals {
        newcomer.sends(name.as_bytes());
        newcomer.sees_first(why);
        newcomer.sees("请输入昵称:");
    }
    newcomer.sends(b"\xb0\xae\xc0\xf6");
    newcomer.sees_first("系统消息这一行不是 UTF-8 文本，没有发送。\n");
    newcomer.sees("请输入昵称:");
    bob.sees_nothing_more();
    newcomer.sends(b"alice");
    newcomer.sees_first("昵称设置成功\n");
    newcomer.sees("系统消息alice进入了聊天室\n");
    bob.sees("* alice joined (2 here)");
}

#[test]
fn nobody_can_take_the_name_of_an_anonymous() {
    let (server, mut bob) = with_bob("anonymous", &[]);
    let anonymous = enters(&server, "anonymous", "", &mut bob, 2);
    let mut eve = Person::connect(&server);
    eve.sees(WELCOME);
    eve.says(anonymous.name());
    eve.sees_a("that this is no name", |line| line.starts_with("! "));
    bob.sees_nothing_more();
}

#[test]
fn nobody_waits_for_a_name_for_ever() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &["--nick-timeout", "0.4"]);
        let began = Instant::now();
        let mut silent = Caller::connect(&server, dialect);
        match dialect {
            "nick" => silent.sees_first("NICK"),
            "register" => silent.sees_first("请输入昵称:"),
            _ => {}
        }
        silent.sees(&phrase(dialect, "您在 0.4 秒内没有输入昵称。"));
        assert!(began.elapsed() >= Duration::from_millis(390));
        silent.sees_eof();
        bob.sees_nothing_more();
    }
}

// ---- The name before a line -----------------------------------------------------------------

#[test]
fn ones_own_name_is_taken_off_a_line_once_and_nobody_elses_is() {
    for (dialect, separator) in [("nick", ": "), ("datagram", " : ")] {
        let (server, mut bob) = with_bob(dialect, &["--flood", "0"]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let lines = [
            ("alice{}hi", "alice: hi"),
            ("alice{}alice{}hi", "alice: alice{}hi"),
            ("bob{}hi", "alice: bob{}hi"),
            ("alice{}bob{}hi", "alice: bob{}hi"),
            ("Alice{}hi", "alice: Alice{}hi"),
            ("alice_2{}hi", "alice: alice_2{}hi"),
            ("alice:hi", "alice: alice:hi"),
            ("hi", "alice: hi"),
        ];
        for (sent, heard) in lines {
            alice.sends(sent.replace("{}", separator).as_bytes());
            let heard = heard.replace("{}", separator);
            bob.sees(&heard);
            if dialect == "nick" {
                alice.sees(&heard);
            }
        }
    }
}

#[test]
fn the_name_taken_off_is_the_one_its_client_believes_to_have() {
    for (dialect, separator) in [("nick", ": "), ("datagram", " : ")] {
        let (server, mut bob) = with_bob(dialect, &[]);
        let _alice = Person::join(&server, "alice");
        bob.sees("* alice joined (2 here)");
        let mut second = is_renamed(&server, dialect, "alice", "alice_2");
        bob.sees("* alice_2 joined (3 here)");
        second.sends(format!("alice{separator}hi").as_bytes());
        bob.sees("alice_2: hi");
        let mut guest = is_renamed(&server, dialect, "two words", "guest_1");
        bob.sees("* guest_1 joined (4 here)");
        guest.sends(format!("two words{separator}hi").as_bytes());
        bob.sees("guest_1: hi");
    }
}

#[test]
fn where_clients_put_no_name_before_a_line_none_is_taken_off() {
    for dialect in ["register", "anonymous", "mention"] {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let name = alice.name().to_owned();
        for own in ["alice: hi", "alice:hi", "alice say: hi"] {
            alice.says(own);
            bob.sees(&format!("{name}: {own}"));
        }
    }
}

// ---- Arrivals -------------------------------------------------------------------------------

#[test]
fn two_messages_in_one_arrival_are_two_lines() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        alice.sends(b"one\ntwo\r\nthree");
        for line in ["one", "two", "three"] {
            bob.sees(&format!("alice: {line}"));
        }
        match dialect {
            "nick" => alice.sees("alice: one\nalice: two\nalice: three"),
            "mention" => alice.sees("alice say: one\nalice say: two\nalice say: three"),
            _ => {}
        }
        // And a line end at the end is not the beginning of another.
        alice.sends(b"four\n");
        bob.sees("alice: four");
        bob.sees_nothing_more();
    }
}

#[test]
fn what_goes_out_together_arrives_as_lines_and_not_as_one_word() {
    for (dialect, together, alone) in [
        ("nick", "bob: one\nbob: two\nbob: three", "bob: four"),
        ("register", "bob:one\nbob:two\nbob:three\n", "bob:four\n"),
        ("anonymous", "[ bob ]: one\r\n[ bob ]: two\r\n[ bob ]: three\r\n", "[ bob ]: four\r\n"),
        ("mention", "bob say: one\nbob say: two\nbob say: three", "bob say: four"),
    ] {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        bob.sends(b"one\ntwo\nthree\n");
        alice.sees(together);
        bob.says("four");
        alice.sees(alone);
        alice.closes();
    }
}

#[test]
fn a_character_that_comes_in_two_arrivals_is_one() {
    for dialect in UNFRAMED {
        // Its rest must come within a second; if this machine lets us be too slow, try again.
        let in_time = (0..10).any(|_| sends_a_character_in_two_arrivals(dialect));
        assert!(in_time, "this machine is far too slow");
    }
}

/// Whether it was sent in time; if so, it was received as one.
fn sends_a_character_in_two_arrivals(dialect: &str) -> bool {
    let (server, mut bob) = with_bob(dialect, &[]);
    let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
    let began = Instant::now();
    alice.sends(b"you: \xe4\xbd");
    // Bob has been answered, so the server has read what came before he asked.
    bob.sees_nothing_more();
    alice.sends(b"\xa0\xe5\xa5");
    bob.sees_nothing_more();
    alice.sends(b"\xbd");
    if began.elapsed() > Duration::from_millis(900) {
        return false;
    }
    bob.sees("alice: you: 你好");
    true
}

#[test]
fn the_rest_of_a_character_is_not_waited_for_for_ever() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let began = Instant::now();
        alice.sends(b"you: \xe4\xbd");
        alice.sees(&phrase(dialect, "这一行不是 UTF-8 文本，没有发送。"));
        assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
        alice.sends(b"hi");
        bob.sees("alice: hi");
    }
}

#[test]
fn a_line_end_or_the_end_of_input_ends_a_cut_character_at_once() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let refused = phrase(dialect, "这一行不是 UTF-8 文本，没有发送。");
        alice.sends(b"\xe4\xbd\n");
        alice.sees(&refused);
        alice.sends(b"\xe4\xbd");
        alice.half_closes();
        alice.sees(&refused);
        alice.sees_eof();
        bob.sees("* alice left (1 here)");
    }
}

#[test]
fn what_was_said_before_the_end_of_input_is_heard() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        alice.sends(b"one\nlast words");
        alice.half_closes();
        bob.sees("alice: one");
        bob.sees("alice: last words");
        bob.sees("* alice left (1 here)");
    }
}

// ---- Leaving --------------------------------------------------------------------------------

#[test]
fn quit_and_exit_leave_in_any_case() {
    let words = [
        ("lines", &["quit", "QUIT", " Exit "][..], "* Goodbye.\n"),
        ("register", &["quit", "QuIt", " QUIT\n"], "退出"),
        ("datagram", &["exit", "EXIT", "alice : Exit", "alice : exit "], ""),
        ("mention", &["exit", "EXIT", " Exit\n"], ""),
    ];
    for (dialect, words, farewell) in words {
        let (server, mut bob) = with_bob(dialect, &[]);
        for word in words {
            let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
            alice.says(word);
            if !farewell.is_empty() {
                alice.sees(farewell);
            }
            if dialect != "datagram" {
                alice.sees_eof();
            }
            bob.sees("* alice left (1 here)");
        }
    }
}

#[test]
fn a_line_in_which_exit_or_quit_stands_is_only_a_line() {
    let every_dialect =
        ["let's exit now", "quit it", "exit.", "/quit?", "no exit", "bob: exit", "bob : exit"];
    let own_words = [
        ("nick", &["quit", "exit", "/quit", "alice: exit"][..]),
        ("register", &["exit", "/quit", "alice:quit"]),
        ("datagram", &["quit", "/exit", "alice: exit"]),
        ("anonymous", &["quit", "exit", "/quit"]),
        ("mention", &["quit", "/exit", "alice say: exit"]),
    ];
    for (dialect, own_words) in own_words {
        let (server, mut bob) = with_bob(dialect, &["--flood", "0"]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let name = alice.name().to_owned();
        for line in every_dialect.iter().chain(own_words) {
            alice.says(line);
            let line = if dialect == "nick" { line.trim_start_matches("alice: ") } else { line };
            bob.sees(&format!("{name}: {line}"));
            match dialect {
                "nick" => alice.sees(&format!("alice: {line}")),
                "mention" => alice.sees(&format!("alice say: {line}")),
                _ => {}
            }
        }
    }
}

#[test]
fn a_reason_for_leaving_is_told_at_lines_alone() {
    let server = Server::start_with_listeners(&DIALECTS, &["--flood", "0"]);
    let mut bob = Person::join(&server, "bob");
    let mut callers: Vec<Caller> = Vec::new();
    for (here, dialect) in (2..).zip(CLASSIC) {
        let newcomer = enters(&server, dialect, &format!("from_{dialect}"), &mut bob, here);
        callers.iter_mut().for_each(|caller| drop(caller.receives()));
        callers.push(newcomer);
    }
    let phrases = [
        "carol 退出了聊天",
        "系统消息carol退出了聊天室\n",
        "carol 离开了聊天室...",
        "[ carol ]退出了\r\n",
        "carol 离开了聊天室",
    ];
    for reset in [false, true] {
        let mut carol = Person::join(&server, "carol");
        bob.sees("* carol joined (7 here)");
        callers.iter_mut().for_each(|caller| drop(caller.receives()));
        if reset {
            carol.resets();
            bob.sees(&format!("* carol {} (6 here)", left_by_reset()));
        } else {
            carol.says("/quit so long");
            carol.sees("* Goodbye.");
            bob.sees("* carol left: so long (6 here)");
        }
        for (caller, phrase) in callers.iter_mut().zip(phrases) {
            caller.sees(phrase);
        }
    }
}

// ---- Where a table is silent ----------------------------------------------------------------

#[test]
fn what_lines_does_is_told_in_short_phrases_elsewhere() {
    for dialect in CLASSIC {
        let (server, mut bob) = with_bob(dialect, &["--flood", "0"]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        bob.says("/me waves");
        alice.sees(match dialect {
            "register" => "** bob waves\n",
            "anonymous" => "** bob waves\r\n",
            _ => "** bob waves",
        });
        bob.says("/nick eve");
        alice.sees(&phrase(dialect, "bob 改名为 eve"));
        bob.sees("* bob is now eve");
        // What only the asker is told is not told here at all.
        for asked in ["/who", "/history", "/help", "/ignore"] {
            assert!(!bob.answers_to(asked).is_empty());
        }
        bob.says("hi");
        alice.sees(match dialect {
            "nick" => "eve: hi",
            "register" => "eve:hi\n",
            "datagram" => "eve : hi",
            "anonymous" => "[ eve ]: hi\r\n",
            _ => "eve say: hi",
        });
    }
}

#[test]
fn newcomers_of_the_older_dialects_are_not_told_the_history() {
    for dialect in CLASSIC {
        let (server, mut bob) = with_bob(dialect, &[]);
        bob.says("before you came");
        bob.sees_nothing_more();
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        bob.says("since then");
        alice.sees_a(|line| line.contains("since then") && !line.contains("before"));
    }
}

#[cfg(unix)]
#[test]
fn everyone_is_told_when_the_server_stops() {
    for dialect in CLASSIC {
        let (mut server, mut bob) = with_bob(dialect, &[]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        server.terminate();
        alice.sees(&phrase(dialect, "服务器即将停止。"));
        if dialect != "datagram" {
            alice.sees_eof();
        }
        bob.sees("* The server is stopping.");
        bob.sees_eof();
        // There is nobody left to wait for.
        drop((alice, bob));
        assert_eq!(server.wait(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn whoever_is_asked_for_a_name_is_told_when_the_server_stops() {
    for dialect in UNFRAMED {
        let (server, mut bob) = with_bob(dialect, &[]);
        let mut newcomer = Caller::connect(&server, dialect);
        match dialect {
            "nick" => newcomer.sees_first("NICK"),
            "register" => newcomer.sees_first("请输入昵称:"),
            // Nothing tells that it is connected but what comes next: that it is told so.
            _ => drop(server.log().waits_for("at mention")),
        }
        server.terminate();
        newcomer.sees(&phrase(dialect, "服务器即将停止。"));
        newcomer.sees_eof();
        bob.sees("* The server is stopping.");
    }
}

// ---- What is refused ------------------------------------------------------------------------

#[test]
fn an_over_long_message_is_refused_whole_and_its_sender_told() {
    for dialect in ["nick", "register", "anonymous", "mention"] {
        let (server, mut bob) = with_bob(dialect, &["--max-line", "64"]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let name = alice.name().to_owned();
        let refused = phrase(dialect, "这一行超过 64 字节，没有发送。");
        alice.says(&"x".repeat(65));
        alice.sees(&refused);
        // Much longer, and a short one behind it.
        alice.sends(format!("{}\nshort\n", "y".repeat(5000)).as_bytes());
        match dialect {
            "nick" => alice.sees(&format!("{refused}\nalice: short")),
            "mention" => alice.sees(&format!("{refused}\nalice say: short")),
            _ => alice.sees(&refused),
        }
        bob.sees(&format!("{name}: short"));
        let longest = "z".repeat(64);
        alice.says(&longest);
        bob.sees(&format!("{name}: {longest}"));
    }
}

#[test]
fn a_message_that_is_not_text_is_refused_and_its_sender_told() {
    let not_text: [&[u8]; 4] = [b"hi\xff", b"\xc3(", b"\xed\xa0\x80", b"\xb0\xae\xc0\xf6"];
    for dialect in ["nick", "register", "anonymous", "mention"] {
        let (server, mut bob) = with_bob(dialect, &["--flood", "0"]);
        let mut alice = enters(&server, dialect, "alice", &mut bob, 2);
        let name = alice.name().to_owned();
        for bytes in not_text {
            let mut message = bytes.to_vec();
            message.extend(if dialect == "anonymous" { &b"\r\n"[..] } else { b"" });
            alice.sends(&message);
            alice.sees(&phrase(dialect, "这一行不是 UTF-8 文本，没有发送。"));
        }
        bob.sees_nothing_more();
        alice.says("hi");
        bob.sees(&format!("{name}: hi"));
    }
}

#[test]
fn another_protocol_is_closed_and_nothing_of_it_is_said() {
    let requests: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n!eve\nhi\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ];
    for dialect in ["nick", "register", "anonymous", "mention"] {
        for request in requests {
            let (server, mut bob) = with_bob(dialect, &[]);
            let mut browser = Caller::connect(&server, dialect);
            let address = browser.local_address();
            match dialect {
                "nick" => browser.sees("NICK"),
                "register" => browser.sees("请输入昵称:"),
                "anonymous" => browser.sees(&format!("[ {address} ]加入聊天室\r\n")),
                _ => {}
            }
            browser.sends(request);
            browser.sees_eof();
            if dialect == "anonymous" {
                bob.sees(&format!("* {address} joined (2 here)"));
                bob.sees(&format!("* {address} left (1 here)"));
            }
            bob.sees_nothing_more();
        }
    }
}

// ---- Many at once ---------------------------------------------------------------------------

#[cfg(target_os = "linux")]
#[test]
fn who_comes_and_goes_in_one_turn_is_told_in_one_notice() {
    for (count, more) in [(3, ""), (10, " 和另外 2 人")] {
        let server = Server::start_with_listeners(&DIALECTS, &["--flood", "0"]);
        let mut bob = Person::join(&server, "bob");
        let mut callers: Vec<Caller> = Vec::new();
        for (here, dialect) in (2..).zip(CLASSIC) {
            let newcomer = enters(&server, dialect, &format!("at_{dialect}"), &mut bob, here);
            callers.iter_mut().for_each(|caller| drop(caller.receives()));
            callers.push(newcomer);
        }
        let mut crowd: Vec<Person> = (0..count).map(|_| Person::connect(&server)).collect();
        crowd.iter_mut().for_each(|person| person.sees(WELCOME));
        server.pause();
        for (number, person) in crowd.iter_mut().enumerate() {
            person.says(&format!("p{number}"));
        }
        waits_for_unread(&server, count);
        server.resume();
        let verbs = [
            ("", " 加入了聊天", " 退出了聊天"),
            ("系统消息", "进入了聊天室\n", "退出了聊天室\n"),
            ("", " 进入聊天室...", " 离开了聊天室..."),
            ("[ ", " ]加入聊天室\r\n", " ]退出了\r\n"),
            ("", " 加入了聊天室", " 离开了聊天室"),
        ];
        for (caller, (start, joined, _)) in callers.iter_mut().zip(verbs) {
            caller.sees_a(|notice| is_notice(notice, start, count, more, joined));
        }
        bob.sees_notice("joined");
        for person in &mut crowd {
            // Who leaves something unread goes by a reset, which is another kind of notice.
            person.answers_to("/who");
        }
        server.pause();
        for person in crowd {
            person.closes();
        }
        waits_for_unread(&server, count);
        server.resume();
        for (caller, (start, _, left)) in callers.iter_mut().zip(verbs) {
            caller.sees_a(|notice| is_notice(notice, start, count, more, left));
        }
    }
}

/// Returns when so many connections to `lines` have something that the server has not
/// read: bytes, or their end. A busy system may deliver what was sent a little later.
#[cfg(target_os = "linux")]
fn waits_for_unread(server: &Server, count: usize) {
    let port = format!(":{:04X}", server.address("lines").port());
    let deadline = Instant::now() + common::PATIENCE;
    loop {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let has_unread = |socket: &&str| {
            let columns: Vec<&str> = socket.split_whitespace().collect();
            let (state, queues) = (columns[3], columns[4]);
            columns[1].ends_with(&port) && state != "0A" && !queues.ends_with(":00000000")
        };
        if sockets.lines().skip(1).filter(has_unread).count() == count {
            return;
        }
        assert!(Instant::now() < deadline, "what was sent does not arrive: {sockets}");
        std::thread::yield_now();
    }
}

/// Whether `notice` names the first eight at most of `count` people called p0, p1 and so on, in
/// whatever order, and says that there are `more`.
#[cfg(target_os = "linux")]
fn is_notice(notice: &str, start: &str, count: usize, more: &str, end: &str) -> bool {
    let names = notice.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let Some(names) = names.and_then(|names| names.strip_suffix(more)) else { return false };
    let mut names: Vec<&str> = names.split('、').collect();
    names.sort_unstable();
    names.dedup();
    let is_one = |name: &&str| name.strip_prefix('p').is_some_and(|n| n.parse::<usize>().is_ok());
    names.len() == count.min(8) && names.iter().all(is_one)
}

// ---- Listeners ------------------------------------------------------------------------------

#[test]
fn classic_opens_no_door_that_was_given_an_address() {
    // All of them are given one, so that no test takes a port that somebody may have.
    let mut server = Server::start_with_listeners(&DIALECTS, &["--classic"]);
    for dialect in DIALECTS {
        assert_eq!(server.addresses(dialect).len(), 1, "{dialect}");
    }
    // Whoever is let in comes after all listeners were opened.
    let _bob = Person::join(&server, "bob");
    server.kill();
    let log = server.log().lines_at_the_end();
    let opened = log.iter().filter(|line| line.contains("listening: ")).count();
    assert_eq!(opened, DIALECTS.len(), "{log:#?}");
}

#[test]
fn a_dialect_may_have_several_doors() {
    let listeners = ["lines", "datagram", "datagram", "nick", "nick"];
    let server = Server::start_with_listeners(&listeners, &[]);
    let mut bob = Person::join(&server, "bob");
    for (here, address) in (2..).zip(server.addresses("datagram")) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let mut caller = Caller::with_socket(socket, address);
        caller.says(&format!("peer{here}"));
        bob.sees(&format!("* peer{here} joined ({here} here)"));
        bob.says("hi");
        caller.sees("bob : hi");
    }
    assert_eq!(server.addresses("nick").len(), 2);
}

#[test]
fn help_tells_of_the_older_doors_and_the_console() {
    let mut help = common::chinwag();
    let help = help.arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    for word in ["--classic", "--console", "--udp-expiry", "--lang"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    for word in DIALECTS.iter().chain(&["32768", "4567", "9999", "21567", "4568"]) {
        assert!(text.contains(word), "{word} in {text}");
    }
}

// ---- lines in Chinese -----------------------------------------------------------------------

#[test]
fn lines_speaks_chinese_if_told_to() {
    let server = Server::start(&["--lang", "zh"]);
    let mut alice = Person::connect(&server);
    alice.sees("* 欢迎来到 chinwag。请输入您的昵称:");
    alice.says("no name");
    alice.sees("! 昵称只能由字母和数字组成，中间可以有 - _ .，请换一个。");
    alice.says("alice");
    alice.sees("* 您的昵称是 alice。在线: alice。输入 /help 查看帮助。");
    let mut bob = Person::connect(&server);
    bob.sees("* 欢迎来到 chinwag。请输入您的昵称:");
    bob.says("alice");
    bob.sees("! 昵称 alice 已被使用，请换一个。");
    bob.says("bob");
    bob.sees("* 您的昵称是 bob。在线: alice, bob。输入 /help 查看帮助。");
    alice.sees("* bob 加入了聊天 (在线 2 人)");
    bob.says("/msg alice hi");
    bob.sees("[你 -> alice] hi");
    alice.sees("[bob -> 你] hi");
    alice.says("/who");
    alice.sees("* 在线 2 人: alice, bob");
    alice.says("/nope");
    alice.sees("! 没有 /nope 这个命令。输入 /help 查看帮助。");
    alice.says("/msg carol hi");
    alice.sees("! 这里没有人叫 carol。");
    alice.says("/help nick");
    alice.sees("* /nick 昵称 - 换一个昵称");
    bob.says("/nick eve");
    bob.sees("* bob 改名为 eve");
    alice.sees("* bob 改名为 eve");
    bob.says("/quit 再会");
    bob.sees("* 再见。");
    bob.sees_eof();
    alice.sees("* eve 离开了聊天: 再会 (在线 1 人)");
}
