import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOM, message, said } from "../client/testing";
import { room, scripted } from "./testing";

describe("read marks", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const setup = () => {
    const script = scripted([room({ headSeq: 2, headN: 2, unread: 2 })]);
    script.client.request.mockImplementation((event: string) => Promise.resolve(event === "receipt:read" ? { readN: 2, unread: 0, mentions: 0 } : { users: [] }));
    const told = () => script.client.request.mock.calls.filter(([event]) => event === "receipt:read").map((call) => (call as unknown as [string, { seq: number }])[1].seq);
    script.store.dispatch({ type: "open", roomId: ROOM });
    return { ...script, told };
  };
  const look = { type: "attentive", roomId: ROOM } as const;

  it("are told when the newest messages come after the person began to look", async () => {
    const { store, timeline, told } = setup();
    store.dispatch(look);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told()).toEqual([]);
    timeline([message(1), message(2)]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told()).toEqual([2]);
    expect(store.getState().rooms[ROOM]?.unread).toBe(0);
  });

  it("are not told of what came while the person looked elsewhere or at another room", async () => {
    const { store, timeline, told, say } = setup();
    timeline([message(1), message(2)]);
    store.dispatch({ type: "attentive", roomId: "room_2" });
    say({ type: "events", events: [said(3)] });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(told()).toEqual([]);
  });

  it("are told once for a burst, with the last of it", async () => {
    const { store, timeline, told, say } = setup();
    timeline([message(1), message(2)]);
    store.dispatch(look);
    say({ type: "events", events: [said(3), said(4), said(5)] });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(told()).toEqual([5]);
  });

  it("are told again after a connect when nobody answered", async () => {
    const { store, timeline, told, client, say } = setup();
    const good = client.request.getMockImplementation();
    let down = true;
    client.request.mockImplementation((event: string) => (event === "receipt:read" && down ? Promise.reject(new Error("no answer")) : (good?.(event) ?? Promise.resolve())));
    timeline([message(1), message(2)]);
    store.dispatch(look);
    await vi.advanceTimersByTimeAsync(1_000);
    down = false;
    say({ type: "ready", ready: { rooms: [room({ headSeq: 2, headN: 2, unread: 2 })], limits: { textChars: 4000 } } as never });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told()).toEqual([2, 2]);
  });
});
