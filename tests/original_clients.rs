//! The clients of the five original programs, as they behave on the wire: what they send, when,
//! and which whole `recv()` they compare with what. None of their code is here. They keep what they
//! would print; a test reads as what stands on their screens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{DIALECTS, PATIENCE, Person, Server};

/// A TCP connection as a Python program has it: `recv` brings what is there, up to a size.
struct Socket(TcpStream);

impl Socket {
    #[track_caller]
    fn connect(server: &Server, dialect: &str) -> Self {
        let stream = TcpStream::connect(server.address(dialect)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    #[track_caller]
    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// What one `recv` brings; nothing is the end.
    #[track_caller]
    fn recv(&mut self, size: usize) -> String {
        let mut buffer = vec![0; size];
        let bytes = self.0.read(&mut buffer).unwrap();
        buffer.truncate(bytes);
        String::from_utf8(buffer).unwrap()
    }
}

/// [000] asks its user for a name before it connects, sends it when it is sent exactly `NICK`, and
/// prints everything else.
struct NickClient {
    socket: Socket,
    nickname: String,
}

impl NickClient {
    #[track_caller]
    fn start(server: &Server, nickname: &str) -> Self {
        Self { socket: Socket::connect(server, "nick"), nickname: nickname.to_owned() }
    }

    /// What it prints next; on the way it answers whatever is exactly the question.
    #[track_caller]
    fn prints(&mut self) -> String {
        loop {
            let message = self.socket.recv(1024);
            if message != "NICK" {
                return message;
            }
            let nickname = self.nickname.clone();
            self.socket.send(&nickname);
        }
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        let message = format!("{}: {line}", self.nickname);
        self.socket.send(&message);
    }
}

/// [001] reads until it is sent exactly `请输入昵称:`, sends a name, and takes exactly `昵称设置成功⏎`
/// for success; whatever else comes then makes it read on for the question.
struct RegisterClient {
    socket: Socket,
    /// What it has printed while it was not in yet.
    printed: Vec<String>,
}

impl RegisterClient {
    /// Types one of the names each time it is asked.
    #[track_caller]
    fn start(server: &Server, names: &[&str]) -> Self {
        let mut client = Self { socket: Socket::connect(server, "register"), printed: Vec::new() };
        let mut names = names.iter();
        loop {
            if client.prints_of_login() != "请输入昵称:" {
                continue;
            }
            client.socket.send(names.next().unwrap());
            if client.prints_of_login() == "昵称设置成功\n" {
                return client;
            }
        }
    }

    #[track_caller]
    fn prints_of_login(&mut self) -> String {
        let message = self.socket.recv(1024);
        assert!(!message.is_empty(), "it is not let in: {:?}", self.printed);
        self.printed.push(message.clone());
        message
    }

    #[track_caller]
    fn prints(&mut self) -> String {
        self.socket.recv(1024)
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        self.socket.send(line);
    }
}

/// [002] sends its name, then each line behind its name; `EXIT` in any case is its last line.
struct DatagramClient {
    socket: UdpSocket,
    name: String,
}

impl DatagramClient {
    #[track_caller]
    fn start(server: &Server, name: &str) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server.address("datagram")).unwrap();
        socket.send(name.as_bytes()).unwrap();
        Self { socket, name: name.to_owned() }
    }

    #[track_caller]
    fn prints(&mut self) -> String {
        let mut buffer = [0; 1024];
        let bytes = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..bytes].to_vec()).unwrap()
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        self.socket.send(format!("{} : {line}", self.name).as_bytes()).unwrap();
    }
}

/// [003] sends each line that is typed with its LF, writes out what comes as it is, and goes after
/// a blank one.
struct AnonymousClient(Socket);

impl AnonymousClient {
    #[track_caller]
    fn start(server: &Server) -> Self {
        Self(Socket::connect(server, "anonymous"))
    }

    fn address(&self) -> String {
        self.0.0.local_addr().unwrap().to_string()
    }

    #[track_caller]
    fn prints(&mut self) -> String {
        self.0.recv(1024)
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        self.0.send(&format!("{line}\n"));
    }
}

/// [004] sends its name behind `!`, then lines as they are; at `exit` it only closes.
struct MentionClient(Socket);

