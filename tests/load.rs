//! The load generator: that it tells lines from everything else in each protocol that it speaks,
//! that it notices when somebody does not get what was said, and, small but whole, the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::env::{self, consts::EXE_SUFFIX};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use against::Kind;
use load::Crowd;
use load::process::Pid;
use load::speech::{self, Frame};
use load::spread::Spread;
use plot::Curve;

#[allow(dead_code, reason = "only how servers speak is tested here")]
#[path = "../examples/load/against/mod.rs"]
mod against;
#[allow(dead_code, reason = "the load example runs it")]
#[path = "../benches/floor/mod.rs"]
mod floor;
#[path = "../benches/load/mod.rs"]
mod load;
#[path = "../examples/load/plot.rs"]
mod plot;

// ── protocols ────────────────────────────────────────────────────────────────────────────────────

/// What `input` is made of. Every beginning of it that is no whole frame must be taken for a part
/// of one, or the crowd would see other frames when the network cuts it differently.
fn frames(kind: Kind, mut input: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while !input.is_empty() {
        let frame = (kind.speech().frame)(input);
        let length = match &frame {
            Frame::Part => panic!("a part is left: {:?}", String::from_utf8_lossy(input)),
            Frame::Line { bytes, .. } | Frame::Other { bytes } => *bytes,
            Frame::Question { bytes, .. } | Frame::Refusal { bytes } => *bytes,
        };
        for cut in 0..length {
            assert_eq!((kind.speech().frame)(&input[..cut]), Frame::Part, "{kind}, cut at {cut}");
        }
        frames.push(frame);
        input = &input[length..];
    }
    frames
}

fn line(bytes: usize) -> Frame<'static> {
    Frame::Line { bytes, name: b"taaaaab", text: b"0007 hi" }
}

#[test]
fn lines_of_chinwag_and_the_floors_are_told_from_notices() {
    let input = b"taaaaab: 0007 hi\n* taaaaac joined (3 here)\n[x -> you] a: b\n! No.\n";
    let others = [Frame::Other { bytes: 26 }, Frame::Other { bytes: 16 }];
    for kind in [Kind::Chinwag, Kind::Floor, Kind::FloorTurn] {
        let [notice, private] = &others;
        let expected = [&line(17), notice, private, &Frame::Refusal { bytes: 6 }];
        assert_eq!(frames(kind, input).iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn lines_of_redis_are_messages() {
    let input = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n\
        *3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$17\r\ntaaaaab: 0007 hi\n\r\n\
        :1000\r\n+PONG\r\n$2\r\nhi\r\n-ERR no such command\r\n";
    let expected = [
        Frame::Other { bytes: 33 },
        line(51),
        Frame::Other { bytes: 7 },
        Frame::Other { bytes: 7 },
        Frame::Other { bytes: 8 },
        Frame::Refusal { bytes: 22 },
    ];
    assert_eq!(frames(Kind::Redis, input), expected);
}

#[test]
fn lines_of_nats_are_messages_and_it_is_answered() {
    let input = b"INFO {\"max_payload\":1048576}\r\nPONG\r\nPING\r\n\
        MSG room 1 17\r\ntaaaaab: 0007 hi\n\r\n-ERR 'Slow Consumer'\r\n";
    let expected = [
        Frame::Other { bytes: 30 },
        Frame::Other { bytes: 6 },
        Frame::Question { bytes: 6, answer: b"PONG\r\n".to_vec() },
        line(34),
        Frame::Refusal { bytes: 22 },
    ];
    assert_eq!(frames(Kind::Nats, input), expected);
}

#[test]
fn lines_of_irc_are_messages_and_it_is_answered() {
    let input = b":irc.example 001 taaaaaa :Welcome\r\n\
        :irc.example 422 taaaaaa :MOTD file is missing\r\n\
        :taaaaab!~taaaaab@localhost JOIN :#room\r\n\
        PING :irc.example\r\n\
        :taaaaab!~taaaaab@localhost PRIVMSG #room :0007 hi\r\n\
        :irc.example 404 taaaaaa #room :Cannot send to channel\r\n\
        ERROR :Closing connection\r\n";
    let expected = [
        Frame::Other { bytes: 35 },
        Frame::Other { bytes: 48 },
        Frame::Other { bytes: 41 },
        Frame::Question { bytes: 19, answer: b"PONG :irc.example\r\n".to_vec() },
        line(52),
        Frame::Refusal { bytes: 56 },
        Frame::Refusal { bytes: 27 },
    ];
    assert_eq!(frames(Kind::Irc, input), expected);
}

#[test]
fn all_lines_have_the_length_that_was_asked_for() {
    for key in [0, 1, 9_999] {
        let name = speech::name(key);
        assert_eq!(speech::key_of(name.as_bytes()), Some(key));
        for number in [0, speech::NUMBERS - 1] {
            for bytes in [32, 64, 512] {
                let text = speech::text(number, bytes);
                assert_eq!(speech::line(&name, &text).len(), bytes);
                assert_eq!(speech::number_of(text.as_bytes()), Some(number));
            }
        }
    }
    assert_eq!((speech::key_of(b"taaaaai"), speech::key_of(b"bob")), (None, None));
}

// ── what is checked ──────────────────────────────────────────────────────────────────────────────

/// Lines that the talker of a careless server says.
const LINES: u64 = 20;

/// What becomes of a line, by its number.
type Carelessness = fn(u64, Vec<u8>) -> Vec<u8>;

/// A server in the manner of the floor for one talker and two listeners: each of them gets what
/// its carelessness makes of a line.
fn careless_server(carelessness: [Carelessness; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let accept = || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"* You are in.\n").unwrap();
            stream
        };
        let (talker, mut first, mut second): (TcpStream, TcpStream, TcpStream) =
            (accept(), accept(), accept());
        for (number, line) in BufReader::new(talker).split(b'\n').map_while(Result::ok).enumerate()
        {
            let line = [line, b"\n".to_vec()].concat();
            for (listener, careless) in [&mut first, &mut second].into_iter().zip(carelessness) {
                // The crowd may have left in anger.
                let _ = listener.write_all(&careless(number as u64, line.clone()));
            }
        }
    });
    address
}

