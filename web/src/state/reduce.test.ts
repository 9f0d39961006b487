import { describe, expect, it } from "vitest";
import { ME, OTHER, ROOM, message, said } from "../client/testing";
import type { DurableEvent, Me, RoomSummary, SessionReady } from "../contract";
import { type State, initialState } from "./model";
import { type Action, reduce } from "./reduce";

const me: Me = { id: ME, displayName: "Maya", email: "maya@example.com", createdAt: "2026-01-01T00:00:00.000Z" };
const room = (change: Partial<RoomSummary> = {}): RoomSummary => ({
  id: ROOM, type: "public", name: "launch", topic: null, createdBy: ME, createdAt: "2026-01-01T00:00:00.000Z", memberCount: 2, role: "member", epoch: 1,
  headSeq: 0, headN: 0, readSeq: 0, readN: 0, unread: 0, mentions: 0, peerId: null, lastMessage: null, ...change,
});
const ready = (...rooms: RoomSummary[]): Action => ({ type: "ready", ready: { rooms, limits: { textChars: 4000 } } as unknown as SessionReady });
const events = (...list: DurableEvent[]): Action => ({ type: "events", events: list });
const run = (...actions: Action[]): State => actions.reduce((state, action) => reduce(state, action, 1_000), reduce(initialState(), { type: "signed-in", me }, 0));

describe("state", () => {
  it("counts what others say as unread and what names me as a mention", () => {
    const state = run(ready(room()), events(said(1), said(2, { mentions: [ME] })));
    expect(state.rooms[ROOM]).toMatchObject({ unread: 2, mentions: 1, headN: 2, headSeq: 2 });
  });

  it("takes my own message as a sign that I have read what was before", () => {
    const state = run(ready(room()), events(said(1), said(2, { senderId: ME })));
    expect(state.rooms[ROOM]).toMatchObject({ unread: 0, readN: 2 });
  });

  it("does not count again what the list of rooms has counted", () => {
    const state = run(ready(room({ headSeq: 2, headN: 2, readN: 0, unread: 2 })), events(said(2)));
    expect(state.rooms[ROOM]?.unread).toBe(2);
  });

  it("draws the line where reading stopped, also when the room was open before its list came", () => {
    const list = ready(room({ headN: 5, readN: 3, unread: 2 }));
    expect(run(list, { type: "open", roomId: ROOM }).open?.newAfter).toBe(3);
    expect(run({ type: "open", roomId: ROOM }, list).open?.newAfter).toBe(3);
    expect(run(ready(room()), { type: "open", roomId: ROOM }).open?.newAfter).toBeNull();
  });

  it("draws a new line for what comes while the person looks away", () => {
    const open: Action[] = [ready(room({ headN: 5, readN: 5 })), { type: "open", roomId: ROOM }, { type: "attentive", roomId: ROOM }];
    expect(run(...open, { type: "attentive", roomId: null }).open?.newAfter).toBe(5);
  });

  it("shows a room as read at once and lets the server correct it", () => {
    const read: Action = { type: "read", roomId: ROOM, readSeq: 2 };
    const shown = run(ready(room({ headSeq: 2, headN: 2, unread: 2, mentions: 1 })), read);
    expect(shown.rooms[ROOM]).toMatchObject({ unread: 0, mentions: 0 });
    const late = reduce(reduce(shown, events(said(3)), 0), { ...read, reply: { readN: 2, unread: 0, mentions: 0 } }, 0);
    expect(late.rooms[ROOM]?.unread).toBe(1);
  });

  it("never moves a read marker back", () => {
    const state = run(ready(room({ headN: 9, readN: 7, unread: 2 })), { type: "passing", event: { name: "unread:updated", data: { roomId: ROOM, readSeq: 3, readN: 3, unread: 6, mentions: 0 } } });
    expect(state.rooms[ROOM]?.readN).toBe(7);
  });

  it("forgets a room that I was removed from, and remembers why", () => {
    const state = run(ready(room()), { type: "passing", event: { name: "room:removed", data: { roomId: ROOM, reason: "banned" } } });
    expect(state.rooms[ROOM]).toBeUndefined();
    expect(state.gone[ROOM]).toBe("banned");
    expect(reduce(state, ready(room()), 0).gone[ROOM]).toBeUndefined();
  });

  it("ends a typing notice when its writer says something, stops, or falls silent", () => {
    const typing = (active: boolean): Action => ({ type: "passing", event: { name: "typing", data: { roomId: ROOM, userId: OTHER, active } } });
    const writing = run(ready(room()), typing(true));
    expect(Object.keys(writing.typing[ROOM] ?? {})).toEqual([OTHER]);
    for (const end of [events(said(1)), typing(false), { type: "typing-expired", now: 7_001 } as Action]) {
      expect(reduce(writing, end, 0).typing[ROOM]).toEqual({});
    }
  });

  it("keeps a message on the screen when its ack is faster than its event", () => {
    const open: Action[] = [ready(room()), { type: "loading", roomId: ROOM, what: "all" }, { type: "pages", roomId: ROOM, page: { messages: [], hasOlder: false, hasNewer: false }, target: null }];
    const mine = message(1, { senderId: ME });
    const acked = run(...open, { type: "delivered", message: mine });
    expect(acked.timelines[ROOM]?.messages).toHaveLength(1);
    const told = reduce(acked, events({ name: "message:new", data: { roomId: ROOM, seq: 1, message: mine } }), 0);
    expect(told.timelines[ROOM]?.messages).toHaveLength(1);
    expect(told.rooms[ROOM]?.headN).toBe(1);
  });

  it("follows who comes, goes and changes their role", () => {
    const member = (userId: string, role: "member" | "admin" = "member") => ({ userId, role, joinedAt: "2026-01-01T00:00:00.000Z", mutedUntil: null });
    const state = run(
      ready(room()),
      { type: "members", roomId: ROOM, rows: [member(ME), member(OTHER)], next: null, first: true },
      events(
        { name: "member:joined", data: { roomId: ROOM, seq: 1, member: member("usr_3") } },
        { name: "member:left", data: { roomId: ROOM, seq: 2, userId: OTHER, reason: "left" } },
        { name: "member:updated", data: { roomId: ROOM, seq: 3, userId: ME, member: member(ME, "admin") } },
      ),
    );
    expect(state.members[ROOM]?.rows.map((row) => [row.userId, row.role])).toEqual([[ME, "admin"], ["usr_3", "member"]]);
    expect(state.rooms[ROOM]).toMatchObject({ memberCount: 2, role: "admin", headSeq: 3 });
  });

  it("drops what it knew of a room's past when that is void", () => {
    const state = run(ready(room()), { type: "pages", roomId: ROOM, page: { messages: [message(1)], hasOlder: false, hasNewer: false }, target: null }, { type: "loading", roomId: ROOM, what: "none" }, { type: "reset", roomId: ROOM });
    expect(state.timelines[ROOM]).toMatchObject({ messages: [], hasNewer: true });
  });
});
