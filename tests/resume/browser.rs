//! A browser's side of a WebSocket that can be cut off, and remembers what it needs to come back.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::common::{PATIENCE, Server};

/// Somebody in a browser.
pub(crate) struct Browser {
    pub(crate) socket: WebSocket<TcpStream>,
    pub(crate) token: String,
    /// The number of the last thing that is known of each room.
    pub(crate) known: BTreeMap<String, u64>,
}

/// A WebSocket at this address; it is waited for so long in each call.
pub(crate) fn open(
    address: SocketAddr,
    patience: Duration,
) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let request = format!("ws://{address}/ws").into_client_request()?;
    let (socket, _) = tungstenite::client(request, stream).map_err(|error| error.to_string())?;
    Ok(socket)
}

/// Why the connection is closed, perhaps after something else, and the code of the close frame.
#[track_caller]
pub(crate) fn closed(socket: &mut WebSocket<TcpStream>) -> (String, u16) {
    let mut why = String::new();
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => return (why, frame.code.into()),
            Ok(Message::Text(text)) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                why = event["why"].as_str().unwrap_or_default().to_owned();
            }
            Ok(_) => {}
            Err(error) => panic!("it should be closed, but: {error}"),
        }
    }
}

impl Browser {
    #[track_caller]
    pub(crate) fn connects(server: &Server) -> Browser {
        let socket = open(server.address("web"), PATIENCE).unwrap();
        Browser { socket, token: String::new(), known: BTreeMap::new() }
    }

    /// Connects, and is in the lobby.
    #[track_caller]
    pub(crate) fn joins(server: &Server, name: &str) -> Browser {
        let mut browser = Browser::connects(server);
        browser.sees_a("ask");
        browser.sends(json!({ "type": "nick", "name": name }));
        let welcome = browser.sees_a("welcome");
        browser.token = welcome["token"].as_str().expect("a token").to_owned();
        assert_eq!(browser.token.len(), 64);
        browser
    }

    #[allow(clippy::needless_pass_by_value, reason = "callers make it on the spot")]
    pub(crate) fn sends(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.sends(json!({ "type": "say", "text": text }));
    }

    /// The next event, which must come.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        let event: Value = match self.socket.read() {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("there should be an event, not {other:?}"),
        };
        if let (Some(room), Some(id)) = (event["room"].as_str(), event["id"].as_u64()) {
            let before = self.known.insert(room.to_owned(), id);
            assert!(before <= Some(id), "{event} after {before:?}");
        }
        event
    }

    /// The next event is of this type.
    #[track_caller]
    pub(crate) fn sees_a(&mut self, kind: &str) -> Value {
        let event = self.next();
        assert_eq!(event["type"], kind, "{event}");
        event
    }

    /// The next event is a line with this text.
    #[track_caller]
    pub(crate) fn sees_said(&mut self, text: &str) -> Value {
        let event = self.next();
        assert!(event["type"] == "say" || event["type"] == "me", "{event}");
        assert_eq!(event["text"], text);
        event
    }

    // ---- Going and coming back --------------------------------------------------------------

    /// The connection is reset.
    pub(crate) fn is_cut(&mut self) {
        let stream = SockRef::from(self.socket.get_ref());
        stream.set_linger(Some(Duration::ZERO)).unwrap();
        let gone = self.other_end();
        drop(std::mem::replace(self.socket.get_mut(), gone));
    }

    /// Something in place of a stream that is dropped.
    fn other_end(&self) -> TcpStream {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    /// The connection ends, without a word.
    pub(crate) fn ends(&mut self) {
        self.socket.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Sends a close frame.
    pub(crate) fn closes(&mut self, code: Option<u16>) {
        let frame = |code| CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.socket.close(code.map(frame)).unwrap();
        let _ = self.socket.flush();
    }

    /// The connection stays as it is, but is not used any more.
    pub(crate) fn leaves_its_connection(&mut self) -> WebSocket<TcpStream> {
        let address = self.socket.get_ref().peer_addr().unwrap();
        std::mem::replace(&mut self.socket, open(address, PATIENCE).unwrap())
    }

    /// Connects anew and shows the token. Returns the answer.
    #[track_caller]
    pub(crate) fn tries_to_come_back(&mut self, server: &Server) -> Value {
        self.socket = open(server.address("web"), PATIENCE).unwrap();
        self.sees_a("ask");
        self.sends(json!({ "type": "resume", "token": self.token, "rooms": self.known }));
        self.next()
    }

    /// Comes back as who it was.
    #[track_caller]
    pub(crate) fn comes_back(&mut self, server: &Server) -> Value {
        let resumed = self.tries_to_come_back(server);
        assert_eq!(resumed["type"], "resumed", "{resumed}");
        self.token = resumed["token"].as_str().unwrap().to_owned();
        for room in resumed["rooms"].as_array().unwrap() {
            let name = room["room"].as_str().unwrap().to_owned();
            self.known.insert(name, room["id"].as_u64().unwrap());
        }
        resumed
    }
}
