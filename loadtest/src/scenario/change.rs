//! `--set KEY=VALUE`: one key of a scenario is changed before it is read.

use toml::{Table, Value};

use crate::Failure;

/// Where each key stands, so that `--set rate=200` needs no section. No name stands twice.
const KEYS: [(&str, &str); 23] = [
    ("about", ""),
    ("seed", ""),
    ("connections", "people"),
    ("connect-rate", "people"),
    ("in-flight", "people"),
    ("warm-up", "time"),
    ("duration", "time"),
    ("rate", "talk"),
    ("process", "talk"),
    ("bytes", "talk"),
    ("writers", "talk"),
    ("send", "talk.actions"),
    ("typing", "talk.actions"),
    ("read", "talk.actions"),
    ("presence", "talk.actions"),
    ("history", "talk.actions"),
    ("readers", "slow"),
    ("bytes-per-second", "slow"),
    ("after", "storm"),
    ("away", "storm"),
    ("keep", "storm"),
    ("rooms", ""),
    ("only-largest", "people"),
];

/// Carries out one `key=value`; the key is a name, or a name behind its section (`talk.rate`).
pub(super) fn change(table: &mut Table, set: &str) -> Result<(), Failure> {
    let Some((key, value)) = set.split_once('=') else {
        return Err(Failure(format!("`--set {set}`: it must be `key=value`")));
    };
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let known = KEYS
        .iter()
        .find(|(known, home)| *known == name && (section.is_empty() || section == *home));
    let Some((_, home)) = known else {
        let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
        return Err(Failure(format!(
            "`--set {set}`: there is no `{key}`; known are {}",
            names.join(", ")
        )));
    };
    let mut at = table;
    for part in home.split('.').filter(|part| !part.is_empty()) {
        let next = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = match next {
            Value::Table(next) => next,
            _ => return Err(Failure(format!("`{part}` is no section"))),
        };
    }
    let value = if name == "rooms" {
        shape(value)?
    } else {
        let parsed: Option<Table> = toml::from_str(&format!("v = {value}")).ok();
        let plain = parsed.and_then(|mut table| table.remove("v"));
        plain.unwrap_or_else(|| Value::String(value.to_owned()))
    };
    at.insert(name.to_owned(), value);
    Ok(())
}

/// `200x10,1x1000`: 200 rooms of 10 and one of 1,000.
fn shape(text: &str) -> Result<Value, Failure> {
    let one = |part: &str| {
        let (count, members) = part.split_once('x')?;
        let mut rooms = Table::new();
        rooms.insert(
            "count".to_owned(),
            Value::Integer(count.trim().parse().ok()?),
        );
        rooms.insert(
            "members".to_owned(),
            Value::Integer(members.trim().parse().ok()?),
        );
        Some(Value::Table(rooms))
    };
    let rooms: Option<Vec<Value>> = text.split(',').map(one).collect();
    rooms
        .map(Value::Array)
        .ok_or_else(|| Failure(format!("`rooms={text}`: it must look like `200x10,1x1000`")))
}