impl MentionClient {
    #[track_caller]
    fn start(server: &Server, name: &str) -> Self {
        let mut socket = Socket::connect(server, "mention");
        socket.send(&format!("!{name}"));
        Self(socket)
    }

    #[track_caller]
    fn prints(&mut self) -> String {
        self.0.recv(2048)
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        self.0.send(line);
    }

    fn types_exit(self) {
        drop(self);
    }
}

#[test]
fn all_five_and_nc_are_in_one_room() {
    let server = Server::start_with_listeners(&DIALECTS, &[]);
    let mut nc = Person::join(&server, "bob");
    let mut nick = NickClient::start(&server, "nina");
    assert_eq!(nick.prints(), "nina 加入了聊天\n已连接至聊天服务器");
    let mut register = RegisterClient::start(&server, &["rosa"]);
    assert_eq!(register.printed, ["请输入昵称:", "昵称设置成功\n"]);
    assert_eq!(register.prints(), "系统消息rosa进入了聊天室\n");
    assert_eq!(nick.prints(), "rosa 加入了聊天");
    let mut datagram = DatagramClient::start(&server, "dora");
    assert_eq!(nick.prints(), "dora 加入了聊天");
    assert_eq!(register.prints(), "系统消息dora进入了聊天室\n");
    let mut anonymous = AnonymousClient::start(&server);
    let address = anonymous.address();
    assert_eq!(anonymous.prints(), format!("[ {address} ]加入聊天室\r\n"));
    assert_eq!(nick.prints(), format!("{address} 加入了聊天"));
    assert_eq!(register.prints(), format!("系统消息{address}进入了聊天室\n"));
    assert_eq!(datagram.prints(), format!("{address} 进入聊天室..."));
    let mut mention = MentionClient::start(&server, "mina");
    assert_eq!(nick.prints(), "mina 加入了聊天");
    assert_eq!(register.prints(), "系统消息mina进入了聊天室\n");
    assert_eq!(datagram.prints(), "mina 进入聊天室...");
    assert_eq!(anonymous.prints(), "[ mina ]加入聊天室\r\n");
    for (here, name) in (2..).zip(["nina", "rosa", "dora", &address, "mina"]) {
        nc.sees(&format!("* {name} joined ({here} here)"));
    }

    nick.types("大家好");
    nc.sees("nina: 大家好");
    assert_eq!(nick.prints(), "nina: 大家好");
    assert_eq!(register.prints(), "nina:大家好\n");
    assert_eq!(datagram.prints(), "nina : 大家好");
    assert_eq!(anonymous.prints(), "[ nina ]: 大家好\r\n");
    assert_eq!(mention.prints(), "nina say: 大家好");

    datagram.types("hello");
    nc.sees("dora: hello");
    assert_eq!(nick.prints(), "dora: hello");
    assert_eq!(register.prints(), "dora:hello\n");
    assert_eq!(anonymous.prints(), "[ dora ]: hello\r\n");
    assert_eq!(mention.prints(), "dora say: hello");

    mention.types("你好@rosa");
    assert_eq!(register.prints(), "mina(私聊):你好\n");
    mention.types("#");
    let listed = format!("在线 6 人: {address}, bob, dora, mina, nina, rosa");
    assert_eq!(mention.prints(), listed);
    nc.sees_nothing_more();
}

