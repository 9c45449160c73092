//! `--console`: the server's own terminal is a member of the room.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Caller, DIALECTS, Person, Process, Server, Terminal, WELCOME, chinwag};

/// A server whose terminal is in the room, and what that shows first.
#[track_caller]
fn with_terminal(args: &[&str]) -> (Server, Terminal) {
    let all: Vec<&str> = args.iter().copied().chain(["--console"]).collect();
    let mut server = Server::start(&all);
    let mut terminal = server.terminal();
    terminal.sees("* You are server. Here now: server. Type /help for help.");
    (server, terminal)
}

#[test]
fn what_is_typed_is_said_and_what_is_said_is_shown() {
    let (server, mut terminal) = with_terminal(&[]);
    let mut bob = Person::connect(&server);
    bob.sees(WELCOME);
    bob.says("bob");
    bob.sees("* You are bob. Here now: bob, server. Type /help for help.");
    terminal.sees("* bob joined (2 here)");
    terminal.says("hello");
    bob.sees("server: hello");
    bob.says("hello yourself");
    terminal.sees("bob: hello yourself");
    terminal.sends("a line in\r\n你好\nhalf".as_bytes());
    bob.sees("server: a line in");
    bob.sees("server: 你好");
    terminal.says(" and half");
    bob.sees("server: half and half");
    bob.closes();
    terminal.sees("* bob left (1 here)");
}

#[test]
fn commands_work_at_the_terminal() {
    let (server, mut terminal) = with_terminal(&[]);
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    terminal.says("/who");
    terminal.sees("* 2 here: bob, server");
    terminal.says("/msg bob psst");
    terminal.sees("[you -> bob] psst");
    bob.sees("[server -> you] psst");
    bob.says("/msg server psst");
    bob.sees("[you -> server] psst");
    terminal.sees("[bob -> you] psst");
    terminal.says("/r yes?");
    terminal.sees("[you -> bob] yes?");
    bob.sees("[server -> you] yes?");
    terminal.says("/me nods");
    bob.sees("** server nods");
    terminal.says("/nope");
    terminal.sees("! There is no command /nope. Type /help for help.");
    terminal.says("");
    bob.sees_nothing_more();
}

#[test]
fn what_could_steer_the_terminal_is_not_shown_there() {
    let (server, mut terminal) = with_terminal(&[]);
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    bob.says("\u{1b}]0;owned\u{7}\u{9b}2Jhi\rserver: bye");
    terminal.sees("bob: ]0;owned2Jhiserver: bye");
}

#[test]
fn the_terminal_may_be_called_otherwise() {
    let mut server = Server::start(&["--console=boss"]);
    let mut terminal = server.terminal();
    terminal.sees("* You are boss. Here now: boss. Type /help for help.");
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    terminal.says("hello");
    bob.sees("boss: hello");
    // That name is taken, and the other one is nobody's.
    let mut newcomer = Person::connect(&server);
    newcomer.sees(WELCOME);
    newcomer.says("BOSS");
    newcomer.sees("! The nickname BOSS is taken. Try another.");
    newcomer.says("server");
    newcomer.sees("! The nickname server is reserved. Try another.");
    newcomer.takes_name("eve");
    bob.sees("* eve joined (3 here)");
}

#[test]
fn the_name_server_is_nobodys_but_the_terminals() {
    for args in [&["--console"][..], &[]] {
        let server = Server::start_with_listeners(&["lines", "nick", "register"], args);
        let mut newcomer = Person::connect(&server);
        newcomer.sees(WELCOME);
        newcomer.says("Server");
        newcomer.sees("! The nickname Server is reserved. Try another.");
        let mut nick = Caller::connect(&server, "nick");
        nick.sees("NICK");
        nick.sends(b"server");
        nick.sees("guest_1 加入了聊天\n已连接至聊天服务器\n您的昵称是 guest_1");
        let mut register = Caller::connect(&server, "register");
        register.sees("请输入昵称:");
        register.sends(b"server");
        register.sees_first("系统消息昵称 server 是保留的，请换一个。\n");
        register.sees("请输入昵称:");
        newcomer.takes_name("bob");
        newcomer.says("/nick SERVER");
        newcomer.sees("! The nickname SERVER is reserved. Try another.");
    }
}

#[test]
fn a_name_that_is_no_name_is_wrong_usage() {
    let console = ["two words", "", "-dash", "admin", "系统", "SERVER"];
    for name in console {
        let mut command = chinwag();
        command.args(["--listen", "lines=127.0.0.1:0", &format!("--console={name}")]);
        let mut process = Process::spawn(command);
        assert_eq!(process.wait(), Some(2), "--console={name}");
        let told = process.stderr.lines_at_the_end();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("--console"), "{told:?}");
        assert_eq!(process.stdout.lines_at_the_end(), [""; 0]);
    }
}

