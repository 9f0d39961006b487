//! What the machine grants a process.

use super::finding::Finding;

/// A node that serves thousands needs a file for each, and some beside.
const FILES_MIN: u64 = 65_536;

pub(crate) fn checks() -> Vec<Finding> {
    // Other systems have other places, and no deployment of ours.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    files(&limits).into_iter().collect()
}

fn files(limits: &str) -> Option<Finding> {
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    let told = format!("{soft} files may be open, one for each connection");
    if soft == "unlimited" || soft.parse::<u64>().is_ok_and(|soft| soft >= FILES_MIN) {
        return Some(Finding::ok("open files", told));
    }
    Some(Finding::warn(
        "open files",
        told,
        "raise it: LimitNOFILE=1048576 for systemd, `ulimit -n` in a shell",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let level = |soft: &str| {
            let limits = format!(
                "Limit                     Soft Limit           Hard Limit           Units\nMax open files            {soft}                 1048576              files\n"
            );
            files(&limits).map(|finding| finding.level)
        };
        assert_eq!(level("1024"), Some(Level::Warn));
        assert_eq!(level("1048576"), Some(Level::Ok));
        assert_eq!(level("unlimited"), Some(Level::Ok));
        assert_eq!(files("nothing"), None);
    }
}
