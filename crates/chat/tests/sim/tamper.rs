//! How each planted bug is done to what passes between the machine and the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::{AppendFailed, Input, Notice, Passage, StoreAnswer, StoreQuestion};
use protocol::entry::{Entry, Hint};
use protocol::event::client::Cursor;
use protocol::frame::Frame;
use protocol::ids::{ClientId, RoomId, UserId};
use protocol::room::Member;

use super::bugs::Bug;
use super::wire::Site;
use super::world::World;

/// What planted bugs remember.
#[derive(Default)]
pub(crate) struct Tampered {
    members: BTreeMap<RoomId, Vec<Member>>,
    /// The last batch of each node and room.
    batches: BTreeMap<(usize, RoomId), Arc<[Entry]>>,
    /// The keys that were last looked up.
    sought: BTreeMap<(usize, RoomId), Vec<(UserId, ClientId)>>,
}

impl World {
    pub(crate) fn tamper_input(&self, input: Input) -> Input {
        match input {
            Input::Connected {
                conn,
                who,
                mut cursors,
            } if self.plan.bug.is_some() => {
                for (_, cursor) in &mut cursors {
                    match *cursor {
                        Cursor::Exact { seq, .. } if self.has(Bug::EpochIgnored) => {
                            *cursor = Cursor::Seq(seq)
                        }
                        Cursor::Exact { seq, epoch } if self.has(Bug::ResumeOffByOne) => {
                            *cursor = Cursor::Exact {
                                seq: seq + 1,
                                epoch,
                            };
                        }
                        _ => {}
                    }
                }
                if self.has(Bug::ResumeForgotten) {
                    cursors.clear();
                }
                Input::Connected { conn, who, cursors }
            }
            other => other,
        }
    }

    pub(super) fn tamper_notice(&mut self, notice: Notice) -> Notice {
        let blind = |turns: Arc<[chat::Turn]>| -> Arc<[chat::Turn]> {
            turns
                .iter()
                .map(|turn| chat::Turn {
                    passage: Passage::None,
                    ..turn.clone()
                })
                .collect()
        };
        match notice {
            Notice::Live { room, epoch, turns } if self.has(Bug::RemovedStillHears) => {
                Notice::Live {
                    room,
                    epoch,
                    turns: blind(turns),
                }
            }
            Notice::Page { room, conn, turns } if self.has(Bug::RemovedStillHears) => {
                Notice::Page {
                    room,
                    conn,
                    turns: blind(turns),
                }
            }
            other => other,
        }
    }

    pub(super) fn tamper_question(
        &mut self,
        site: Site,
        room: RoomId,
        ticket: u64,
        question: &StoreQuestion,
    ) {
        if let StoreQuestion::Lookup { keys } = question {
            self.tampered.sought.insert((site.node, room), keys.clone());
        }
        let StoreQuestion::Append { epoch, entries } = question else {
            return;
        };
        self.tampered
            .batches
            .insert((site.node, room), entries.clone());
        if self.has(Bug::AckBeforeCommit) {
            self.answer((site, ticket), room, 0, StoreAnswer::Appended(Ok(())));
        }
        if self.has(Bug::HintBeforeCommit)
            && let Some(last) = entries.last()
        {
            let head = protocol::room::Head {
                epoch: *epoch,
                seq: last.seq,
                n: last.n,
            };
            self.publish(
                site,
                Hint {
                    room,
                    head,
                    entries: entries.to_vec(),
                },
            );
        }
    }

    pub(super) fn tamper_answer(
        &mut self,
        site: Site,
        room: RoomId,
        mut answer: StoreAnswer,
    ) -> StoreAnswer {
        match &mut answer {
            StoreAnswer::Appended(result) => match result {
                Err(AppendFailed::Conflict) if self.has(Bug::AckOnConflict) => *result = Ok(()),
                Err(AppendFailed::Unknown) if self.has(Bug::AckOnUnknown) => *result = Ok(()),
                _ => {}
            },
            StoreAnswer::Opened(Ok(Some(opened))) if self.has(Bug::MembershipCached) => {
                opened.members = self
                    .tampered
                    .members
                    .entry(room)
                    .or_insert_with(|| opened.members.clone())
                    .clone();
            }
            StoreAnswer::LookedUp(Ok((_, found))) => {
                let at = (site.node, room);
                let batch = self.tampered.batches.get(&at).cloned().unwrap_or_default();
                let sought = self.tampered.sought.remove(&at).unwrap_or_default();
                for (found, key) in found.iter_mut().zip(sought) {
                    let mine = batch.iter().find(|entry| (entry.actor, entry.key) == key);
                    match (found.as_mut(), mine) {
                        (None, Some(mine)) if self.has(Bug::DedupeWithoutSender) => {
                            *found = self.by_name_alone(room, mine);
                        }
                        (Some(entry), Some(mine)) if self.has(Bug::NoLookupOfBody) => {
                            entry.digest = mine.digest;
                        }
                        (Some(_), None) if self.has(Bug::RefusedUnread) => *found = None,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        answer
    }

    pub(super) fn tamper_frame(&mut self, frame: Frame) -> Frame {
        if self.has(Bug::UnknownAsFailed) && frame.text().contains("\"outcome_unknown\"") {
            return Frame::packet(
                &frame
                    .text()
                    .replace("\"outcome_unknown\"", "\"unavailable\""),
            );
        }
        frame
    }

    /// Somebody else's entry that a lookup by name alone would find.
    pub(super) fn by_name_alone(&self, room: RoomId, asked: &Entry) -> Option<Entry> {
        let mut log = self.store.rooms.get(&room)?.committed();
        log.find(|entry| entry.key == asked.key && entry.actor != asked.actor)
            .cloned()
    }
}
