//! The name that was probably meant: by edit distance, and only when it is close enough to be a help.

/// The nearest of `known`, if it differs in less than about a third of its letters.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(given.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to insert, remove, change or swap with their neighbour. Names are short, so the square cost does not matter.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(rows[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["listen", "admin-listen", "node.outbox-bytes"];
        for (given, meant) in [
            ("lisen", "listen"),
            ("lsiten", "listen"),
            ("node.outboxbytes", "node.outbox-bytes"),
        ] {
            assert_eq!(nearest(given, known.into_iter()), Some(meant));
        }
    }

    #[test]
    fn nonsense_is_not_given_a_meaning() {
        assert_eq!(nearest("zzzzqqq", ["listen", "data"].into_iter()), None);
    }
}
