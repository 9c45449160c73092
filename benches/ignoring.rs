//! What a line costs in a room of 1,000 whose members ignore others, beside one where nobody does;
//! without the telling, which costs each who hears it the same.
//!
//! ```text
//! cargo bench --bench ignoring
//! ```

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

use hub::{Room, lines, speech};

mod hub;

const MEMBERS: usize = 1_000;

fn ignoring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a_line_to_1000_who_each_ignore");
    for count in [0, 3, 100] {
        let mut room = Room::of(MEMBERS);
        for number in 0..MEMBERS {
            for next in 1..=count {
                let name = speech::name((number + next) % MEMBERS);
                room.hear(room.member(number), format!("/ignore {name}\n").as_bytes());
            }
            room.turn();
        }
        let (talker, line) = (room.member(0), lines(1));
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let begun = Instant::now();
                    room.hear(talker, &line);
                    spent += begun.elapsed();
                    room.turn();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ignoring);
criterion_main!(benches);
