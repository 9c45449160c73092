//! The smallest client that is whole: `client [HOST:PORT]` connects to a chinwag, sends what is
//! typed and prints what comes, until either side has no more to say. It is here to be read; to
//! sit in there is `chinwag join`.
//!
//! All there is to know about talking to the server:
//! - What is said is a line, UTF-8 that ends with LF, both ways. TCP itself knows no lines: a read
//!   may bring half of one, or three. So what comes is read up to each LF, whatever the reads are.
//! - The first line that is sent answers the question for a nickname; where the server asks for a
//!   password first, that is the first. A line that begins with `/` is a command; `/help` lists
//!   them.
//! - A line that comes begins with `* ` if the server tells something, with `! ` if it refuses
//!   something, with `[` if it is private or history, and else with the name of who says it.
//!   `chinwag::client` knows what they mean, and takes out what could steer a terminal.
//! - Both sides talk whenever they like, so one thread sends while another one receives.
//! - Who has no more to say closes only its own half. The server still delivers everything, sends
//!   what it owes, and closes the other half; that is when it is over.
//!
//! It works as well with pipes: `printf 'alice\nhi\n' | cargo run --example client`.

use std::env;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;

use chinwag::client::read_line;

const DEFAULT_ADDRESS: &str = "127.0.0.1:7711";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    if address.starts_with('-') || arguments.next().is_some() {
        eprintln!("Usage: client [HOST:PORT], where {DEFAULT_ADDRESS} is the default.");
        return ExitCode::from(2);
    }
    match talk(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Talks to the server at `address` until it is over. An error is a sentence for the user.
fn talk(address: &str) -> Result<(), String> {
    let cannot = |error| format!("Cannot connect to {address} ({error}): is a chinwag there?");
    let receiving = TcpStream::connect(address).map_err(cannot)?;
    let sending = receiving.try_clone().map_err(cannot)?;

    // This thread is not waited for. It may stand in a read of the terminal when the server says
    // goodbye, and no key should have to be pressed then: it ends with the process.
    thread::spawn(move || send_what_is_typed(&sending));
    print_what_comes(receiving).map_err(|error| format!("The connection is lost: {error}."))
}

/// Sends standard input to the server as it comes, and tells the server when it has ended.
fn send_what_is_typed(mut server: &TcpStream) {
    // An error means that the server has gone, and whoever prints what comes learns that too.
    let _ = io::copy(&mut io::stdin().lock(), &mut server);
    let _ = server.shutdown(Shutdown::Write);
}

/// Prints each line from the server as soon as it is there, until the server has closed its half
/// or nobody reads what is printed.
fn print_what_comes(server: TcpStream) -> io::Result<()> {
    let mut server = BufReader::new(server);
    while let Some(line) = read_line(&mut server)? {
        // `println!` would panic if standard output is a pipe that nobody reads any more, as in
        // `client | head -1`. That is not an error but the end.
        let mut stdout = io::stdout().lock();
        if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