/// How a crowd takes it if the server is careless with the second listener's lines.
fn verdict_on(carelessness: Carelessness) -> Result<(), String> {
    verdict_on_both([|_, line| line, carelessness])
}

/// How a crowd in such a server's room takes it.
fn verdict_on_both(carelessness: [Carelessness; 2]) -> Result<(), String> {
    let address = careless_server(carelessness);
    let crowd = Crowd::join(address, &speech::FLOOR, 1, 2, 64);
    let delivered = crowd.and_then(|mut crowd| crowd.deliver(LINES, 5));
    delivered.map_err(|error| error.to_string())
}

#[test]
fn a_careful_server_passes() {
    assert_eq!(verdict_on(|_, line| line), Ok(()));
    let notices = |_, line: Vec<u8>| [b"* Somebody came.\n", &*line].concat();
    assert_eq!(verdict_on(notices), Ok(()));
}

#[test]
fn a_line_that_somebody_does_not_get_is_noticed() {
    let lost = |number, line| if number == 9 { Vec::new() } else { line };
    let error = verdict_on(lost).unwrap_err();
    assert!(error.contains("different orders") || error.contains("came, where"), "{error}");
}

#[test]
fn a_line_that_somebody_gets_twice_is_noticed() {
    let twice = |number, line: Vec<u8>| line.repeat(if number == 9 { 2 } else { 1 });
    let error = verdict_on(twice).unwrap_err();
    assert!(error.contains("different orders") || error.contains("came, where"), "{error}");
}

#[test]
fn a_line_that_nobody_gets_is_noticed_although_another_makes_up_for_it() {
    let swapped = |number, line: Vec<u8>| match number {
        9 => Vec::new(),
        10 => line.repeat(2),
        _ => line,
    };
    let error = verdict_on_both([swapped, swapped]).unwrap_err();
    assert!(error.contains("came, where"), "{error}");
}

#[test]
fn a_line_that_was_altered_is_noticed() {
    let altered = |number, mut line: Vec<u8>| {
        line[40] ^= u8::from(number == 9);
        line
    };
    let error = verdict_on(altered).unwrap_err();
    assert!(error.contains("nobody has said"), "{error}");
}

