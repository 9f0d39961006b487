//! Which of our processes is at the other end of a connection on this machine. Every client of a Redis Cluster is told the
//! same addresses, so one listener serves them all; to part some of them from it a proxy must know who connects.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The processes that are told apart, by name. Clones share it; a restarted process is entered again.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<Mutex<BTreeMap<String, u32>>>);

impl Origins {
    /// Enters a process, or its newest incarnation.
    pub fn enter(&self, name: &str, pid: u32) {
        self.known().insert(name.to_owned(), pid);
    }

    /// The name of the process that holds the socket with this local address; none for a stranger. Reads `/proc`: a
    /// millisecond for some processes with some hundred files each, once for a connection.
    pub fn name_of(&self, peer: SocketAddr) -> Option<String> {
        let socket = format!("socket:[{}]", inode_of(peer)?);
        let known = self.known().clone();
        known
            .into_iter()
            .find_map(|(name, pid)| holds(pid, &socket).then_some(name))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inode of the IPv4 socket that is bound to `local`.
fn inode_of(local: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(local) = local else {
        return None;
    };
    // As the kernel prints it: the address as one number of this machine's byte order.
    let address = u32::from_ne_bytes(local.ip().octets());
    let wanted = format!("{address:08X}:{:04X}", local.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let ours = fields.nth(1)? == wanted;
        let inode = fields.nth(7)?.parse().ok()?;
        // A closing socket has none.
        (ours && inode != 0).then_some(inode)
    })
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.as_os_str() == socket)
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
