import { beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientEvents, DurableEvent } from "../contract";
import { Feeds, type Position } from "./feeds";
import { ROOM, said, until } from "./testing";

type Reply = ClientEvents["sync"]["data"]["rooms"][string];
type StreamEvent = Reply["events"][number];

describe("feeds", () => {
  let heard: number[];
  let resets: string[];
  let asked: Position[];
  let log: DurableEvent[];
  let answer: (position: Position) => Reply;
  let feeds: Feeds;
  let caughtUp: () => void;

  beforeEach(() => {
    heard = [];
    resets = [];
    asked = [];
    log = [];
    caughtUp = vi.fn();
    answer = ({ seq }) => ({ events: log.slice(seq).map((event) => ({ event: event.name, data: event.data }) as StreamEvent), headSeq: log.length, epoch: 7, gap: false, more: false });
    feeds = new Feeds({
      apply: (events) => heard.push(...events.map((event) => event.data.seq)),
      sync: (rooms) => {
        const position = rooms[ROOM];
        if (!position) throw new Error("asked for another room");
        asked.push(position);
        return Promise.resolve({ rooms: { [ROOM]: answer(position) } });
      },
      reset: (roomId) => resets.push(roomId),
      caughtUp,
    });
    feeds.open({ id: ROOM, epoch: 7, headSeq: 0 });
  });
  const grow = (to: number) => {
    for (let seq = log.length + 1; seq <= to; seq++) log.push(said(seq));
  };

  it("hands events on in the order of their seq, whatever order they come in", async () => {
    grow(5);
    for (const seq of [1, 3, 5, 2, 4]) feeds.offer(said(seq));
    await until(() => heard.length === 5);
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it("drops twins", () => {
    for (const seq of [1, 1, 2, 1, 2]) feeds.offer(said(seq));
    expect(heard).toEqual([1, 2]);
  });

  it("fetches a gap before anything newer is shown", async () => {
    grow(4);
    feeds.offer(said(1));
    feeds.offer(said(4));
    expect(heard).toEqual([1]);
    await until(() => heard.length === 4);
    expect(heard).toEqual([1, 2, 3, 4]);
    expect(asked).toEqual([{ epoch: 7, seq: 1 }]);
  });

  it("asks for one gap once, however many events come behind it", async () => {
    grow(9);
    for (const seq of [3, 5, 7, 9]) feeds.offer(said(seq));
    await until(() => heard.length === 9);
    expect(asked).toHaveLength(1);
  });

  it("goes on asking while the server gives a gap in pages", async () => {
    grow(10);
    answer = ({ seq }) => ({ events: log.slice(seq, seq + 3).map((event) => ({ event: event.name, data: event.data }) as StreamEvent), headSeq: 10, epoch: 7, gap: false, more: seq + 3 < 10 });
    feeds.gap(ROOM, 10);
    await until(() => heard.length === 10);
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("starts a room over when more was missed than is replayed, and goes on from its head", async () => {
    answer = () => ({ events: [], headSeq: 5000, epoch: 9, gap: true, more: false });
    feeds.gap(ROOM, 5000);
    await until(() => resets.length === 1);
    feeds.offer(said(5001));
    expect(heard).toEqual([5001]);
    expect(feeds.positions()[ROOM]).toEqual({ epoch: 9, seq: 5001 });
  });

  it("starts a room over when its incarnation is another", () => {
    feeds.offer(said(1));
    feeds.ready([{ id: ROOM, epoch: 8, headSeq: 40 } as never]);
    expect(resets).toEqual([ROOM]);
    expect(feeds.positions()[ROOM]).toEqual({ epoch: 8, seq: 40 });
  });

  it("keeps its place over a reconnect and takes the replay", () => {
    feeds.offer(said(1));
    feeds.disconnected();
    feeds.ready([{ id: ROOM, epoch: 7, headSeq: 3 } as never]);
    expect(feeds.positions()[ROOM]).toEqual({ epoch: 7, seq: 1 });
    expect(caughtUp).not.toHaveBeenCalled();
    feeds.offer(said(2));
    feeds.offer(said(3));
    expect(heard).toEqual([1, 2, 3]);
    expect(caughtUp).toHaveBeenCalledOnce();
  });

  it("asks by itself when a promised replay does not come", async () => {
    vi.useFakeTimers();
    grow(3);
    feeds.ready([{ id: ROOM, epoch: 7, headSeq: 3 } as never]);
    await vi.advanceTimersByTimeAsync(2_500);
    vi.useRealTimers();
    expect(heard).toEqual([1, 2, 3]);
  });

  it("tries again after a sync that got no answer", async () => {
    vi.useFakeTimers();
    grow(2);
    const good = answer;
    answer = () => {
      throw new Error("no answer");
    };
    feeds.offer(said(2));
    await vi.advanceTimersByTimeAsync(10);
    expect(heard).toEqual([]);
    answer = good;
    await vi.advanceTimersByTimeAsync(5_000);
    vi.useRealTimers();
    expect(heard).toEqual([1, 2]);
  });

  it("hears nothing of a room that it left", () => {
    feeds.close(ROOM);
    feeds.offer(said(1));
    expect(heard).toEqual([]);
  });
});
