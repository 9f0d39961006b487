// From what happened to what is shown. Pure: the same state and action give the same state, whoever asks.
import type { Change } from "../client";
import type { ClientEvents, DurableEvent, LeaveReason, Me, Member, Message, PassingEvent, Presence, RoomSummary, User } from "../contract";
import { type Draft, type State, type Timeline, initialState } from "./model";
import { type Page, applyEvent, emptyTimeline, extend, failLoading, replaceWith, startLoading } from "./timeline";

/** What a person or a reply did. */
export type Action =
  | Change
  | { type: "signed-in"; me: Me }
  | { type: "signed-out" }
  | { type: "me"; me: Me }
  | { type: "users"; users: User[] }
  | { type: "open"; roomId: string | null }
  | { type: "attentive"; roomId: string | null }
  | { type: "draft"; roomId: string; draft: Draft | null }
  | { type: "drafts"; drafts: Record<string, Draft> }
  | { type: "loading"; roomId: string; what: Timeline["loading"] }
  | { type: "load-failed"; roomId: string }
  | { type: "page"; roomId: string; page: Page; side: "older" | "newer" }
  | { type: "pages"; roomId: string; page: Page; target: number | null }
  | { type: "quote"; id: string; message: Message | null }
  | { type: "read"; roomId: string; readSeq: number; reply?: ClientEvents["receipt:read"]["data"] }
  | { type: "room"; room: RoomSummary }
  | { type: "room-gone"; roomId: string; reason: LeaveReason }
  | { type: "members-loading"; roomId: string }
  | { type: "members"; roomId: string; rows: Member[]; next: string | null; first: boolean }
  | { type: "members-failed"; roomId: string }
  | { type: "presence"; users: Presence[] }
  | { type: "typing-expired"; now: number };

/** How long a typing notice lives without a new one. */
const TYPING_MS = 6_000;

export function reduce(state: State, action: Action, now: number): State {
  switch (action.type) {
    case "signed-in":
      return { ...initialState(), me: action.me, users: { [action.me.id]: action.me }, drafts: state.drafts };
    case "signed-out":
      return { ...initialState(), phase: state.phase };
    case "me":
      return { ...state, me: action.me, users: { ...state.users, [action.me.id]: action.me } };
    case "users":
      return { ...state, users: { ...state.users, ...Object.fromEntries(action.users.map((user) => [user.id, user])) } };
    case "phase":
      return { ...state, phase: action.phase };
    case "ready":
      return ready(state, action.ready.rooms, action.ready.limits.textChars);
    case "events":
      return action.events.reduce((at, event) => durable(at, event), state);
    case "passing":
      return passing(state, action.event, now);
    case "reset":
      return withTimeline(state, action.roomId, (timeline) => emptyTimeline(timeline.generation + 1));
    case "outbox":
      return { ...state, outbox: action.entries };
    case "delivered":
      return delivered(state, action.message);
    case "open":
      return open(state, action.roomId);
    case "attentive":
      return attentive(state, action.roomId);
    case "draft": {
      const { [action.roomId]: _, ...others } = state.drafts;
      return { ...state, drafts: action.draft ? { ...others, [action.roomId]: action.draft } : others };
    }
    case "drafts":
      return { ...state, drafts: action.drafts };
    case "loading": {
      const timeline = state.timelines[action.roomId] ?? emptyTimeline();
      return { ...state, timelines: { ...state.timelines, [action.roomId]: startLoading(timeline, action.what) } };
    }
    case "load-failed":
      return withTimeline(state, action.roomId, failLoading);
    case "page":
      return withTimeline(state, action.roomId, (timeline) => extend(timeline, action.page, action.side));
    case "pages":
      return withTimeline(state, action.roomId, (timeline) => replaceWith(timeline, action.page, action.target));
    case "quote":
      return { ...state, quotes: { ...state.quotes, [action.id]: action.message } };
    case "read":
      return read(state, action);
    case "room":
      return { ...state, rooms: { ...state.rooms, [action.room.id]: action.room }, gone: without(state.gone, action.room.id) };
    case "room-gone":
      return roomGone(state, action.roomId, action.reason);
    case "members-loading": {
      const list = state.members[action.roomId] ?? { rows: [], next: null, state: "loading" };
      return { ...state, members: { ...state.members, [action.roomId]: { ...list, state: "loading" } } };
    }
    case "members": {
      const before = action.first ? [] : (state.members[action.roomId]?.rows ?? []);
      const known = new Set(before.map((row) => row.userId));
      const rows = [...before, ...action.rows.filter((row) => !known.has(row.userId))];
      return { ...state, members: { ...state.members, [action.roomId]: { rows, next: action.next, state: "ready" } } };
    }
    case "members-failed": {
      const list = state.members[action.roomId] ?? { rows: [], next: null, state: "failed" };
      return { ...state, members: { ...state.members, [action.roomId]: { ...list, state: "failed" } } };
    }
    case "presence":
      return presence(state, action.users);
    case "typing-expired":
      return expireTyping(state, action.now);
  }
}

