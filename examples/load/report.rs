//! What came of it: for people, and as JSON.

use serde_json::{Value, json};

use crate::measure::{Room, Sample};
use crate::plan::Plan;

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
    let latency: serde_json::Map<_, _> = PERCENTILES
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), json!(sample.latency_at(*percent))))
        .collect();
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
        "latency_seconds": latency,
        "server_bytes_per_member": room.memory_per_member,
    })
}

fn print_text(room: &Room, sample: &Sample) {
    let Sample { lines, deliveries, wall, .. } = sample;
    let seconds = wall.as_secs_f64();
    println!("{lines} lines in {seconds:.1} s, and everybody got every one of them.");
    println!("deliveries   {deliveries}, {:.0} a second", sample.per_second());
    let why = if room.target.pid.is_none() { "not known without --pid" } else { UNTOLD };
    let cost = |cost: Option<f64>, why: &str| {
        cost.map_or(why.to_owned(), |cost| format!("{cost:.1} ns of CPU for each delivery"))
    };
    println!("server       {}", cost(sample.server_cost(), why));
    println!("this load    {}", cost(sample.own_cost(), UNTOLD));
    let percentiles = PERCENTILES
        .map(|(name, percent)| format!("{name} {}", duration(sample.latency_at(percent))));
    println!("latency      {}", percentiles.join(", "));
    let memory = room.memory_per_member;
    let memory = memory.map_or(why.to_owned(), |bytes| format!("{bytes:.0} bytes for each member"));
    println!("memory       {memory}");
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