#[test]
fn the_server_goes_on_when_nobody_types_any_more() {
    let (server, mut terminal) = with_terminal(&[]);
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    terminal.says("the last thing I say");
    terminal.ends_input();
    bob.sees("server: the last thing I say");
    bob.says("we hear you");
    terminal.sees("bob: we hear you");
    bob.says("/who");
    bob.sees("* 2 here: bob, server");
    let _carol = Person::join(&server, "carol");
    terminal.sees("* carol joined (3 here)");
    bob.sees("* carol joined (3 here)");
}

#[test]
fn the_server_goes_on_when_nobody_reads_what_it_shows() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let args = ["--console", "--flood", "0", "--stall-timeout", "1"];
    let mut server = Server::start_writing_to(chinwag(), &args, Stdio::from(writer));
    let mut terminal = server.terminal();
    let mut bob = Person::join(&server, "bob");
    // More than any pipe would have held.
    let long = "x".repeat(4000);
    for _ in 0..100 {
        bob.says(&long);
    }
    terminal.says("still here");
    bob.sees("server: still here");
    // Nor is it a reader that takes nothing, and leaves as too slow.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        bob.sees_nothing_more();
    }
    bob.says("/who");
    bob.sees("* 2 here: bob, server");
}

#[test]
fn a_lot_is_shown_in_order_and_nothing_is_lost() {
    let (server, mut terminal) = with_terminal(&["--flood", "0"]);
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    let lines: Vec<String> = (0..5000).map(|number| format!("line {number}")).collect();
    bob.sends(format!("{}\n", lines.join("\n")).as_bytes());
    for line in &lines {
        terminal.sees(&format!("bob: {line}"));
    }
    terminal.sends(format!("{}\n", lines.join("\n")).as_bytes());
    for line in &lines {
        bob.sees(&format!("server: {line}"));
    }
}

#[test]
fn whoever_leaves_the_terminal_leaves_the_server_running() {
    for word in ["/quit", "exit"] {
        let (server, mut terminal) = with_terminal(&[]);
        let mut bob = Person::join(&server, "bob");
        terminal.sees("* bob joined (2 here)");
        terminal.says(word);
        terminal.sees("* Goodbye.");
        bob.sees("* server left (1 here)");
        terminal.says("nobody hears this");
        bob.sees_nothing_more();
        let mut newcomer = Person::connect(&server);
        newcomer.sees(WELCOME);
        newcomer.says("server");
        newcomer.sees("! The nickname server is reserved. Try another.");
    }
}

#[test]
fn the_terminal_takes_nobodys_place() {
    let (server, mut terminal) = with_terminal(&["--max-clients", "1"]);
    let _bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    let mut second = Person::connect(&server);
    second.sees("! The server is full.");
    second.sees_eof();
}

#[test]
fn without_the_flag_the_terminal_is_silent_and_is_not_heard() {
    let mut server = Server::start(&[]);
    let mut terminal = server.terminal();
    terminal.says("hello?");
    let mut bob = Person::join(&server, "bob");
    bob.says("/who");
    bob.sees("* 1 here: bob");
    server.kill();
    terminal.sees_the_end();
}

#[test]
fn the_terminal_is_heard_at_every_door() {
    let mut server = Server::start_with_listeners(&DIALECTS, &["--console"]);
    let mut terminal = server.terminal();
    terminal.sees("* You are server. Here now: server. Type /help for help.");
    let heard = [
        ("lines", "server: hi\n"),
        ("nick", "server: hi"),
        ("register", "server:hi\n"),
        ("datagram", "server : hi"),
        ("anonymous", "[ server ]: hi\r\n"),
        ("mention", "server say: hi"),
    ];
    for (dialect, line) in heard {
        let mut caller = Caller::enters(&server, dialect, "alice");
        terminal.sees(&format!("* {} joined (2 here)", caller.name()));
        terminal.says("hi");
        caller.sees(line);
        caller.says(match dialect {
            "datagram" => "exit",
            "nick" | "register" | "mention" => "bye",
            _ => "bye bye",
        });
        match dialect {
            "datagram" => {}
            "nick" | "register" | "mention" => {
                terminal.sees("alice: bye");
                if dialect != "register" {
                    caller.sees_a(|echo| echo.ends_with("bye"));
                }
            }
            _ => terminal.sees(&format!("{}: bye bye", caller.name())),
        }
        let name = caller.name().to_owned();
        drop(caller);
        terminal.sees(&format!("* {name} left (1 here)"));
    }
}

#[cfg(unix)]
#[test]
fn the_terminal_is_told_that_the_server_stops() {
    let (mut server, mut terminal) = with_terminal(&[]);
    let mut bob = Person::join(&server, "bob");
    terminal.sees("* bob joined (2 here)");
    server.terminate();
    bob.sees("* The server is stopping.");
    bob.sees_eof();
    drop(bob);
    terminal.sees("* The server is stopping.");
    terminal.sees_the_end();
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn the_terminal_speaks_the_language_of_lines() {
    let mut server = Server::start(&["--console", "--lang", "zh"]);
    let mut terminal = server.terminal();
    terminal.sees("* 您的昵称是 server。在线: server。输入 /help 查看帮助。");
    let _bob = Person::connect(&server);
    terminal.says("/who");
    terminal.sees("* 在线 1 人: server");
}