function ready(state: State, rooms: RoomSummary[], textChars: number): State {
  const present = new Set(rooms.map((room) => room.id));
  const gone = { ...state.gone };
  for (const id of Object.keys(state.rooms)) if (!present.has(id)) gone[id] = "removed";
  for (const id of present) Reflect.deleteProperty(gone, id);
  const next = { ...state, ready: true, textChars, rooms: Object.fromEntries(rooms.map((room) => [room.id, room])), gone, typing: {} };
  // A room that was open before its list came: only now is it known what was new in it.
  return state.open && !state.rooms[state.open.roomId] ? open(next, state.open.roomId) : next;
}

function durable(state: State, event: DurableEvent): State {
  const { roomId, seq } = event.data;
  const room = state.rooms[roomId];
  if (!room) return state;
  const atEnd = state.open?.roomId !== roomId || state.attentive === roomId;
  const next = withTimeline(state, roomId, (timeline) => applyEvent(timeline, event, atEnd));
  const here = next.rooms[roomId] ?? room;
  const headSeq = Math.max(here.headSeq, seq);
  const put = (change: Partial<RoomSummary>): State => ({ ...next, rooms: { ...next.rooms, [roomId]: { ...here, headSeq, ...change } } });
  switch (event.name) {
    case "message:new": {
      const { message } = event.data;
      const said = put(arrival(here, message, state.me?.id));
      return stopTyping(said, roomId, message.senderId);
    }
    case "message:updated":
    case "message:deleted": {
      const { message } = event.data;
      const quotes = next.quotes[message.id] ? { ...next.quotes, [message.id]: message } : next.quotes;
      return { ...put(here.lastMessage?.id === message.id ? { lastMessage: message } : {}), quotes };
    }
    case "room:updated":
      return put({ ...event.data.room });
    case "room:deleted":
      return roomGone(next, roomId, "deleted");
    case "member:joined": {
      const counted = put({ memberCount: here.memberCount + 1 });
      return withMembers(counted, roomId, (rows) => [...rows.filter((row) => row.userId !== event.data.member.userId), event.data.member]);
    }
    case "member:left": {
      if (event.data.userId === state.me?.id) return roomGone(next, roomId, event.data.reason);
      const counted = put({ memberCount: Math.max(1, here.memberCount - 1) });
      return withMembers(counted, roomId, (rows) => rows.filter((row) => row.userId !== event.data.userId));
    }
    case "member:updated": {
      const { member } = event.data;
      const mine = member && member.userId === state.me?.id ? { role: member.role } : {};
      return member ? withMembers(put(mine), roomId, (rows) => rows.map((row) => (row.userId === member.userId ? member : row))) : put({});
    }
    case "reaction:updated":
      return put({});
  }
}

/** A message that `session:ready` counted already must not be counted again. */
function arrival(room: RoomSummary, message: Message, me: string | undefined): Partial<RoomSummary> {
  if (message.n <= room.headN) return {};
  const mine = message.senderId === me;
  const readN = mine ? message.n : room.readN;
  const readSeq = mine ? message.seq : room.readSeq;
  const named = !mine && me !== undefined && message.mentions.includes(me) ? 1 : 0;
  return {
    headN: message.n, lastMessage: message, readN, readSeq, unread: message.n - readN, mentions: mine ? 0 : room.mentions + named,
  };
}

