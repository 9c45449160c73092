//! A storm: many come as fast as they are let in, half of them leave at once, and somebody goes on
//! talking all the while.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::against::Kind;
use crate::guests::Guests;
use crate::load::{Crowd, Pace};
use crate::measure::Target;
use crate::plan::Plan;

/// Lines that are said in a second, unless the plan says otherwise.
const RATE: u64 = 50;

/// How long there is quiet before the storm.
const QUIET: Duration = Duration::from_secs(1);

/// What there was to see.
pub(crate) struct Storm {
    pub(crate) members: usize,
    pub(crate) left: usize,
    /// The talker and the one who listens to it, alone.
    pub(crate) quiet: Weather,
    /// Until all were welcomed.
    pub(crate) coming: Weather,
    /// Until all who stayed had been told; `None` if such a server does not tell.
    pub(crate) leaving: Option<Weather>,
}

/// A part of it: how long it took, and how old lines were when they were received.
pub(crate) struct Weather {
    pub(crate) time: Duration,
    pub(crate) latency: Histogram<u64>,
}

/// Makes a storm at `target`.
pub(crate) fn run(plan: &Plan, target: &Target) -> io::Result<Storm> {
    let (speech, members) = (target.kind.speech(), plan.members as usize);
    let left = members / 2;
    let mut crowd = Crowd::join(target.address, speech, 1, 1, plan.line as usize)?;
    let pace = Pace::PerSecond(plan.rate.unwrap_or(RATE) as f64);
    let ((), quiet) = meanwhile(&mut crowd, pace, || {
        thread::sleep(QUIET);
        Ok(())
    })?;
    let come = || Guests::come(target.address, speech, members, None);
    let (mut guests, coming) = meanwhile(&mut crowd, pace, come)?;
    let leaving = notices(target.kind, 2 + members - left).map(|notices| {
        let leave = || {
            guests.leave(members - left);
            guests.wait_until_told(&notices)
        };
        meanwhile(&mut crowd, pace, leave)
    });
    let leaving = leaving.transpose()?.map(|((), weather)| weather);
    Ok(Storm { members, left, quiet, coming, leaving })
}

/// How a notice ends, one way or another, by which everybody knows that others have left and so
/// many are `here`.
fn notices(kind: Kind, here: usize) -> Option<[String; 2]> {
    let ends = || ["left", "left: connection lost"].map(|end| format!("{end} ({here} here)\n"));
    (kind == Kind::Chinwag).then(ends)
}

/// Does `work` while the crowd talks in a thread of its own.
fn meanwhile<T>(
    crowd: &mut Crowd,
    pace: Pace,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, Weather)> {
    crowd.take_latency();
    let done = AtomicBool::new(false);
    // One line at least, however fast the work is done.
    let more = |said| if said > 0 && done.load(Ordering::Relaxed) { 0 } else { u64::MAX };
    let (worked, time, talked) = thread::scope(|scope| {
        let talking = scope.spawn(|| crowd.talk(pace, more));
        let begun = Instant::now();
        let worked = work();
        let time = begun.elapsed();
        done.store(true, Ordering::Relaxed);
        (worked, time, talking.join())
    });
    let worked = worked?;
    talked.map_err(|_| io::Error::other("the talker panicked"))??;
    Ok((worked, Weather { time, latency: crowd.take_latency() }))
}
