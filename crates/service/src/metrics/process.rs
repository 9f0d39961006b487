//! What a process tells of itself: its version, and what the kernel accounts to it.

use std::fs;

use metrics::gauge;

use super::Documented;

/// What every process tells of itself.
pub const PROCESS: &[Documented] = &[
    Documented {
        name: "chatify_build_info",
        kind: "Gauge",
        labels: &[("version", "")],
        doc: "Always 1; the label names the version.",
    },
    Documented {
        name: "process_resident_memory_bytes",
        kind: "Gauge",
        labels: &[],
        doc: "Memory of the process in RAM.",
    },
    Documented {
        name: "process_open_fds",
        kind: "Gauge",
        labels: &[],
        doc: "File descriptors that are open.",
    },
    Documented {
        name: CPU,
        kind: "Counter",
        labels: &[],
        doc: "CPU time used, user and system.",
    },
];

const CPU: &str = "process_cpu_seconds_total";

pub(super) fn register(version: &'static str) {
    // That one is written by hand.
    for metric in PROCESS.iter().filter(|metric| metric.name != CPU) {
        match metric.kind {
            "Counter" => metrics::describe_counter!(metric.name, metric.doc),
            _ => metrics::describe_gauge!(metric.name, metric.doc),
        }
    }
    gauge!("chatify_build_info", "version" => version).set(1.0);
}

/// Linux' own accounting, read at each scrape. What cannot be read is left as it was.
pub(super) fn measure() {
    if let Some(kib) = fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(resident_kib)
    {
        gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Without the one that reads the folder.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        gauge!("process_open_fds").set(f64::from(open));
    }
}

/// The CPU time by hand: the recorder counts whole numbers alone, and of a process that idles a rate over a minute would be
/// 0 or twice too much. Nothing where it cannot be read.
pub(super) fn cpu_page() -> String {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let Some(hundredths) = stat.as_deref().and_then(cpu_hundredths) else {
        return String::new();
    };
    let doc = PROCESS.iter().find(|one| one.name == CPU);
    let doc = doc.map_or("", |metric| metric.doc);
    let (seconds, rest) = (hundredths / 100, hundredths % 100);
    format!("# HELP {CPU} {doc}\n# TYPE {CPU} counter\n{CPU} {seconds}.{rest:02}\n\n")
}

fn resident_kib(status: &str) -> Option<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// User and system time, which stand 12 and 13 fields behind the command's closing bracket, in hundredths.
fn cpu_hundredths(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_accounting_is_read_right() {
        assert_eq!(
            resident_kib("Name:\tx\nVmRSS:\t    1234 kB\n"),
            Some(1234.0)
        );
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 253 0 0";
        assert_eq!(cpu_hundredths(stat), Some(403));
        assert_eq!(cpu_hundredths("garbage"), None);
    }

    #[test]
    fn cpu_time_is_told_in_parts_of_a_second_and_once() {
        let page = cpu_page();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "))
            .expect("it is there");
        let (_, parts) = value.split_once('.').expect("parts of a second");
        assert_eq!(parts.len(), 2, "{value}");
        assert!(value.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0));
        assert!(page.contains("# TYPE process_cpu_seconds_total counter"));
        assert_eq!(page.matches("\nprocess_cpu_seconds_total ").count(), 1);
    }
}
