//! What Linux tells of the server's process: its memory, its processor time, its descriptors.

use std::collections::HashSet;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::common::{Server, chinwag};

/// A server whose process is watched.
pub(crate) struct Watched {
    pub(crate) server: Server,
    id: u32,
}

impl Watched {
    /// As [`Server::start`].
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_under("true", args)
    }

    /// As [`Server::start`], after this command of the shell, such as `ulimit -n 64`.
    #[track_caller]
    pub(crate) fn start_under(before: &str, args: &[&str]) -> Self {
        let bare = chinwag();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before} && echo \"process $$\" >&2 && exec \"$0\" \"$@\""));
        shell.arg(bare.get_program());
        for (name, value) in bare.get_envs() {
            if value.is_none() {
                shell.env_remove(name);
            }
        }
        let server = Server::start_as(shell, args);
        let line = server.log().waits_for("process ");
        let id = line.trim_start_matches("process ").parse().unwrap();
        Self { server, id }
    }

    /// The most memory that the process has had at once since the last call, in bytes.
    pub(crate) fn takes_peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        fs::write(format!("/proc/{}/clear_refs", self.id), "5").unwrap();
        kilobytes * 1024
    }

    /// The part of one processor that the process uses in the next two seconds: the pause is what
    /// this is about.
    pub(crate) fn load(&self) -> f64 {
        let pause = Duration::from_secs(2);
        let before = self.processor_time();
        thread::sleep(pause);
        (self.processor_time() - before).as_secs_f64() / pause.as_secs_f64()
    }

    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id)).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // In hundredths of a second on every machine that Linux runs on today.
        let hundredths = |field: usize| fields[field].parse::<u64>().unwrap();
        Duration::from_millis(10 * (hundredths(11) + hundredths(12)))
    }

    /// The descriptors that the process has open.
    pub(crate) fn descriptors(&self) -> HashSet<usize> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.id)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
    }

    /// Lets the process open so many descriptors more, and no others.
    pub(crate) fn leave_descriptors(&self, count: usize) {
        let open = self.descriptors();
        let free = (0..).filter(|descriptor| !open.contains(descriptor));
        self.limit_descriptors(free.take(count).last().map_or(0, |last| last + 1));
    }

    /// Sets the process's limit of descriptors: those that it has stay, a new one must be below.
    pub(crate) fn limit_descriptors(&self, soft: usize) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.id)).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let hard = line.split_whitespace().nth(4).unwrap().parse().unwrap();
        let id = i32::try_from(self.id).unwrap();
        let limit = Some((soft as u64, hard));
        rlimit::prlimit(id, rlimit::Resource::NOFILE, limit, None).unwrap();
    }
}
