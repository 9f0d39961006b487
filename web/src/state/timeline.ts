// One room's timeline: pages from the history merged with live events, in a window of bounded size.
// Every step may be repeated: a page, an event and both in any order end in the same messages.
import type { DurableEvent, Message } from "../contract";
import type { Timeline } from "./model";

/** Messages kept of one room: some screens in each direction. Beyond it the far side is dropped and read again when wanted. */
export const WINDOW_MAX = 600;
/** How much is dropped at once, so that not every message shifts the list. */
const TRIM_STEP = 100;

export interface Page {
  messages: Message[];
  hasOlder: boolean;
  hasNewer: boolean;
}

/** Nothing is known yet: live events pass by until the first page says where they belong. */
export function emptyTimeline(generation = 0): Timeline {
  return { messages: [], hasOlder: true, hasNewer: true, loading: "none", meanwhile: null, failed: false, generation, target: null };
}

/** Marks that a page is on its way. */
export function startLoading(timeline: Timeline, what: Timeline["loading"]): Timeline {
  return { ...timeline, loading: what, failed: false, meanwhile: timeline.meanwhile ?? [] };
}

/** The page could not be had. */
export function failLoading(timeline: Timeline): Timeline {
  return { ...timeline, loading: "none", failed: true, meanwhile: null };
}

/** Puts a page in the place of all that was there. */
export function replaceWith(timeline: Timeline, page: Page, target: number | null): Timeline {
  const fresh: Timeline = {
    messages: sorted(page.messages),
    hasOlder: page.hasOlder,
    hasNewer: page.hasNewer,
    loading: "none",
    meanwhile: null,
    failed: false,
    generation: timeline.generation + 1,
    target,
  };
  return again(fresh, timeline.meanwhile);
}

/** Adds a page before or after what is there. */
export function extend(timeline: Timeline, page: Page, side: "older" | "newer"): Timeline {
  const merged: Timeline = {
    ...timeline,
    messages: sorted([...timeline.messages, ...page.messages]),
    hasOlder: side === "older" ? page.hasOlder : timeline.hasOlder,
    hasNewer: side === "newer" ? page.hasNewer : timeline.hasNewer,
    loading: "none",
    meanwhile: null,
  };
  return trim(again(merged, timeline.meanwhile), side === "older" ? "newest" : "oldest");
}

/** Applies one event. `atEnd`: the reader sees the end, so old messages may go. */
export function applyEvent(timeline: Timeline, event: DurableEvent, atEnd = true): Timeline {
  const changed = change(timeline, event, atEnd);
  if (timeline.meanwhile === null) return changed;
  return { ...changed, meanwhile: [...timeline.meanwhile, event] };
}

function change(timeline: Timeline, event: DurableEvent, atEnd: boolean): Timeline {
  switch (event.name) {
    case "message:new": {
      if (timeline.hasNewer) return timeline;
      const { message } = event.data;
      if (has(timeline, message.seq)) return timeline;
      return trim({ ...timeline, messages: sorted([...timeline.messages, message]) }, atEnd ? "oldest" : "newest");
    }
    case "message:updated":
    case "message:deleted": {
      const { message } = event.data;
      return patch(timeline, message.id, (old) => (old.version < message.version ? { ...message, reactions: message.deletedAt ? [] : old.reactions } : old));
    }
    case "reaction:updated":
      return patch(timeline, event.data.id, (old) => react(old, event.data.emoji, event.data.userId, event.data.op === "add"));
    default:
      return timeline;
  }
}

/** The message with one person's reaction added or taken back; the same object when that changes nothing. */
export function react(message: Message, emoji: string, userId: string, add: boolean): Message {
  const held = message.reactions.find((one) => one.emoji === emoji);
  if (add === (held?.userIds.includes(userId) ?? false)) return message;
  if (!held) return { ...message, reactions: [...message.reactions, { emoji, count: 1, userIds: [userId] }] };
  const userIds = add ? [...held.userIds, userId] : held.userIds.filter((id) => id !== userId);
  const count = Math.max(userIds.length, held.count + (add ? 1 : -1));
  const next = { emoji, count, userIds };
  return { ...message, reactions: message.reactions.map((one) => (one === held ? next : one)).filter((one) => one.count > 0) };
}

function again(timeline: Timeline, events: DurableEvent[] | null): Timeline {
  return (events ?? []).reduce((at, event) => change(at, event, true), timeline);
}

function patch(timeline: Timeline, id: string, by: (message: Message) => Message): Timeline {
  const at = timeline.messages.findIndex((message) => message.id === id);
  const old = timeline.messages[at];
  if (!old) return timeline;
  const next = by(old);
  if (next === old) return timeline;
  return { ...timeline, messages: timeline.messages.with(at, next) };
}

function has(timeline: Timeline, seq: number): boolean {
  // New messages come at the end: look there first.
  for (let at = timeline.messages.length - 1; at >= 0; at--) {
    const here = timeline.messages[at]?.seq ?? 0;
    if (here <= seq) return here === seq;
  }
  return false;
}

/** By seq, each once; of two versions the newer. */
function sorted(messages: Message[]): Message[] {
  let ordered = true;
  for (let at = 1; at < messages.length && ordered; at++) ordered = (messages[at - 1]?.seq ?? 0) < (messages[at]?.seq ?? 0);
  if (ordered) return messages;
  const bySeq = new Map<number, Message>();
  for (const message of messages) {
    const held = bySeq.get(message.seq);
    if (!held || held.version <= message.version) bySeq.set(message.seq, message);
  }
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

function trim(timeline: Timeline, side: "oldest" | "newest"): Timeline {
  const { messages } = timeline;
  if (messages.length <= WINDOW_MAX + TRIM_STEP) return timeline;
  if (side === "oldest") return { ...timeline, messages: messages.slice(-WINDOW_MAX), hasOlder: true };
  return { ...timeline, messages: messages.slice(0, WINDOW_MAX), hasNewer: true };
}
