//! The servers as the kernel sees them: CPU, memory and files of processes by their numbers, and the memory of sockets.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// `/proc/PID/stat` counts in hundredths of a second on every Linux that this runs on.
const TICK_MILLIS: u64 = 10;
/// `/proc/PID/statm` and `sockstat` count in pages of this size on the machines that this runs on.
const PAGE: u64 = 4_096;

/// Processes that are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// What they are.
    pub(crate) label: String,
    /// Their numbers.
    pub(crate) pids: Vec<u32>,
}

/// Reads `123`, `123,124` or `node=123,node=124,redis=125`: those with one label are counted together.
pub(crate) fn parse(text: &str) -> Result<Vec<Watched>, Failure> {
    let mut all: Vec<Watched> = Vec::new();
    for part in text.split(',') {
        let (label, pid) = part.split_once('=').unwrap_or(("server", part));
        let pid = pid
            .trim()
            .parse()
            .map_err(|_| Failure(format!("`--pid {text}`: `{part}` is no process")))?;
        match all.iter_mut().find(|watched| watched.label == label) {
            Some(watched) => watched.pids.push(pid),
            None => all.push(Watched {
                label: label.to_owned(),
                pids: vec![pid],
            }),
        }
    }
    Ok(all)
}

/// One look at some processes, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    /// Resident, bytes.
    pub(crate) rss: u64,
    /// Proportional share of what is resident, bytes.
    pub(crate) pss: u64,
    /// Of that, what is no file's: the process's own memory, bytes. A store that maps its file is resident with it.
    pub(crate) anonymous: u64,
    /// Open files.
    pub(crate) files: u64,
    /// CPU since the start, milliseconds, user and system.
    pub(crate) cpu_millis: u64,
}

impl Watched {
    /// Everything. Walks all mappings of a process: for the ends of a measurement and not for every second.
    pub(crate) fn sample(&self) -> Result<Sample, Failure> {
        let mut sum = Sample::default();
        for pid in &self.pids {
            let rollup = read(*pid, "smaps_rollup")?;
            let files = fs::read_dir(format!("/proc/{pid}/fd"))
                .map_err(|error| Failure(format!("process {pid} (`--pid`): fd: {error}")))?;
            sum.rss += kilobytes(&rollup, "Rss:") * 1024;
            sum.pss += kilobytes(&rollup, "Pss:") * 1024;
            sum.anonymous += kilobytes(&rollup, "Anonymous:") * 1024;
            sum.files += files.count() as u64;
            sum.cpu_millis += cpu_millis(&read(*pid, "stat")?);
        }
        Ok(sum)
    }

    /// CPU (milliseconds) and RSS (bytes) alone, cheaply.
    pub(crate) fn glance(&self) -> Result<(u64, u64), Failure> {
        let (mut cpu, mut rss) = (0, 0);
        for pid in &self.pids {
            cpu += cpu_millis(&read(*pid, "stat")?);
            let statm = read(*pid, "statm")?;
            let pages: Option<u64> = statm
                .split_ascii_whitespace()
                .nth(1)
                .and_then(|field| field.parse().ok());
            rss += pages.unwrap_or(0) * PAGE;
        }
        Ok((cpu, rss))
    }
}

fn read(pid: u32, name: &str) -> Result<String, Failure> {
    fs::read_to_string(format!("/proc/{pid}/{name}"))
        .map_err(|error| Failure(format!("process {pid} (`--pid`): {name}: {error}")))
}

/// CPU of this thread, milliseconds.
pub(crate) fn own_cpu_millis() -> u64 {
    fs::read_to_string("/proc/thread-self/stat").map_or(0, |stat| cpu_millis(&stat))
}

/// Bytes that the kernel holds for TCP: of the whole machine, whoever's sockets they are, both ends on loopback.
pub(crate) fn socket_memory() -> u64 {
    fs::read_to_string("/proc/net/sockstat").map_or(0, |text| tcp_pages(&text) * PAGE)
}

fn tcp_pages(sockstat: &str) -> u64 {
    let line = sockstat.lines().find(|line| line.starts_with("TCP:"));
    let mut words = line.unwrap_or_default().split_ascii_whitespace();
    words.find(|word| *word == "mem");
    words
        .next()
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0)
}

/// The machine that this runs on: its processor, how many of them, and its kernel.
pub(crate) fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory =
        fs::read_to_string("/proc/meminfo").map_or(0, |text| kilobytes(&text, "MemTotal:"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} × {model}, {} GiB, Linux {}",
        memory >> 20,
        kernel.trim()
    )
}

fn kilobytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

/// The fields behind the command's name, which may hold spaces and brackets itself.
fn cpu_millis(stat: &str) -> u64 {
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let mut ticks = || {
        fields
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (ticks() + ticks()) * TICK_MILLIS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_behind_whatever_the_command_is_called() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 500 0 0 0 120 34 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_millis(stat), 1_540);
    }

    #[test]
    fn processes_with_one_label_are_counted_together() {
        let all = parse("node=1,redis=2,node=3").unwrap_or_default();
        let told: Vec<_> = all
            .iter()
            .map(|watched| (&*watched.label, &*watched.pids))
            .collect();
        assert_eq!(told, [("node", &[1, 3][..]), ("redis", &[2][..])]);
        assert_eq!(parse("7").unwrap_or_default()[0].label, "server");
        assert!(parse("node=x").is_err());
    }

    #[test]
    fn the_memory_of_sockets_is_read_from_its_line() {
        let text =
            "sockets: used 9\nTCP: inuse 1 orphan 0 tw 0 alloc 3 mem 42\nUDP: inuse 0 mem 7\n";
        assert_eq!(tcp_pages(text), 42);
        assert_eq!(tcp_pages(""), 0);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let own = Watched {
            label: "own".to_owned(),
            pids: vec![std::process::id()],
        };
        let sample = own.sample().map_err(|Failure(why)| why).unwrap();
        assert!(sample.rss >= 1 << 20 && sample.pss <= sample.rss && sample.files >= 3);
        assert!(own.glance().map_err(|Failure(why)| why).unwrap().1 >= 1 << 20);
    }
}