function passing(state: State, event: PassingEvent, now: number): State {
  switch (event.name) {
    case "receipt:updated": {
      const { roomId, userId, readN } = event.data;
      const room = state.receipts[roomId] ?? {};
      if ((room[userId] ?? 0) >= readN) return state;
      return { ...state, receipts: { ...state.receipts, [roomId]: { ...room, [userId]: readN } } };
    }
    case "unread:updated": {
      const { roomId, readSeq, readN, unread, mentions } = event.data;
      const room = state.rooms[roomId];
      if (!room || readN < room.readN) return state;
      return { ...state, rooms: { ...state.rooms, [roomId]: { ...room, readSeq, readN, unread, mentions } } };
    }
    case "room:added": {
      const { room } = event.data;
      return { ...state, rooms: { ...state.rooms, [room.id]: room }, gone: without(state.gone, room.id) };
    }
    case "room:removed":
      return roomGone(state, event.data.roomId, event.data.reason);
    case "typing": {
      const { roomId, userId, active } = event.data;
      if (!active || userId === state.me?.id) return stopTyping(state, roomId, userId);
      return { ...state, typing: { ...state.typing, [roomId]: { ...state.typing[roomId], [userId]: now + TYPING_MS } } };
    }
    case "presence:changed":
      return presence(state, event.data.users);
  }
}

/** The ack came before the event (or instead of a lost one): what the outbox lets go must not vanish from the screen. */
function delivered(state: State, message: Message): State {
  return withTimeline(state, message.roomId, (timeline) => applyEvent(timeline, { name: "message:new", data: { roomId: message.roomId, seq: message.seq, message } }));
}

function open(state: State, roomId: string | null): State {
  if (roomId === null) return { ...state, open: null };
  const room = state.rooms[roomId];
  return { ...state, open: { roomId, newAfter: room && room.unread > 0 ? room.readN : null } };
}

function attentive(state: State, now: string | null): State {
  if (now === state.attentive) return state;
  const room = state.open ? state.rooms[state.open.roomId] : undefined;
  // Looking away: what comes from here on is new when the person looks again.
  if (now === null && state.open && state.attentive === state.open.roomId && room && room.unread === 0) return { ...state, attentive: now, open: { ...state.open, newAfter: room.headN } };
  return { ...state, attentive: now };
}

function read(state: State, action: Extract<Action, { type: "read" }>): State {
  const room = state.rooms[action.roomId];
  if (!room) return state;
  const { reply } = action;
  if (reply && reply.readN < room.readN) return state;
  // Before the reply: the person has seen the end, so nothing is unread. The reply corrects what came meanwhile.
  const next = reply ?? { readN: room.headN, unread: 0, mentions: 0 };
  const unread = reply ? Math.max(0, room.headN - reply.readN) : next.unread;
  return { ...state, rooms: { ...state.rooms, [room.id]: { ...room, readSeq: Math.max(room.readSeq, action.readSeq), readN: next.readN, unread, mentions: next.mentions } } };
}

function roomGone(state: State, roomId: string, reason: LeaveReason): State {
  return {
    ...state,
    rooms: without(state.rooms, roomId),
    timelines: without(state.timelines, roomId),
    members: without(state.members, roomId),
    gone: { ...state.gone, [roomId]: reason },
  };
}

function presence(state: State, users: Presence[]): State {
  return { ...state, presence: { ...state.presence, ...Object.fromEntries(users.map((one) => [one.userId, one])) } };
}

function stopTyping(state: State, roomId: string, userId: string): State {
  const room = state.typing[roomId];
  return room && userId in room ? { ...state, typing: { ...state.typing, [roomId]: without(room, userId) } } : state;
}

function expireTyping(state: State, now: number): State {
  let next = state;
  for (const [roomId, people] of Object.entries(state.typing)) {
    for (const [userId, until] of Object.entries(people)) if (until <= now) next = stopTyping(next, roomId, userId);
  }
  return next;
}

function withTimeline(state: State, roomId: string, by: (timeline: Timeline) => Timeline): State {
  const timeline = state.timelines[roomId];
  if (!timeline) return state;
  const next = by(timeline);
  return next === timeline ? state : { ...state, timelines: { ...state.timelines, [roomId]: next } };
}

function withMembers(state: State, roomId: string, by: (rows: Member[]) => Member[]): State {
  const list = state.members[roomId];
  return list ? { ...state, members: { ...state.members, [roomId]: { ...list, rows: by(list.rows) } } } : state;
}

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}
