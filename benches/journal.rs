//! What the journal costs without a socket: lines that are said (append), lines that everybody
//! takes, after which they are forgotten (trim), and the same when one member lags behind, so that
//! what it has not got must be kept.
//!
//! ```text
//! cargo bench --bench journal
//! ```

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use hub::{LINE_BYTES, Room, lines};

mod hub;

const MEMBERS: usize = 1_000;

/// Lines that are said in one turn.
const LINES: usize = 256;

/// How far the laggard stays behind, in bytes: not so far that talkers would wait for it.
const LAG_BYTES: usize = 256 * 1024;

/// What a case measures of a turn.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Saying,
    Taking,
}

fn journal(criterion: &mut Criterion) {
    let said = lines(LINES);
    let turn_bytes = LINES * LINE_BYTES;
    let mut group = criterion.benchmark_group("journal");
    let deliveries = LINES * (MEMBERS - 1);
    let cases = [
        ("append", Part::Saying, LINES, false),
        ("take_and_trim", Part::Taking, deliveries, false),
        ("take_and_trim_with_a_laggard", Part::Taking, deliveries, true),
    ];
    for (name, part, elements, lags) in cases {
        let mut room = Room::of(MEMBERS);
        let (talker, slow) = (room.member(0), room.member(1));
        if lags {
            for _ in 0..LAG_BYTES / turn_bytes {
                room.hear(talker, &said);
                room.let_take(slow, 0);
                room.turn();
            }
        }
        // What is taken of a line that is said, it takes of an older one.
        let slow_takes = if lags { turn_bytes } else { usize::MAX };
        group.throughput(Throughput::Elements(elements as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let begun = Instant::now();
                    room.hear(talker, &said);
                    let heard = begun.elapsed();
                    room.let_take(slow, slow_takes);
                    let taken = room.turn();
                    let taking = begun.elapsed() - heard;
                    assert_eq!(taken, deliveries * LINE_BYTES, "everybody has taken what is due");
                    spent += if part == Part::Saying { heard } else { taking };
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
