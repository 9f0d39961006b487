import { describe, expect, it } from "vitest";
import { message, said } from "../client/testing";
import type { DurableEvent } from "../contract";
import { ROOM, ME, OTHER } from "../client/testing";
import { WINDOW_MAX, applyEvent, emptyTimeline, extend, failLoading, react, replaceWith, startLoading } from "./timeline";

const seqs = (timeline: { messages: { seq: number }[] }) => timeline.messages.map((one) => one.seq);
const page = (from: number, to: number) => ({ messages: Array.from({ length: to - from + 1 }, (_, k) => message(from + k)), hasOlder: from > 1, hasNewer: false });
const loaded = (from: number, to: number) => replaceWith(emptyTimeline(), page(from, to), null);
const edited = (seq: number, version: number, text: string): DurableEvent => ({ name: "message:updated", data: { roomId: ROOM, seq: 900 + version, message: message(seq, { version, text }) } });
const reacted = (seq: number, op: "add" | "remove"): DurableEvent => ({ name: "reaction:updated", data: { roomId: ROOM, seq: 800, id: `msg_${seq}`, emoji: "👍", count: 1, userId: ME, op } });

describe("timeline", () => {
  it("lets live events pass until the first page says where they belong", () => {
    expect(seqs(applyEvent(emptyTimeline(), said(9)))).toEqual([]);
  });

  it("adds what is said at its end, once", () => {
    const timeline = [said(4), said(5), said(4)].reduce((at, event) => applyEvent(at, event), loaded(1, 3));
    expect(seqs(timeline)).toEqual([1, 2, 3, 4, 5]);
  });

  it("puts an older page before what it has", () => {
    const timeline = extend(startLoading(loaded(11, 20), "older"), page(1, 12), "older");
    expect(seqs(timeline)).toEqual(Array.from({ length: 20 }, (_, k) => k + 1));
    expect(timeline.hasOlder).toBe(false);
  });

  it("applies what came while a page was on its way to that page, which may be older", () => {
    const waiting = applyEvent(startLoading(loaded(11, 12), "older"), edited(5, 2, "better"));
    const timeline = extend(waiting, page(1, 10), "older");
    expect(timeline.messages.find((one) => one.seq === 5)?.text).toBe("better");
    expect(timeline.meanwhile).toBeNull();
  });

  it("keeps what was said while the newest page was fetched", () => {
    const waiting = applyEvent(startLoading(emptyTimeline(), "all"), said(4));
    expect(seqs(replaceWith(waiting, page(1, 3), null))).toEqual([1, 2, 3, 4]);
  });

  it("keeps live messages when a jump elsewhere fails", () => {
    const waiting = applyEvent(startLoading(loaded(1, 3), "all"), said(4));
    expect(seqs(failLoading(waiting))).toEqual([1, 2, 3, 4]);
  });

  it("never goes back to an older version", () => {
    const timeline = [edited(2, 3, "third"), edited(2, 2, "second")].reduce((at, event) => applyEvent(at, event), loaded(1, 3));
    expect(timeline.messages[1]?.text).toBe("third");
  });

  it("keeps reactions over an edit and drops them with a deletion", () => {
    const liked = applyEvent(loaded(1, 1), reacted(1, "add"));
    expect(applyEvent(liked, edited(1, 2, "x")).messages[0]?.reactions).toHaveLength(1);
    const gone: DurableEvent = { name: "message:deleted", data: { roomId: ROOM, seq: 9, id: "msg_1", message: message(1, { version: 2, text: "", deletedAt: "2026-01-01T00:00:00.000Z" }) } };
    expect(applyEvent(liked, gone).messages[0]).toMatchObject({ text: "", reactions: [] });
  });

  it("counts a reaction once however often it is told", () => {
    const twice = [reacted(1, "add"), reacted(1, "add")].reduce((at, event) => applyEvent(at, event), loaded(1, 1));
    expect(twice.messages[0]?.reactions).toEqual([{ emoji: "👍", count: 1, userIds: [ME] }]);
    const none = [reacted(1, "remove"), reacted(1, "remove")].reduce((at, event) => applyEvent(at, event), twice);
    expect(none.messages[0]?.reactions).toEqual([]);
  });

  it("keeps the order in which emoji came", () => {
    const both = react(react(message(1), "🎉", OTHER, true), "👍", ME, true);
    expect(react(both, "🎉", ME, true).reactions.map((one) => [one.emoji, one.count])).toEqual([["🎉", 2], ["👍", 1]]);
  });

  it("stays a window: while the reader sees the end the oldest go, while they read above the newest go", () => {
    let following = loaded(1, 50);
    let reading = loaded(1, 50);
    for (let seq = 51; seq <= 2_000; seq++) {
      following = applyEvent(following, said(seq), true);
      reading = applyEvent(reading, said(seq), false);
    }
    expect(following.messages.length).toBeLessThanOrEqual(WINDOW_MAX + 100);
    expect(following.messages.at(-1)?.seq).toBe(2_000);
    expect(following).toMatchObject({ hasOlder: true, hasNewer: false });
    expect(reading.messages.length).toBeLessThanOrEqual(WINDOW_MAX + 100);
    expect(reading.messages[0]?.seq).toBe(1);
    expect(reading.hasNewer).toBe(true);
  });

  it("adds nothing live to a window that ends before the newest", () => {
    const far = replaceWith(emptyTimeline(), { messages: [message(5)], hasOlder: true, hasNewer: true }, 5);
    expect(seqs(applyEvent(far, said(99)))).toEqual([5]);
  });

  it("comes to the same messages whatever order pages and events come in", () => {
    const events = [said(4), edited(2, 2, "b"), reacted(2, "add"), said(5), edited(2, 3, "c")];
    const first = events.reduce((at, event) => applyEvent(at, event), loaded(1, 3));
    for (let split = 0; split <= events.length; split++) {
      const before = events.slice(0, split).reduce((at, event) => applyEvent(at, event), startLoading(emptyTimeline(), "all"));
      const after = events.slice(split).reduce((at, event) => applyEvent(at, event), replaceWith(before, page(1, 3), null));
      expect(after.messages).toEqual(first.messages);
    }
  });
});
