import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Message, Problem, SendMessage } from "../contract";
import { Outbox, type OutboxEntry, type OutboxStore } from "./outbox";
import { inMemory, openOutboxStore } from "./outbox-store";
import { NoAnswer, ProblemError } from "./problem";
import { ME, ROOM, message, until } from "./testing";

const refusal = (code: string, retryAfter?: number) => new ProblemError({ type: "", title: "", status: 400, detail: "", code: code as Problem["code"], retryAfter });

describe("outbox", () => {
  let tries: SendMessage[];
  let stored: string[];
  let entries: OutboxEntry[];
  let store: OutboxStore;
  let reply: (sent: SendMessage) => Promise<Message>;
  let ids: number;

  const make = (owner = "tab-1") =>
    new Outbox(owner, {
      store,
      send: (sent) => {
        tries.push(sent);
        return reply(sent);
      },
      delivered: (one) => stored.push(one.text),
      changed: (now) => (entries = now),
      newId: () => `id-${++ids}`,
      now: () => 1000,
      random: () => 0,
    });
  const say = (outbox: Outbox, text: string, roomId = ROOM) => outbox.add(ME, { roomId, text });

  beforeEach(() => {
    tries = [];
    stored = [];
    entries = [];
    ids = 0;
    store = inMemory();
    reply = (sent) => Promise.resolve(message(tries.length, { text: sent.text, clientId: sent.clientId }));
  });

  it("sends what was said before the connection came, in the order in which it was said", async () => {
    const outbox = make();
    for (const text of ["one", "two", "three"]) await say(outbox, text);
    expect(tries).toEqual([]);
    outbox.setOpen(true);
    await until(() => stored.length === 3);
    expect(stored).toEqual(["one", "two", "three"]);
    expect(entries).toEqual([]);
  });

  it("has one message of a room on its way, never two", async () => {
    const outbox = make();
    let release: (message: Message) => void = () => undefined;
    reply = () => new Promise((resolve) => (release = resolve));
    outbox.setOpen(true);
    await say(outbox, "one");
    await say(outbox, "two");
    expect(tries.map((one) => one.text)).toEqual(["one"]);
    release(message(1, { text: "one" }));
    await until(() => tries.length === 2);
    expect(tries[1]?.text).toBe("two");
  });

  it("does not let one room wait for another", async () => {
    const outbox = make();
    reply = () => new Promise(() => undefined);
    outbox.setOpen(true);
    await say(outbox, "here");
    await say(outbox, "there", "room_2");
    expect(tries.map((one) => one.text)).toEqual(["here", "there"]);
  });

  it.each<[string, Error]>([
    ["no answer came", new NoAnswer("ack")],
    ["the server is busy", refusal("unavailable", 1)],
    ["the outcome is unknown", refusal("outcome_unknown", 1)],
    ["it was too fast", refusal("rate_limited", 1)],
  ])("repeats under the same clientId when %s, and keeps the order", async (_, failure) => {
    const outbox = make();
    const good = reply;
    reply = (sent) => (tries.length < 3 ? Promise.reject(failure) : good(sent));
    outbox.setOpen(true);
    await say(outbox, "one");
    await say(outbox, "two");
    await until(() => stored.length === 2);
    expect(tries.map((one) => one.clientId)).toEqual(["id-1", "id-1", "id-1", "id-2"]);
    expect(stored).toEqual(["one", "two"]);
  });

  it("marks a refused message, goes on with the next, and sends it again when asked", async () => {
    const outbox = make();
    const good = reply;
    reply = (sent) => (sent.text === "bad" && tries.length < 2 ? Promise.reject(refusal("muted")) : good(sent));
    outbox.setOpen(true);
    await say(outbox, "bad");
    await say(outbox, "good");
    await until(() => stored.length === 1);
    expect(entries).toMatchObject([{ text: "bad", state: "failed", code: "muted" }]);
    await outbox.retry("id-1");
    await until(() => stored.length === 2);
    expect(stored).toEqual(["good", "bad"]);
  });

  it("takes a new id when the old one stands for another text", async () => {
    const outbox = make();
    const good = reply;
    reply = (sent) => (sent.clientId === "id-1" ? Promise.reject(refusal("client_id_conflict")) : good(sent));
    outbox.setOpen(true);
    await say(outbox, "hello");
    await until(() => entries[0]?.state === "failed");
    await outbox.retry("id-1");
    await until(() => stored.length === 1);
    expect(tries.at(-1)?.clientId).toBe("id-2");
  });

  it("discards only what has failed", async () => {
    const outbox = make();
    reply = () => Promise.reject(refusal("muted"));
    await say(outbox, "waiting");
    await outbox.discard("id-1");
    expect(entries).toHaveLength(1);
    outbox.setOpen(true);
    await until(() => entries[0]?.state === "failed");
    await outbox.discard("id-1");
    expect(entries).toEqual([]);
    expect(await store.all(ME)).toEqual([]);
  });

  it("survives a reload: the next page sends the same messages under the same ids", async () => {
    store = await openOutboxStore("reload");
    const before = make();
    await say(before, "one");
    await say(before, "two");
    const after = make("tab-2");
    await after.load(ME, () => false);
    after.setOpen(true);
    await until(() => stored.length === 2);
    expect(tries.map((one) => [one.clientId, one.text])).toEqual([["id-1", "one"], ["id-2", "two"]]);
    await vi.waitFor(async () => expect(await store.all(ME)).toEqual([]));
  });

  it("leaves alone what another living tab is sending", async () => {
    await say(make("tab-1"), "theirs");
    const outbox = make("tab-2");
    await outbox.load(ME, (tab) => tab === "tab-1");
    expect(entries).toEqual([]);
  });

  it("stops with the connection and goes on with the next one at once", async () => {
    const outbox = make();
    const good = reply;
    let down = true;
    reply = (sent) => (down ? Promise.reject(new NoAnswer("gone")) : good(sent));
    outbox.setOpen(true);
    await say(outbox, "one");
    await until(() => tries.length === 1);
    outbox.setOpen(false);
    down = false;
    outbox.setOpen(true);
    await until(() => stored.length === 1);
    expect(tries).toHaveLength(2);
  });
});
