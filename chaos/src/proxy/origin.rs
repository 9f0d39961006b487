//! Which of our processes is at the other end of a connection on this machine. Every client of a Redis Cluster is told the
//! same addresses, so one listener serves them all; to part some of them from it a proxy must know who connects.
//!
//! A look reads all of `/proc/net/tcp`, which on a machine with tens of thousands of sockets takes a good part of a second.
//! So one look answers everybody who asked before it began: a fault that concerns fifty connections costs two looks.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The processes that are told apart, by name. Clones share it; a restarted process is entered again.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<BTreeMap<String, u32>>,
    look: Mutex<Look>,
}

/// What the latest look has found: the name of the process behind each local address that one of ours holds.
#[derive(Debug, Default)]
struct Look {
    began: Option<Instant>,
    names: HashMap<SocketAddr, String>,
}

impl Origins {
    /// Enters a process, or its newest incarnation.
    pub fn enter(&self, name: &str, pid: u32) {
        locked(&self.0.known).insert(name.to_owned(), pid);
    }

    /// The name of the process that holds the socket with this local address; none for a stranger. Reads `/proc`, or waits
    /// for somebody who does.
    pub fn name_of(&self, peer: SocketAddr) -> Option<String> {
        let asked = Instant::now();
        let mut look = locked(&self.0.look);
        if look.began.is_none_or(|began| began < asked) {
            look.began = Some(Instant::now());
            look.names = names(&locked(&self.0.known).clone());
        }
        look.names.get(&peer).cloned()
    }

    /// Until this is dropped, nobody is told who calls.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Sized {
        locked(&self.0.look)
    }
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The IPv4 sockets of these processes, by their local address.
fn names(known: &BTreeMap<String, u32>) -> HashMap<SocketAddr, String> {
    let mut holders = HashMap::new();
    for (name, pid) in known {
        holders.extend(sockets_of(*pid).map(|inode| (inode, name)));
    }
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let named = table.lines().skip(1).filter_map(|line| {
        let (local, inode) = row(line)?;
        holders.get(&inode).map(|name| (local, (*name).clone()))
    });
    named.collect()
}

/// Inodes of the sockets that a process has open.
fn sockets_of(pid: u32) -> impl Iterator<Item = u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    files.into_iter().flatten().flatten().filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?;
        inode.strip_suffix(']')?.parse().ok()
    })
}

/// The local address and the inode of a row of `/proc/net/tcp`; none for a socket that nobody holds any more.
fn row(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    let inode: u64 = fields.nth(7)?.parse().ok()?;
    // The kernel prints the address as one number of this machine's byte order.
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    let local = SocketAddr::from((Ipv4Addr::from(address), u16::from_str_radix(port, 16).ok()?));
    (inode != 0).then_some((local, inode))
}

#[cfg(test)]
mod tests {
    use super::Origins;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_is_told_by_the_process_that_made_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let origins = Origins::default();
        assert_eq!(origins.name_of(stream.local_addr().unwrap()), None);
        origins.enter("init", 1);
        origins.enter("we", std::process::id());
        assert_eq!(
            origins.name_of(stream.local_addr().unwrap()).as_deref(),
            Some("we")
        );
    }
}