#[test]
fn the_nick_client_gets_by_without_a_second_question() {
    let server = Server::start_with_listeners(&["lines", "nick"], &[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = NickClient::start(&server, "bob");
    assert_eq!(client.prints(), "bob_2 加入了聊天\n已连接至聊天服务器\n您的昵称是 bob_2");
    bob.sees("* bob_2 joined (2 here)");
    client.types("hi");
    bob.sees("bob_2: hi");
    assert_eq!(client.prints(), "bob_2: hi");
    client.types("");
    client.types("still here");
    // It cannot wait for an answer to what says nothing, so these may have come in one piece.
    bob.sees_a("what was said", |line| line.starts_with("bob_2: ") && line.ends_with("still here"));
}

#[test]
fn the_register_client_is_asked_until_its_name_is_free_and_quits() {
    let server = Server::start_with_listeners(&["lines", "register"], &[]);
    let mut bob = Person::join(&server, "bob");
    let mut client = RegisterClient::start(&server, &["bob", "no name", "rosa"]);
    bob.sees("* rosa joined (2 here)");
    assert_eq!(client.printed.first().unwrap(), "请输入昵称:");
    assert_eq!(client.printed[1], "当前昵称已经存在，请重新输入\n");
    assert_eq!(client.printed.last().unwrap(), "昵称设置成功\n");
    assert_eq!(client.prints(), "系统消息rosa进入了聊天室\n");
    client.types("hi");
    bob.sees("rosa: hi");
    bob.says("hello");
    assert_eq!(client.prints(), "bob:hello\n");
    client.types("quit");
    assert_eq!(client.prints(), "退出");
    assert_eq!(client.prints(), "");
    bob.sees("* rosa left (1 here)");
}

#[test]
fn the_datagram_clients_talk_and_leave_in_any_case() {
    let server = Server::start_with_listeners(&["lines", "datagram"], &[]);
    let mut bob = Person::join(&server, "bob");
    let mut dora = DatagramClient::start(&server, "dora");
    bob.sees("* dora joined (2 here)");
    let mut dave = DatagramClient::start(&server, "dave");
    assert_eq!(dora.prints(), "dave 进入聊天室...");
    bob.sees("* dave joined (3 here)");
    dave.types("hi");
    assert_eq!(dora.prints(), "dave : hi");
    bob.sees("dave: hi");
    // The original left at any line in which `exit` stood.
    dave.types("no exit for me");
    assert_eq!(dora.prints(), "dave : no exit for me");
    bob.sees("dave: no exit for me");
    dave.types("eXIT");
    assert_eq!(dora.prints(), "dave 离开了聊天室...");
    bob.sees("* dave left (2 here)");
}

#[test]
fn the_operator_answers_the_two_person_dialogue() {
    let mut server = Server::start_with_listeners(&["lines", "datagram"], &["--console"]);
    let mut operator = server.terminal();
    operator.sees("* You are server. Here now: server. Type /help for help.");
    // The other client of [002] has no name: it sends what is typed, and waits for the answer.
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server.address("datagram")).unwrap();
    let mut buffer = [0; 1024];
    let mut answer = || {
        let bytes = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..bytes].to_vec()).unwrap()
    };
    socket.send("你好".as_bytes()).unwrap();
    operator.sees("* 你好 joined (2 here)");
    operator.says("hello");
    assert_eq!(answer(), "server : hello");
    socket.send(b"how are you?").unwrap();
    operator.sees("你好: how are you?");
    operator.says("fine, thanks");
    assert_eq!(answer(), "server : fine, thanks");
}

#[test]
fn the_anonymous_clients_talk_and_leave_by_a_blank_line() {
    let server = Server::start_with_listeners(&["lines", "anonymous"], &[]);
    let mut bob = Person::join(&server, "bob");
    let mut first = AnonymousClient::start(&server);
    assert_eq!(first.prints(), format!("[ {} ]加入聊天室\r\n", first.address()));
    let mut second = AnonymousClient::start(&server);
    let (one, two) = (first.address(), second.address());
    assert_eq!(second.prints(), format!("[ {two} ]加入聊天室\r\n"));
    assert_eq!(first.prints(), format!("[ {two} ]加入聊天室\r\n"));
    second.types("hi");
    assert_eq!(first.prints(), format!("[ {two} ]: hi\r\n"));
    second.types("  ");
    assert_eq!(second.prints(), "");
    assert_eq!(first.prints(), format!("[ {two} ]退出了\r\n"));
    for seen in [
        format!("* {one} joined (2 here)"),
        format!("* {two} joined (3 here)"),
        format!("{two}: hi"),
        format!("* {two} left (2 here)"),
    ] {
        bob.sees(&seen);
    }
}

#[test]
fn the_mention_clients_talk_whisper_and_leave() {
    let server = Server::start_with_listeners(&["lines", "mention"], &[]);
    let mut bob = Person::join(&server, "bob");
    let mut aaa = MentionClient::start(&server, "aaa");
    bob.sees("* aaa joined (2 here)");
    let mut bbb = MentionClient::start(&server, "bbb");
    assert_eq!(aaa.prints(), "bbb 加入了聊天室");
    bob.sees("* bbb joined (3 here)");
    aaa.types("hello");
    assert_eq!(aaa.prints(), "aaa say: hello");
    assert_eq!(bbb.prints(), "aaa say: hello");
    bob.sees("aaa: hello");
    aaa.types("#");
    assert_eq!(aaa.prints(), "在线 3 人: aaa, bbb, bob");
    aaa.types("您好@bbb");
    assert_eq!(bbb.prints(), "aaa 对你说: 您好");
    aaa.types_exit();
    assert_eq!(bbb.prints(), "aaa 离开了聊天室");
    bob.sees("* aaa left (2 here)");
}

