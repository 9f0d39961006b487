//! The server as the kernel sees it: memory, files and CPU of one process, by its number.

use std::fs;

use serde::Serialize;

use crate::Failure;

/// `/proc/PID/stat` counts in hundredths of a second on every Linux that this runs on.
const TICK_MILLIS: u64 = 10;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Sample {
    /// Resident, bytes.
    pub(crate) rss: u64,
    /// Proportional share of what is resident, bytes.
    pub(crate) pss: u64,
    /// Of that, what is no file's: the process's own memory, bytes. A store that maps its file is resident with it.
    pub(crate) anonymous: u64,
    /// Open files.
    pub(crate) files: u64,
    /// CPU since its start, milliseconds, user and system.
    pub(crate) cpu_millis: u64,
}

impl Sample {
    /// Looks at a process.
    pub(crate) fn of(pid: u32) -> Result<Sample, Failure> {
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}"))
                .map_err(|error| Failure(format!("process {pid} (`--pid`): {name}: {error}")))
        };
        let rollup = read("smaps_rollup")?;
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .map_err(|error| Failure(format!("process {pid} (`--pid`): fd: {error}")))?
            .count();
        Ok(Sample {
            rss: kilobytes(&rollup, "Rss:") * 1024,
            pss: kilobytes(&rollup, "Pss:") * 1024,
            anonymous: kilobytes(&rollup, "Anonymous:") * 1024,
            files: files as u64,
            cpu_millis: cpu_millis(&read("stat")?),
        })
    }

    /// CPU of this generator itself.
    pub(crate) fn own_cpu_millis() -> u64 {
        fs::read_to_string("/proc/self/stat").map_or(0, |stat| cpu_millis(&stat))
    }
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
    fn this_process_can_be_looked_at() {
        let sample = Sample::of(std::process::id()).unwrap();
        assert!(sample.rss >= 1 << 20 && sample.pss <= sample.rss && sample.files >= 3);
    }
}
