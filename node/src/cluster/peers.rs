//! The other nodes: those with a lease, and those whose lease has ended although they may be there.
//!
//! A node that is parted from Redis alone cannot renew its lease, and still serves its people. So the address of a node
//! that vanished from the roster stays while the node is in doubt ([`super::doubt`] asks it), and requests of its sessions
//! still find it. Only addresses: whatever else asks who is alive (presence, administrators) believes leases alone.

use std::sync::Arc;

use bus::roster::NodeCard;
use protocol::ids::NodeId;
use tokio::sync::watch;

/// Nodes in doubt that are remembered; beyond it, the latest are forgotten at once.
const DOUBTED_MAX: usize = 64;

/// What a node knows of the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    /// By number.
    alive: Arc<[NodeCard]>,
    doubted: Arc<[NodeCard]>,
}

impl Book {
    pub(super) fn doubted(&self) -> &[NodeCard] {
        &self.doubted
    }

    /// The roster lists these, by number. Who vanished is in `doubt`, if there is somebody who asks them. Whether anything
    /// is another.
    pub(super) fn list(&mut self, alive: Vec<NodeCard>, doubt: bool) -> bool {
        if *self.alive == *alive {
            return false;
        }
        let all = self.doubted.iter().chain(self.alive.iter());
        // A node that has a lease, or whose place is taken by another one, is in no doubt.
        let vanished = all.filter(|old| {
            !alive
                .iter()
                .any(|new| new.id == old.id || new.url == old.url)
        });
        let limit = if doubt { DOUBTED_MAX } else { 0 };
        self.doubted = vanished.take(limit).cloned().collect();
        self.alive = alive.into();
        true
    }

    /// A node in doubt is not there. Whether it was in doubt.
    pub(super) fn forget(&mut self, node: NodeId) -> bool {
        let before = self.doubted.len();
        let left = self.doubted.iter().filter(|card| card.id != node);
        self.doubted = left.cloned().collect();
        self.doubted.len() < before
    }

    fn url(&self, node: NodeId) -> Option<&str> {
        let listed = self.alive.binary_search_by_key(&node, |card| card.id);
        let card = match listed {
            Ok(at) => &self.alive[at],
            Err(_) => self.doubted.iter().find(|card| card.id == node)?,
        };
        Some(&card.url)
    }
}

/// The nodes that are alive, this one included, as of its last beat: a node that starts is there within 3 s, one that
/// dies is gone within 13 s. While the roster is away the last list stands, since an address that may be old is worth
/// more than none. Empty before the first beat. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct Peers(pub(super) watch::Receiver<Book>);

impl Peers {
    /// All that have a lease, by number.
    pub fn alive(&self) -> Arc<[NodeCard]> {
        self.0.borrow().alive.clone()
    }

    /// Where a node's public listener is reached: also that of a node whose lease has ended, until it is known that it
    /// does not answer.
    pub fn url(&self, node: NodeId) -> Option<String> {
        self.0.borrow().url(node).map(str::to_owned)
    }

    /// Waits until something is another; `false` when the node has ended and it never will be.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: u32, url: &str) -> NodeCard {
        NodeCard {
            id: NodeId(id),
            name: format!("node-{id}"),
            url: url.to_owned(),
            hears: true,
        }
    }

    #[test]
    fn a_node_that_vanished_is_found_until_it_is_forgotten_or_replaced() {
        let mut book = Book::default();
        assert!(book.list(vec![card(1, "a"), card(2, "b"), card(3, "c")], true));
        assert!(!book.list(vec![card(1, "a"), card(2, "b"), card(3, "c")], true));
        assert!(book.list(vec![card(1, "a")], true));
        assert_eq!(book.alive.len(), 1);
        assert_eq!(book.url(NodeId(2)), Some("b"));
        assert!(book.forget(NodeId(2)) && !book.forget(NodeId(2)));
        assert_eq!(book.url(NodeId(2)), None);
        // Another one listens there now.
        assert!(book.list(vec![card(1, "a"), card(7, "c")], true));
        assert_eq!(book.url(NodeId(3)), None);
        // It is back.
        assert!(book.list(vec![card(7, "c")], true));
        assert!(book.list(vec![card(1, "a"), card(7, "c")], true));
        assert!(book.doubted().is_empty());
    }

    #[test]
    fn where_nobody_can_ask_nobody_is_in_doubt() {
        let mut book = Book::default();
        book.list(vec![card(1, "a"), card(2, "b")], false);
        book.list(vec![card(1, "a")], false);
        assert_eq!(book.url(NodeId(2)), None);
    }
}
