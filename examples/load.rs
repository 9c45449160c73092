//! The load generator: what a room of many costs a server, to size a machine by, and to see it
//! beside what others cost. `--help` is the manual.
//!
//! ```sh
//! cargo build --release
//! cargo run --release --example load -- --start --members 1000 --talkers 100
//! cargo run --release --example load -- --against redis --start --rate 50
//! cargo run --release --example load -- --servers 4 --relay redis://127.0.0.1:6379 --rate 1000
//! cargo run --release --example load -- --table
//! ```
//!
//! The crowd that does it is in `benches/load/` and serves the benchmarks too: one thread, one mio
//! poll loop. What it costs itself is told beside what the server costs, since a load that is
//! slower than the server measures itself.

#![allow(clippy::print_stdout, reason = "a program that reports on stdout")]

use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use indicatif::{ProgressBar, ProgressStyle};

use measure::{Room, Target};
use plan::Plan;

#[path = "load/against/mod.rs"]
mod against;
#[path = "load/compare.rs"]
mod compare;
#[path = "../benches/floor/mod.rs"]
mod floor;
#[path = "load/guests.rs"]
mod guests;
#[path = "../benches/load/mod.rs"]
mod load;
#[path = "load/measure.rs"]
mod measure;
#[path = "load/never_read.rs"]
mod never_read;
#[path = "load/plan.rs"]
mod plan;
#[path = "load/plot.rs"]
mod plot;
#[path = "load/report.rs"]
mod report;
#[path = "load/storm.rs"]
mod storm;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    load::raise_descriptors()?;
    if floor::serve_if_asked()? {
        return Ok(());
    }
    let plan = Plan::parse();
    if let Some(count) = plan.never_read {
        let target = target(&plan)?;
        let growth = never_read::run(&plan, &target, count as usize);
        report::print_growth(&plan, count, &growth.map_err(|error| target.explain(&error))?);
    } else if plan.storm {
        let target = target(&plan)?;
        let storm = storm::run(&plan, &target);
        report::print_storm(&plan, &storm.map_err(|error| target.explain(&error))?);
    } else if plan.table || plan.plot.is_some() {
        compare(&plan)?;
    } else {
        measure(&plan)?;
    }
    Ok(())
}

/// The table, the plot or both.
fn compare(plan: &Plan) -> io::Result<()> {
    let bar = ProgressBar::new_spinner();
    if plan.table {
        compare::table(plan, &bar)?;
    }
    if let Some(file) = &plan.plot {
        fs::write(file, compare::plot(plan, &bar)?)?;
    }
    Ok(())
}

/// One measurement, as the plan says.
fn measure(plan: &Plan) -> io::Result<()> {
    let pace = plan.pace().unwrap_or_else(|flaw| usage_error(&flaw));
    let bar = progress(plan.duration());
    bar.set_message("members come in");
    let mut room = Room::fill(target(plan)?, plan.talkers, plan.members, plan.line)?;
    bar.set_message("members talk");
    let sample = room.talk(pace, plan.duration(), |passed| {
        bar.set_position(passed.as_millis() as u64);
    })?;
    bar.finish_and_clear();
    report::print(plan, &room, &sample);
    Ok(())
}

/// The server of the plan, started if need be.
fn target(plan: &Plan) -> io::Result<Target> {
    if let (Some(relay), Some(count)) = (&plan.relay, plan.servers) {
        return Target::sharing(relay, count);
    }
    match plan.address.or(plan.against.usual_address()).filter(|_| !plan.start) {
        Some(address) => Ok(Target::running(plan.against, address, plan.pid)),
        None => Target::started(plan.against),
    }
}

/// A bar over so much time; shown on stderr if that is a terminal.
fn progress(time: Duration) -> ProgressBar {
    let bar = ProgressBar::new(time.as_millis() as u64);
    let style = ProgressStyle::with_template("{msg:15} {wide_bar} {elapsed}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn usage_error(flaw: &str) -> ! {
    Plan::command().error(ErrorKind::ValueValidation, flaw).exit()
}
