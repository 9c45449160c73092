//! A chat server in a program of one's own: a web hook becomes lines of the room `#builds`, and
//! what is said there is printed. Nothing of the chat server must be known but its handle.
//!
//! A program that embeds the server runs it in a thread, and does its own work in others. Here
//! that is an HTTP server. Each line of what is posted to it is said by a bot:
//! `curl --data-binary 'The build is green.' http://127.0.0.1:8080/`
//!
//! Whoever can reach the hook can speak as the bot, so it listens on this machine alone.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::thread;

use chinwag::config::Config;
use chinwag::handle::{Bot, Said, SayError};
use chinwag::server::Server;
use tiny_http::{Method, Response};

/// Bytes of a request of which more is not read.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Lines that wait to be printed, at most.
const TOLD_MAX: usize = 256;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut server = Server::bind(&Config::default())?;
    let handle = server.handle();
    // Signals stop the server, as they stop chinwag; the program goes on after that.
    let serving = thread::spawn(move || server.run());

    let (bot, heard) = handle.join("hook", "#builds", TOLD_MAX)?;
    let hooks = tiny_http::Server::http("127.0.0.1:8080")?;
    writeln!(io::stderr(), "Lines go to #builds from http://{}", hooks.server_addr())?;
    thread::spawn(move || {
        for mut request in hooks.incoming_requests() {
            let (status, answer) = match request.method() {
                Method::Post => say_all(&bot, request.as_reader()),
                _ => (405, "POST lines of text".to_owned()),
            };
            // Whoever has gone needs no answer.
            let _ = request.respond(Response::from_string(answer).with_status_code(status));
        }
    });

    // It ends with the server.
    for said in heard {
        match said {
            Said::Line { from, text } => writeln!(io::stdout(), "{from}: {text}")?,
            Said::Missed(count) => writeln!(io::stdout(), "({count} are missing here)")?,
            _ => {}
        }
    }
    handle.stop();
    serving.join().map_err(|_| "the server has a bug")??;
    Ok(())
}

/// Says each line of a request. Returns the status of the answer, and what it says.
fn say_all(bot: &Bot, body: &mut dyn io::Read) -> (u16, String) {
    let mut text = String::new();
    match body.take(BODY_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > BODY_BYTES_MAX => return (413, "too much".to_owned()),
        Ok(_) => {}
        Err(error) => return (400, error.to_string()),
    }
    for (number, line) in text.lines().enumerate() {
        match bot.say(line) {
            Ok(()) | Err(SayError::Blank) => {}
            Err(error) => {
                let status = if error == SayError::TooFast { 429 } else { 400 };
                return (status, format!("{error}; {number} lines before it are said"));
            }
        }
    }
    (200, "said".to_owned())
}
