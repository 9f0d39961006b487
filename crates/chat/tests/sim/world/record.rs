//! What is written down while a world goes by: its history for the checker, what was broken, and the trace.

use history::{Content, Event, Line, Passage};
use protocol::entry::{Change, Entry};
use protocol::event::ServerEvent;
use protocol::ids::RoomId;
use protocol::room::Epoch;

use super::World;

/// Lines of trace kept.
const TRACE_MAX: usize = 4_000;

impl World {
    /// Writes an event into the history.
    pub(crate) fn record(&mut self, event: Event) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line {
                at: self.now,
                event: event.clone(),
            });
        }
        if let Some(checker) = &mut self.checker {
            checker.observe(self.now, &event);
        }
    }

    pub(crate) fn record_log(&mut self, room: RoomId, epoch: Epoch, entries: &[Entry]) {
        for entry in entries {
            let passage = match &entry.change {
                Change::Joined { member } => Some(Passage::Came(member.user_id)),
                Change::Left { user, .. } => Some(Passage::Went(*user)),
                Change::RoomDeleted => Some(Passage::Closed),
                _ => None,
            };
            let (key, body) = match &entry.change {
                Change::Said { message } => (
                    Some(entry.key),
                    Some(history::digest(message.text.as_bytes())),
                ),
                _ => (None, None),
            };
            let event = ServerEvent::of_entry(room, entry.clone());
            let payload = serde_json::to_vec(&event).unwrap();
            let content = Content {
                whole: Some(history::digest(&payload)),
                actor: Some(entry.actor),
                key,
                body,
            };
            let committed = Some(self.now);
            self.record(Event::Log {
                room,
                epoch,
                seq: entry.seq,
                content,
                passage,
                committed,
            });
        }
    }

    pub(crate) fn break_off(&mut self, what: String) {
        self.note(|_| format!("BROKEN: {what}"));
        self.broken.push(what);
    }

    pub(crate) fn note(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("{:>6} {}", self.now, text(self));
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE_MAX {
                trace.pop_front();
            }
            trace.push_back(line);
        }
    }
}
