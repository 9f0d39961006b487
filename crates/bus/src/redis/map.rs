//! Which server owns a name. Pure.

use redis::Value;

use crate::seal::Name;

/// How many slots a Redis Cluster has.
pub(crate) const SLOTS: usize = 16_384;
const NOBODY: u16 = u16::MAX;

/// Owners by number of a server in some list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// Independent servers, each with the hash of its address: the highest mix with a name owns it, so that a server
    /// more or less moves only its own share.
    Rendezvous(Vec<u64>),
    /// Slots of a cluster.
    Slots(Vec<u16>),
}

/// Who owns which slots, as a node of a cluster tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// First and last slot, and the master's address.
    pub(crate) ranges: Vec<(u16, u16, String)>,
    /// Everybody's address, replicas too: where to ask next time.
    pub(crate) nodes: Vec<String>,
}

impl Map {
    /// The map of independent servers.
    pub(crate) fn rendezvous(servers: &[String]) -> Self {
        // FNV-1a: the same in every version and process.
        let hash = |server: &String| {
            server
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
        };
        Self::Rendezvous(servers.iter().map(hash).collect())
    }

    /// A cluster of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self::Slots(vec![NOBODY; SLOTS])
    }

    /// The map of a cluster; `number` gives a server's number.
    pub(crate) fn slots(told: &Told, mut number: impl FnMut(&str) -> u16) -> Self {
        let mut slots = vec![NOBODY; SLOTS];
        for (first, last, server) in &told.ranges {
            let number = number(server);
            let range = usize::from(*first)..=usize::from(*last);
            if let Some(range) = slots.get_mut(range) {
                range.fill(number);
            }
        }
        Self::Slots(slots)
    }

    /// The number of a name's owner, if it has one.
    pub(crate) fn owner(&self, name: &Name) -> Option<usize> {
        match self {
            Self::Rendezvous(servers) => {
                let mix = |server: &u64| mixed(server ^ name.number());
                let best = servers
                    .iter()
                    .enumerate()
                    .max_by_key(|(_, server)| mix(server));
                best.map(|(number, _)| number)
            }
            Self::Slots(slots) => {
                let owner = slots[usize::from(slot(name))];
                (owner != NOBODY).then(|| usize::from(owner))
            }
        }
    }
}

/// The finalizer of SplitMix64.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The slot of a name: CRC16 (XMODEM) of all of it, since our names have no braces.
pub(crate) fn slot(name: &Name) -> u16 {
    let crc = name.as_bytes().iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % 16_384
}

/// Reads the answer to `CLUSTER SLOTS` that `asked` gave; a node without a name is the one that was asked.
pub(crate) fn read_slots(answer: &Value, asked: &str) -> Option<Told> {
    let Value::Array(rows) = answer else {
        return None;
    };
    let mut told = Told::default();
    for row in rows {
        let Value::Array(row) = row else { return None };
        let [Value::Int(first), Value::Int(last), nodes @ ..] = &row[..] else {
            return None;
        };
        let nodes: Vec<String> = nodes
            .iter()
            .filter_map(|node| read_node(node, asked))
            .collect();
        let master = nodes.first()?.clone();
        told.ranges.push((
            u16::try_from(*first).ok()?,
            u16::try_from(*last).ok()?,
            master,
        ));
        for node in nodes {
            if !told.nodes.contains(&node) {
                told.nodes.push(node);
            }
        }
    }
    Some(told)
}

fn read_node(node: &Value, asked: &str) -> Option<String> {
    let Value::Array(node) = node else {
        return None;
    };
    let [host, Value::Int(port), ..] = &node[..] else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        _ => "",
    };
    let host = if host.is_empty() || host == "?" {
        asked.rsplit_once(':')?.0
    } else {
        host
    };
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    Some(if bare_ipv6 {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

/// Slot and address of a `MOVED` error's details.
pub(crate) fn read_moved(details: &str, asked: &str) -> Option<(u16, String)> {
    let mut words = details.split_ascii_whitespace();
    let slot = words
        .next()?
        .parse()
        .ok()
        .filter(|slot| usize::from(*slot) < SLOTS)?;
    let server = words.next()?;
    match server.strip_prefix(':') {
        Some(port) => Some((slot, format!("{}:{port}", asked.rsplit_once(':')?.0))),
        None => Some((slot, server.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{ClusterKey, Kind};

    fn name(n: u32) -> Name {
        let key = ClusterKey::new("0123456789abcdef0123456789abcdef").unwrap();
        key.name(Kind::Hints, &[&n.to_be_bytes()])
    }

    #[test]
    fn independent_servers_share_evenly_and_a_new_one_takes_only_its_share() {
        let servers: Vec<String> = (1..=4).map(|n| format!("redis-{n}:6379")).collect();
        let (three, four) = (Map::rendezvous(&servers[..3]), Map::rendezvous(&servers));
        let mut counts = [0; 4];
        for n in 0..8_000 {
            let owner = four.owner(&name(n)).unwrap();
            counts[owner] += 1;
            if owner != 3 {
                assert_eq!(three.owner(&name(n)), Some(owner));
            }
        }
        assert!(
            counts.iter().all(|count| (1_800..2_200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_slot_of_a_name_is_what_the_servers_say() {
        // CRC16 XMODEM of "123456789" is 0x31c3; a name of ours can be any 42 bytes for this.
        let mut padded = [0; 42];
        padded[33..].copy_from_slice(b"123456789");
        assert_eq!(slot(&Name::read(&padded).unwrap()), 0x31c3);
    }

    #[test]
    fn what_a_node_tells_is_read() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::Nil,
            ])
        };
        let row = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let answer = Value::Array(vec![
            row(0, 99, vec![node("10.0.0.1", 1), node("10.0.0.2", 2)]),
            row(100, 16_383, vec![node("", 3)]),
        ]);
        let told = read_slots(&answer, "seed:9").unwrap();
        assert_eq!(
            told.ranges,
            [
                (0, 99, "10.0.0.1:1".into()),
                (100, 16_383, "seed:3".to_owned())
            ]
        );
        assert_eq!(told.nodes, ["10.0.0.1:1", "10.0.0.2:2", "seed:3"]);
        assert_eq!(
            read_moved("7 10.0.0.1:1", "seed:9"),
            Some((7, "10.0.0.1:1".into()))
        );
        assert_eq!(read_moved("7 :1", "seed:9"), Some((7, "seed:1".into())));
        assert_eq!(read_moved("99999 a:1", "seed:9"), None);
    }
}
