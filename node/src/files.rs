//! How many connections the files of this process allow. A node that has none left is deaf to its probes, to its backends
//! and to other nodes, so some are kept back; who comes beyond is refused by name and may find another node.

use tracing::warn;

/// Kept for listeners, backends, the database, requests that are passed on, and handshakes that are under way.
const KEPT_BACK: usize = 256;

/// The bound for connections: what was asked for, or what the process' limit of open files leaves.
pub(crate) fn connections(asked: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let bound = bounded(asked, &limits);
    if bound < asked {
        warn!(
            bound,
            "the limit of open files allows no more connections than this"
        );
    }
    bound
}

/// Pure: `limits` is the text of `/proc/self/limits`; without a number in it nothing is bounded.
fn bounded(asked: usize, limits: &str) -> usize {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    // Where there are hardly any files, half of them: it must still serve somebody.
    soft.map_or(asked, |files| {
        asked.min(files.saturating_sub(KEPT_BACK).max(files / 2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_back_and_what_is_unknown_bounds_nothing() {
        let limits = |soft| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax open files  {soft}  1048576  files\n"
            )
        };
        assert_eq!(bounded(1_000_000, &limits("20000")), 19_744);
        assert_eq!(bounded(500, &limits("20000")), 500);
        assert_eq!(bounded(1_000_000, &limits("100")), 50);
        assert_eq!(bounded(1_000_000, &limits("unlimited")), 1_000_000);
        assert_eq!(bounded(1_000_000, ""), 1_000_000);
    }
}
