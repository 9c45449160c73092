//! How fast input becomes lines and commands, however the network cuts it.
//!
//! ```text
//! cargo bench --bench decode
//! ```

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use chinwag::config::Config;
use chinwag::dialect::decoder::{Decoder, Frame};
use chinwag::dialect::session::{Context, Received};
use chinwag::dialect::{Dialect, Framing, Session, Stage};
use chinwag::event::Command;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use hub::lines;

mod hub;

/// Lines in one iteration.
const LINES: usize = 1024;

/// Telnet's IAC WILL LINEMODE, as a client may send it at any time.
const TELNET: [u8; 3] = [255, 251, 34];

fn decode(criterion: &mut Criterion) {
    let input = lines(LINES);
    let with_telnet: Vec<u8> = input
        .split_inclusive(|byte| *byte == b'\n')
        .flat_map(|line| [&TELNET[..], line].concat())
        .collect();
    let max = Config::default().limits.line_bytes_max;
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(LINES as u64));
    // Reads of 64 KiB are what the server's buffer allows; 1,448 bytes are what a packet carries.
    let cases = [
        ("reads_of_64_KiB", &input, 64 * 1024),
        ("reads_of_1448_bytes", &input, 1448),
        ("reads_of_10_bytes", &input, 10),
        ("reads_of_1_byte", &input, 1),
        ("telnet_in_each_line", &with_telnet, 64 * 1024),
    ];
    for (name, input, read_bytes) in cases {
        let mut decoder = Decoder::new(Framing::Lines);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                for mut read in input.chunks(read_bytes) {
                    while let Some(frame) = decoder.pull(&mut read, max) {
                        count += usize::from(matches!(black_box(frame), Frame::Line(_)));
                    }
                }
                assert_eq!(count, LINES, "every line is found, and nothing else");
            });
        });
    }
    group.finish();
}

/// The whole way from bytes to commands, as the hub goes it for each connection.
fn receive(criterion: &mut Criterion) {
    let (input, dialect, now) = (lines(LINES), Dialect::Lines, Instant::now());
    let settings = Config::default().session_settings();
    let remote = Ipv4Addr::LOCALHOST.into();
    let context = Context { now, remote, name: "", settings: &settings, metrics: &String::new };
    let mut group = criterion.benchmark_group("receive");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, read_bytes) in [("reads_of_64_KiB", 64 * 1024), ("reads_of_1448_bytes", 1448)] {
        let mut session = Session::new(dialect, &settings, now);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                for mut read in input.chunks(read_bytes) {
                    while let Some(received) = session.receive(&mut read, &context) {
                        let Received::Message(message) = received else { continue };
                        let commands = message.commands(dialect, Stage::Chatting, "al");
                        count +=
                            commands.filter(|command| matches!(command, Command::Say(_))).count();
                    }
                }
                assert_eq!(black_box(count), LINES, "every line is found, and nothing else");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, receive);
criterion_main!(benches);