// ── what is told ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_median_is_a_number_that_was_measured() {
    let of = |numbers: &[f64]| Spread::of(numbers.iter().copied());
    assert_eq!(of(&[3.0, 9.0, 1.0]), Spread { least: 1.0, median: 3.0, most: 9.0 });
    assert_eq!(of(&[4.0, 2.0]), Spread { least: 2.0, median: 2.0, most: 4.0 });
    assert_eq!(of(&[5.0]), Spread { least: 5.0, median: 5.0, most: 5.0 });
}

#[test]
fn a_plot_has_its_points_where_the_axes_say_and_names_side_by_side() {
    let one = Curve { name: "one", points: vec![(10.0, 10.0), (1_000.0, 100.0)] };
    let two = Curve { name: "two", points: vec![(10.0, 1_000.0), (1_000.0, 101.0)] };
    let svg = plot::svg(&[one, two]);
    // Two powers of ten each way, from 80 to 570 and from 328 up to 48.
    assert!(svg.contains("points=\"80.0,328.0 570.0,188.0\""), "{svg}");
    assert!(svg.contains("points=\"80.0,48.0 570.0,187.4\""), "{svg}");
    for mark in [">10<", ">100<", ">1,000<", ">10 ns<", ">500 ns<", ">1,000 ns<"] {
        assert_eq!(svg.matches(mark).count(), 1, "{mark}: {svg}");
    }
    assert!(svg.contains("y=\"191.9\" fill=\"#8a8a8a\">two<"), "{svg}");
    assert!(svg.contains("y=\"207.9\" fill=\"#e0592a\">one<"), "{svg}");
}

// ── the program ──────────────────────────────────────────────────────────────────────────────────

/// The load generator. Cargo builds the examples before `cargo test` runs anything, and puts them
/// beside the directory of the tests.
fn program() -> Command {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path: PathBuf = target.join("examples").join(format!("load{EXE_SUFFIX}"));
    assert!(path.exists(), "{path:?} is built by `cargo test` or `cargo build --example load`");
    Command::new(path)
}

/// What it prints on standard output, if all goes well.
fn prints(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_line_reaches_everybody_and_is_counted() {
    for against in ["chinwag", "floor", "floor-turn"] {
        for how in [&["--talkers", "3", "--ahead", "30"][..], &["--rate", "100"]] {
            let arguments = [&["--against", against, "--start", "--json"], how].concat();
            let more = ["--members", "20", "--line", "80", "--seconds", "0.2"];
            let printed = prints(&[&arguments[..], &more].concat());
            let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
            let (lines, deliveries) = (told["lines"].as_u64(), told["deliveries"].as_u64());
            let receivers = 19 + told["talkers"].as_u64().unwrap();
            assert_eq!(deliveries, lines.map(|lines| lines * receivers), "{told}");
            assert!(lines > Some(0), "{told}");
            assert_eq!(told["against"], against);
            assert_eq!(told["line_bytes"], 80);
            assert!(told["latency_seconds"]["p99"].as_f64() > Some(0.0), "{told}");
            for cost in ["server_cpu_ns_per_delivery", "own_cpu_ns_per_delivery"] {
                let told_here = Pid::own().cpu().is_some();
                assert_eq!(told[cost].as_f64().is_some_and(|cost| cost > 0.0), told_here, "{told}");
            }
        }
    }
}

#[test]
fn a_storm_is_told_from_the_first_who_comes_to_the_last_who_is_told() {
    let printed = prints(&["--start", "--storm", "--members", "40", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((told["members"].as_u64(), told["left"].as_u64()), (Some(40), Some(20)), "{told}");
    for part in ["quiet", "coming", "leaving"] {
        let part = &told[part];
        let [time, latency] = [&part["seconds"], &part["latency_seconds"]["max"]];
        assert!(time.as_f64() > Some(0.0) && latency.as_f64() > Some(0.0), "{told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_those_cost_who_never_read_is_told() {
    // Long lines, since 64 MiB of short ones take their time.
    let printed = prints(&["--start", "--never-read", "5", "--line", "4000", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let growth = ["growth_bytes_at_the_end", "growth_bytes_most"].map(|name| told[name].as_u64());
    assert!(growth[0].is_some() && growth[0] <= growth[1], "{told}");
    assert_eq!(told["never_read"], 5);
}

#[test]
fn a_server_that_is_not_there_is_a_sentence_and_an_exit_code() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = program().args(["--address", &nobody]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with(&format!("load: chinwag: {nobody}: ")), "{said}");
    let output = program().args(["--ahead", "1000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
