import { describe, expect, it } from "vitest";
import type { OutboxEntry } from "../client";
import { ME, OTHER, ROOM, message } from "../client/testing";
import { rowsOf } from "./rows";

const at = (day: number, minute: number) => new Date(2026, 0, day, 9, minute).toISOString();
const input = { fromStart: false, pending: [] as OutboxEntry[], newAfter: null, me: ME };
const kinds = (rows: ReturnType<typeof rowsOf>) => rows.map((row) => ("head" in row ? `${row.kind}${row.head ? "*" : ""}` : row.kind));
const entry = (clientId: string): OutboxEntry => ({ roomId: ROOM, clientId, text: "x", userId: ME, order: 1, createdAt: Date.parse(at(1, 9)), state: "queued", owner: "t" });

describe("rows", () => {
  it("groups one person's messages within five minutes and begins anew with each day", () => {
    const messages = [message(1, { createdAt: at(1, 0) }), message(2, { createdAt: at(1, 4) }), message(3, { createdAt: at(1, 10) }), message(4, { createdAt: at(2, 0), senderId: ME })];
    expect(kinds(rowsOf({ ...input, messages }))).toEqual(["day", "message*", "message", "message*", "day", "message*"]);
  });

  it("gives an answer a head of its own", () => {
    const messages = [message(1, { createdAt: at(1, 0) }), message(2, { createdAt: at(1, 1), replyTo: "msg_1" })];
    expect(kinds(rowsOf({ ...input, messages }))).toEqual(["day", "message*", "message*"]);
  });

  it("draws one line before the first new message of somebody else", () => {
    const messages = [1, 2, 3, 4].map((seq) => message(seq, { createdAt: at(1, seq), senderId: seq === 3 ? ME : OTHER }));
    expect(kinds(rowsOf({ ...input, messages, newAfter: 2 }))).toEqual(["day", "message*", "message", "message*", "new", "message*"]);
  });

  it("draws no line in a window that begins after it, and draws it at the very start of a room", () => {
    const messages = [5, 6].map((seq) => message(seq, { createdAt: at(1, seq), senderId: OTHER }));
    expect(kinds(rowsOf({ ...input, messages, newAfter: 2 }))).toEqual(["day", "message*", "message"]);
    expect(kinds(rowsOf({ ...input, messages, newAfter: 4 }))).toEqual(["day", "new", "message*", "message"]);
    expect(kinds(rowsOf({ ...input, messages, newAfter: 0, fromStart: true }))).toEqual(["start", "day", "new", "message*", "message"]);
  });

  it("shows what waits at the end, and not twice when it has arrived", () => {
    const mine = message(1, { createdAt: at(1, 0), senderId: ME, clientId: "a" });
    const rows = rowsOf({ ...input, messages: [mine], pending: [entry("a"), entry("b")] });
    expect(kinds(rows)).toEqual(["day", "message*", "pending*"]);
  });

  it("keeps a row's key when a message on its way is stored", () => {
    const waiting = rowsOf({ ...input, messages: [], pending: [entry("a")] }).at(-1);
    const stored = rowsOf({ ...input, messages: [message(1, { senderId: ME, clientId: "a" })] }).at(-1);
    expect(waiting?.key).toBe(stored?.key);
  });

  it("gives an unchanged message the same row, so that it is not drawn again", () => {
    const messages = [message(1), message(2)];
    const [before, after] = [rowsOf({ ...input, messages }), rowsOf({ ...input, messages: [...messages, message(3)] })];
    expect(after.at(1)).toBe(before.at(1));
    expect(after.at(2)).toBe(before.at(2));
  });

  it("has no key twice although clocks of two servers differ around midnight", () => {
    const messages = [message(1, { createdAt: at(1, 0) }), message(2, { createdAt: at(2, 0) }), message(3, { createdAt: at(1, 1) }), message(4, { createdAt: at(2, 1) })];
    const keys = rowsOf({ ...input, messages }).map((row) => row.key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
