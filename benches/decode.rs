//! How fast input becomes lines, however the network cuts it.
//!
//! ```text
//! cargo bench --bench decode
//! ```

use std::hint::black_box;

use chinwag::config::Config;
use chinwag::dialect::Framing;
use chinwag::dialect::decoder::{Decoder, Frame};
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

criterion_group!(benches, decode);
criterion_main!(benches);
