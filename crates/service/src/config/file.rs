//! The TOML file as a flat list of dotted keys with their lines. It knows no setting: what is allowed is judged later.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One value of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

/// All values of the file, or what is wrong with it and in which line.
pub(super) fn entries(source: &str) -> Result<Vec<Entry>, (usize, String)> {
    let table = DeTable::parse(source).map_err(|error| {
        (
            line_of(source, &error.span().unwrap_or_default()),
            error.message().to_owned(),
        )
    })?;
    let mut entries = Vec::new();
    flatten(source, "", table.get_ref(), &mut entries)?;
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn flatten(
    source: &str,
    prefix: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), (usize, String)> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let line = line_of(source, &name.span());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(source, &format!("{key}."), inner, entries)?,
            _ => {
                let text = scalar(value).ok_or_else(|| {
                    (
                        line,
                        format!("`{key}` is neither a plain value nor a list of them"),
                    )
                })?;
                entries.push(Entry { key, text, line });
            }
        }
    }
    Ok(())
}

/// A plain value as one would write it in a variable; lists are joined by commas.
fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(if *on { "on" } else { "off" }.to_owned()),
        DeValue::Array(parts) => parts
            .iter()
            .map(|part| {
                if part.get_ref().is_array() {
                    None
                } else {
                    scalar(part)
                }
            })
            .collect::<Option<Vec<_>>>()
            .map(|parts| parts.join(",")),
        _ => None,
    }
}

fn line_of(source: &str, span: &Range<usize>) -> usize {
    1 + source
        .bytes()
        .take(span.start)
        .filter(|byte| *byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_dotted_keys_with_their_lines() {
        let source =
            "listen = \"a\"\n\n[node]\noutbox-bytes = 512\nwatch = [\"a\", \"b\"]\nfast = true\n";
        let found: Vec<_> = entries(source)
            .expect("valid")
            .into_iter()
            .map(|entry| (entry.key, entry.text, entry.line))
            .collect();
        let expected = [
            ("listen", "a", 1),
            ("node.outbox-bytes", "512", 4),
            ("node.watch", "a,b", 5),
            ("node.fast", "on", 6),
        ];
        assert_eq!(
            found,
            expected.map(|(key, text, line)| (key.into(), text.into(), line))
        );
    }

    #[test]
    fn a_broken_file_names_its_line() {
        assert_eq!(entries("a = 1\nb = = 2\n").expect_err("broken").0, 2);
        assert_eq!(entries("a = 1\na = 2\n").expect_err("twice").0, 2);
        assert_eq!(entries("\na = [[1]]\n").expect_err("nested").0, 2);
        assert_eq!(
            entries("a = 2026-01-01\n")
                .expect_err("a date is no setting")
                .0,
            1
        );
    }
}