// ---- The handshake of register under load ---------------------------------------------------

/// Handshakes that must succeed, and how many go on at once.
const HANDSHAKES: usize = 100;
const AT_ONCE: usize = 10;

/// The time between two frames of the handshake.
const GAP: Duration = Duration::from_millis(100);

/// So long may pass between two looks at a socket before what is found in it at once may be two
/// frames that came one after the other. The server keeps them 100 ms apart.
const LOOK: Duration = Duration::from_millis(80);

#[test]
fn the_register_client_gets_in_a_hundred_times_out_of_a_hundred_under_load() {
    let server = Server::start_with_listeners(&["lines", "register"], &["--flood", "0"]);
    let over = AtomicBool::new(false);
    let (done, late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let mut listener = Person::join(&server, "listener");
        let mut flooder = Person::join(&server, "flooder");
        let over = &over;
        // Talks all the time; as fast as one reader reads, so that nobody is too slow for it.
        scope.spawn(move || {
            let lines = "talk and talk and talk\n".repeat(40);
            while !over.load(Ordering::Relaxed) && flooder.tries_to_send(lines.as_bytes()).is_ok() {
                flooder.says("/msg listener go on");
                while flooder.sees_a_line() != "[you -> listener] go on" {}
            }
        });
        scope.spawn(move || while listener.sees_within(Duration::from_secs(1)).is_some() {});
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|worker| {
                let (server, done, late) = (&server, &done, &late);
                scope.spawn(move || {
                    for attempt in 0.. {
                        if done.load(Ordering::Relaxed) >= HANDSHAKES {
                            break;
                        }
                        let name = format!("w{worker}_{attempt}");
                        match shakes_hands(server, &name) {
                            true => done.fetch_add(1, Ordering::Relaxed),
                            false => late.fetch_add(1, Ordering::Relaxed),
                        };
                        assert!(late.load(Ordering::Relaxed) < 1000, "this machine is too slow");
                    }
                })
            })
            .collect();
        let failed = workers.into_iter().filter_map(|worker| worker.join().err()).next();
        over.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "a handshake failed; see above");
    });
}

/// Registers as the original client does. Returns whether it could look at its socket in time;
/// when it could not, two frames may have met there, and that says nothing about the server.
fn shakes_hands(server: &Server, name: &str) -> bool {
    let began = Instant::now();
    let mut socket = Socket::connect(server, "register");
    let Some(question) = recv_in_time(&mut socket, began) else { return false };
    assert_eq!(question, "请输入昵称:");
    let asked = Instant::now();
    socket.send(name);
    let Some(success) = recv_in_time(&mut socket, asked) else { return false };
    assert_eq!(success, "昵称设置成功\n");
    assert!(began.elapsed() >= GAP, "{:?}", began.elapsed());
    let let_in = Instant::now();
    let Some(room) = recv_in_time(&mut socket, let_in) else { return false };
    assert!(began.elapsed() >= 2 * GAP, "{:?}", began.elapsed());
    // What was held back begins with its own coming, perhaps together with that of others.
    let first = room.lines().next().unwrap_or_default();
    assert!(first.starts_with("系统消息") && first.ends_with("进入了聊天室"), "{first}");
    assert!(first.contains(name), "{name} in {first}");
    true
}

/// What one `recv` brings, if it was looked for often enough since `since`.
fn recv_in_time(socket: &mut Socket, since: Instant) -> Option<String> {
    socket.0.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let deadline = since + PATIENCE;
    let mut looked = since;
    let mut buffer = [0; 1024];
    loop {
        let looks = Instant::now();
        match socket.0.read(&mut buffer) {
            Ok(bytes) => {
                let in_time = looked.elapsed() < LOOK;
                // A character may be cut at the end of what was asked for.
                let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
                return in_time.then_some(text);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(Instant::now() < deadline, "nothing came");
                looked = looks;
            }
            Err(error) => panic!("the connection was lost: {error}"),
        }
    }
}
