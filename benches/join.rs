//! What one more costs a room of 10,000: a name that nobody has and that looks like nobody's, and
//! then telling everybody.
//!
//! ```text
//! cargo bench --bench join
//! ```

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

use hub::{Room, speech};

mod hub;

const MEMBERS: usize = 10_000;

fn join(criterion: &mut Criterion) {
    let mut room = Room::of(MEMBERS);
    let mut group = criterion.benchmark_group("join");
    for (name, with_telling) in [("a_name_into_10000", false), ("and_all_are_told", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for number in 0..times as usize {
                    // Never the name of a member, and not always the same.
                    let name = speech::name(MEMBERS + number % MEMBERS);
                    let begun = Instant::now();
                    let key = room.join(&name);
                    if with_telling {
                        room.turn();
                        spent += begun.elapsed();
                    } else {
                        spent += begun.elapsed();
                        room.turn();
                    }
                    room.lose(key);
                    room.turn();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, join);
criterion_main!(benches);
