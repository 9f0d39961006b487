//! Writing for another node, and having another one write: see `lane/handing.rs` for when and why.

use std::collections::BTreeMap;

use protocol::entry::Draft;
use protocol::envelope::{HandOver, SentBack};
use protocol::ids::NodeId;

use super::{Doing, Home};
use crate::{Effect, Now, Origin};

/// The numbers of hand-overs. The bus may say one twice, and late; it is taken in once, so that what is sent back is sent
/// back for good.
#[derive(Debug, Default)]
pub(super) struct Handing {
    /// Of the last one from here.
    given: u64,
    /// Of the last one from each node.
    taken: BTreeMap<NodeId, u64>,
}

impl Home {
    /// Asks a node to write these for this one.
    pub(super) fn hand(&mut self, to: NodeId, drafts: Vec<Draft>, doing: &mut Doing<'_>) {
        let (_, Some(from)) = doing.nodes else { return };
        let number = doing.ticket();
        self.busy.get_or_insert_default().handing.given = number;
        doing.out.push(Effect::Hand(Box::new(HandOver {
            to,
            from,
            number,
            room: self.room,
            drafts,
        })));
    }

    /// Another node asks this one to write for it.
    pub(crate) fn handed(&mut self, now: Now, over: HandOver, doing: &mut Doing<'_>) {
        self.used = now.mono;
        let at = self.moment(now, doing);
        let busy = self.busy.get_or_insert_default();
        let last = busy.handing.taken.entry(over.from).or_default();
        if over.number <= *last {
            return;
        }
        *last = over.number;
        let mut effects = Vec::new();
        for draft in over.drafts {
            if doing.ways.limits {
                busy.paces.charge(draft.actor, now.mono, 0);
            }
            let origin = Origin::Node(SentBack {
                to: over.from,
                number: over.number,
                room: over.room,
                actor: draft.actor,
                key: draft.key,
            });
            let times = (at, now.micros);
            busy.lane.push(draft, origin, times, &mut effects);
        }
        self.perform(now, effects, doing);
    }

    /// The writer sends a draft back.
    pub(crate) fn sent_back(&mut self, now: Now, back: SentBack, doing: &mut Doing<'_>) {
        let at = self.moment(now, doing);
        let Some(busy) = &mut self.busy else { return };
        if busy.handing.given == back.number {
            let mut effects = Vec::new();
            let draft = (back.actor, back.key);
            busy.lane.sent_back(draft, at, &mut effects);
            self.perform(now, effects, doing);
        }
    }
}
