//! What came of it: for people, and as JSON.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::measure::{Room, Sample};
use crate::never_read::{Growth, SAID_BYTES};
use crate::plan::Plan;
use crate::storm::{Storm, Weather};

/// The percentiles of the latency that are told, with their names.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)];

pub(crate) fn print(plan: &Plan, room: &Room, sample: &Sample) {
    if plan.json {
        println!("{:#}", as_json(plan, room, sample));
    } else {
        print_text(room, sample);
    }
}

fn as_json(plan: &Plan, room: &Room, sample: &Sample) -> Value {
    json!({
        "against": room.target.kind.name(),
        "members": plan.members,
        "talkers": plan.talkers,
        "line_bytes": plan.line,
        "lines_ahead": plan.rate.is_none().then_some(plan.ahead),
        "lines_per_second": plan.rate,
        "seconds": sample.wall.as_secs_f64(),
        "lines": sample.lines,
        "deliveries": sample.deliveries,
        "deliveries_per_second": sample.per_second(),
        "server_cpu_ns_per_delivery": sample.server_cost(),
        "own_cpu_ns_per_delivery": sample.own_cost(),
        "servers": plan.servers,
        "engine_cpu_seconds": sample.engine_cpu.map(|cpu| cpu.as_secs_f64()),
        "latency_seconds": percentiles_as_json(&sample.latency),
        "server_bytes_per_member": room.memory_per_member,
    })
}

fn print_text(room: &Room, sample: &Sample) {
    let Sample { lines, deliveries, wall, .. } = sample;
    let seconds = wall.as_secs_f64();
    println!("{lines} lines in {seconds:.1} s, and everybody got every one of them.");
    println!("deliveries   {deliveries}, {:.0} a second", sample.per_second());
    let why = if room.target.pid.is_none() { "not known without --pid" } else { UNTOLD };
    let cost = |cpu: Option<Duration>, cost: Option<f64>, why: &str| {
        cpu.zip(cost).map_or(why.to_owned(), |(cpu, cost)| {
            let busy = 100.0 * cpu.as_secs_f64() / seconds;
            format!("{cost:.1} ns of CPU for each delivery, busy for {busy:.0} % of the time")
        })
    };
    println!("server       {}", cost(sample.server_cpu, sample.server_cost(), why));
    if let Some(cpu) = sample.engine_cpu {
        let busy = 100.0 * cpu.as_secs_f64() / seconds;
        println!("engine       busy for {busy:.0} % of the time");
    }
    println!("this load    {}", cost(sample.own_cpu, sample.own_cost(), UNTOLD));
    println!("latency      {}", percentiles(&sample.latency));
    let memory = room.memory_per_member;
    let memory = memory.map_or(why.to_owned(), |bytes| format!("{bytes:.0} bytes for each member"));
    println!("memory       {memory}");
}

pub(crate) fn print_storm(plan: &Plan, storm: &Storm) {
    let Storm { members, left, quiet, coming, leaving } = storm;
    if plan.json {
        let weather = |weather: &Weather| {
            let latency = percentiles_as_json(&weather.latency);
            json!({ "seconds": weather.time.as_secs_f64(), "latency_seconds": latency })
        };
        let told = json!({
            "against": plan.against.name(),
            "members": members,
            "left": left,
            "quiet": weather(quiet),
            "coming": weather(coming),
            "leaving": leaving.as_ref().map(weather),
        });
        return println!("{told:#}");
    }
    let time = |time: Duration| duration(time.as_secs_f64());
    println!("{members} came, and all were welcomed after {}.", time(coming.time));
    match leaving {
        Some(leaving) => {
            println!("{left} left at once; all others were told within {}.", time(leaving.time));
        }
        None => println!("Such a server does not tell who leaves."),
    }
    println!("A talker's lines meanwhile, from saying to receipt:");
    println!("before any came   {}", percentiles(&quiet.latency));
    println!("while they came   {}", percentiles(&coming.latency));
    if let Some(leaving) = leaving {
        println!("while half left   {}", percentiles(&leaving.latency));
    }
}

pub(crate) fn print_growth(plan: &Plan, count: u64, growth: &Growth) {
    if plan.json {
        let told = json!({
            "against": plan.against.name(),
            "never_read": count,
            "said_bytes": SAID_BYTES,
            "growth_bytes_most": growth.most,
            "growth_bytes_at_the_end": growth.at_the_end,
        });
        return println!("{told:#}");
    }
    let [most, end] = [growth.most, growth.at_the_end].map(|bytes| bytes as f64 / 1_048_576.0);
    let said = SAID_BYTES >> 20;
    println!("{count} members never read while {said} MiB were said.");
    println!("The server's memory grew by at most {most:.2} MiB, and by {end:.2} MiB in the end.");
}

fn percentiles(latency: &Histogram<u64>) -> String {
    PERCENTILES
        .map(|(name, percent)| format!("{name} {}", duration(latency_at(latency, percent))))
        .join(", ")
}

fn percentiles_as_json(latency: &Histogram<u64>) -> Value {
    let told = |(name, percent): (&str, _)| (name.to_owned(), latency_at(latency, percent).into());
    Value::Object(PERCENTILES.into_iter().map(told).collect())
}

/// So many percent of all lines were received within this many seconds.
pub(crate) fn latency_at(latency: &Histogram<u64>, percent: f64) -> f64 {
    latency.value_at_quantile(percent / 100.0) as f64 / 1e9
}

const UNTOLD: &str = "this system does not tell";

/// A time as people write it, with three digits.
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        1.0.. => (seconds, "s"),
        0.001.. => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "µs"),
    };
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}
