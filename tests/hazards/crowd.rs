//! Whom the tests of hazards need beside the people of `common`: great numbers of them at once,
//! members who never read, and strangers in any dialect for whom bytes are all there is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::common::{PATIENCE, Person, Server, WELCOME};

/// The dialects that are spoken over TCP.
pub(crate) const TCP_DIALECTS: [&str; 5] = ["lines", "nick", "register", "anonymous", "mention"];

/// `count`, or as many as this process may have sockets, when other tests have as many too.
pub(crate) fn as_many_as(count: usize) -> usize {
    #[cfg(unix)]
    let count = {
        let raised = rlimit::increase_nofile_limit(20_000).unwrap_or(256);
        let share = usize::try_from(raised).unwrap_or(usize::MAX) / 4;
        count.min(share)
    };
    // Each costs some milliseconds under wine.
    #[cfg(windows)]
    let count = count.min(1000);
    count
}

/// So many connect to `lines`, and are greeted only when all have connected.
#[track_caller]
pub(crate) fn callers(server: &Server, count: usize) -> Vec<Person> {
    let mut people: Vec<Person> = (0..count).map(|_| Person::connect(server)).collect();
    for person in &mut people {
        person.sees(WELCOME);
    }
    people
}

/// So many are in the room as `crowd0`, `crowd1` and so on. Who comes or goes later is theirs to
/// see, and so is who of them came after them.
#[track_caller]
pub(crate) fn crowd(server: &Server, count: usize) -> Vec<Person> {
    let mut people = callers(server, count);
    for (number, person) in people.iter_mut().enumerate() {
        person.says(&format!("crowd{number}"));
    }
    for person in &mut people {
        person.sees_prefix("* You are crowd");
    }
    people
}

/// Somebody in the room who reads nothing more, through a connection that holds as little as can
/// be: with small segments, the server's kernel has small buffers for it too.
#[track_caller]
pub(crate) fn deaf_member(server: &Server, name: &str) -> Stranger {
    let address = server.address("lines");
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    #[cfg(not(windows))]
    socket.set_tcp_mss(536).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stranger = Stranger::from_stream(socket.into());
    stranger.waits_for("What is your nickname?\n");
    stranger.sends(format!("{name}\n").as_bytes());
    stranger.waits_for("Type /help for help.\n");
    stranger
}

/// Somebody over TCP, in any dialect.
pub(crate) struct Stranger {
    stream: TcpStream,
    seen: Vec<u8>,
    /// How much of that has been waited for.
    known: usize,
}

impl Stranger {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::from_stream(TcpStream::connect_timeout(&address, PATIENCE).unwrap())
    }

    pub(crate) fn from_stream(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, seen: Vec::new(), known: 0 }
    }

    /// Connects to `dialect` and joins the room, as `witness` sees, who has seen all else.
    /// Returns the name too, which in `anonymous` is another.
    #[track_caller]
    pub(crate) fn enters(
        server: &Server,
        dialect: &str,
        name: &str,
        witness: &mut Person,
    ) -> (Self, String) {
        let mut stranger = Self::connect(server.address(dialect));
        let name = match dialect {
            "anonymous" => stranger.stream.local_addr().unwrap().to_string(),
            _ => name.to_owned(),
        };
        match dialect {
            "lines" => {
                stranger.waits_for("nickname?\n");
                stranger.sends(format!("{name}\n").as_bytes());
            }
            "nick" => {
                stranger.waits_for("NICK");
                stranger.sends(name.as_bytes());
            }
            "register" => {
                stranger.waits_for("请输入昵称:");
                stranger.sends(name.as_bytes());
                stranger.waits_for("进入了聊天室");
            }
            "anonymous" => {}
            "mention" => stranger.sends(format!("!{name}").as_bytes()),
            _ => panic!("{dialect} is not spoken over TCP"),
        }
        let joined = format!("* {name} joined (");
        witness.sees_prefix(&joined);
        (stranger, name)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes to a server that may have had enough of them.
    pub(crate) fn tries_to_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads on until `text` has come.
    #[track_caller]
    pub(crate) fn waits_for(&mut self, text: &str) {
        let text = text.as_bytes();
        loop {
            let fresh = &self.seen[self.known..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text) {
                self.known += at + text.len();
                return;
            }
            let bytes = self.receives();
            assert!(bytes > 0, "EOF, but not {:?}: {}", String::from_utf8_lossy(text), self.tail());
        }
    }

    /// Reads exactly so many bytes, apart from what it has seen before.
    #[track_caller]
    pub(crate) fn reads(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = self.seen.split_off(self.known);
        let begun = bytes.len();
        assert!(begun <= count, "{begun} bytes have come already");
        bytes.resize(count, 0);
        if let Err(error) = self.stream.read_exact(&mut bytes[begun..]) {
            panic!("{error}, and not {count} bytes");
        }
        bytes
    }

    /// Reads all that comes before the connection is over, in whatever way, and returns all it has
    /// ever seen, and whether the end was an orderly one.
    #[track_caller]
    pub(crate) fn reads_to_the_end(mut self) -> (Vec<u8>, bool) {
        loop {
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return (self.seen, true),
                Ok(bytes) => self.seen.extend_from_slice(&buffer[..bytes]),
                Err(error) if is_timeout(&error) => panic!("still connected: {}", self.tail()),
                Err(_) => return (self.seen, false),
            }
        }
    }

    #[track_caller]
    fn receives(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.seen.extend_from_slice(&buffer[..bytes]);
                bytes
            }
            Err(error) => panic!("{error} after {}", self.tail()),
        }
    }

    fn tail(&self) -> String {
        let from = self.seen.len().saturating_sub(500);
        format!("{:?}", String::from_utf8_lossy(&self.seen[from..]))
    }

    /// Has no more to say, and listens on.
    pub(crate) fn half_closes(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Goes away by a reset.
    pub(crate) fn resets(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Somebody over UDP.
pub(crate) struct Sender(UdpSocket);

impl Sender {
    #[track_caller]
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::from((address.ip(), 0).into(), address)
    }

    /// From a given address, which must be free.
    #[track_caller]
    pub(crate) fn from(local: SocketAddr, address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    pub(crate) fn sends(&self, bytes: &[u8]) {
        self.0.send(bytes).unwrap();
    }

    /// The next datagram, which must come.
    #[track_caller]
    pub(crate) fn receives(&self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let bytes = self.0.recv(&mut buffer).unwrap();
        buffer.truncate(bytes);
        buffer
    }

    /// The datagrams that have come.
    pub(crate) fn has_received(&self) -> Vec<Vec<u8>> {
        self.0.set_nonblocking(true).unwrap();
        let mut all = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(bytes) = self.0.recv(&mut buffer) {
            all.push(buffer[..bytes].to_vec());
        }
        self.0.set_nonblocking(false).unwrap();
        all
    }
}

pub(crate) fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
