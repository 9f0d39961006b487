// @vitest-environment node
// The whole client against a server with real sockets: what a person would notice.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Fake, type FakeRoom, addMember, emptyWorld, makeRoom, say, startFake } from "../../dev/fake-server.mjs";
import { type Change, ChatClient } from "./client";
import { ME, OTHER, until } from "./testing";

const NOW = 1_700_000_000_000;

describe("client", () => {
  let fake: Fake;
  let room: FakeRoom;
  let client: ChatClient;
  let changes: Change[];

  const phases = () => changes.flatMap((change) => (change.type === "phase" ? [change.phase.kind] : []));
  const live = () => phases().at(-1) === "live";
  const seqs = () => changes.flatMap((change) => (change.type === "events" ? change.events.map((event) => event.data.seq) : []));
  const texts = () => changes.flatMap((change) => (change.type === "events" ? change.events.flatMap((event) => (event.name === "message:new" ? [event.data.message.text] : [])) : []));
  const tell = (text: string) => {
    say(room, OTHER, text);
    const last = room.log.at(-1);
    if (last) fake.publish(last);
  };
  const connect = async () => {
    // The browser would send the refresh cookie; here each renewal simply gives a token.
    const ask = (() => Promise.resolve(new Response(JSON.stringify({ accessToken: fake.tokenFor(ME), expiresIn: 600 })))) as typeof fetch;
    client = new ChatClient({ url: fake.url, fetch: ask, random: () => 0, now: () => NOW });
    changes = [];
    client.subscribe((change) => changes.push(change));
    await client.start(ME);
    await until(live, "live");
  };

  beforeEach(async () => {
    fake = await startFake({ world: emptyWorld(), replayMax: 20 });
    for (const id of [ME, OTHER]) fake.world.users.set(id, { id, displayName: id });
    room = makeRoom({ type: "public", name: "talk", createdBy: ME });
    fake.world.rooms.set(room.id, room);
    addMember(room, ME);
    addMember(room, OTHER);
    await connect();
  });
  afterEach(async () => {
    client.stop();
    await fake.close();
  });

  it("hears its rooms first and then what is said, in order", async () => {
    expect(changes.find((change) => change.type === "ready")).toBeDefined();
    for (const text of ["a", "b", "c"]) tell(text);
    await until(() => texts().length === 3);
    expect(seqs()).toEqual([3, 4, 5]);
  });

  it("fetches an event that was lost on the way before it shows the next", async () => {
    fake.faults.dropEvents = 2;
    for (const text of ["lost", "lost too", "heard"]) tell(text);
    await until(() => texts().length === 3);
    expect(texts()).toEqual(["lost", "lost too", "heard"]);
  });

  it("comes back after a cut and hears what was said meanwhile, once and in order", async () => {
    tell("before");
    await until(() => texts().length === 1);
    fake.cut();
    await until(() => phases().at(-1) === "waiting");
    for (const text of ["one", "two"]) say(room, OTHER, text);
    await until(live, "live again");
    tell("after");
    await until(() => texts().length === 4);
    expect(texts()).toEqual(["before", "one", "two", "after"]);
  });

  it("fills the gap by itself when the replay is lost", async () => {
    fake.faults.noReplay = true;
    fake.cut();
    await until(() => phases().at(-1) === "waiting");
    say(room, OTHER, "missed");
    await until(() => texts().length === 1, "missed message");
    expect(texts()).toEqual(["missed"]);
    await until(live, "caught up");
  });

  it("starts the room over when too much was missed", async () => {
    fake.cut();
    await until(() => phases().at(-1) === "waiting");
    for (let k = 0; k < 30; k++) say(room, OTHER, `night ${k}`);
    await until(() => changes.some((change) => change.type === "reset"), "reset");
    tell("morning");
    await until(() => texts().includes("morning"));
    expect(texts()).toEqual(["morning"]);
  });

  it("stores a message once although its ack was lost, and keeps the order", async () => {
    fake.faults.dropAcks = 1;
    const done: string[] = [];
    client.subscribe((change) => change.type === "delivered" && done.push(change.message.text));
    await client.send(ME, { roomId: room.id, text: "first" });
    await client.send(ME, { roomId: room.id, text: "second" });
    await until(() => fake.sends.length === 1);
    // The cut ends the wait for the ack at once; the client repeats after it reconnects.
    fake.cut();
    await until(() => done.length === 2, "both delivered");
    expect(fake.sends.map((sent) => sent.text)).toEqual(["first", "first", "second"]);
    expect(room.messages.map((one) => one.text)).toEqual(["first", "second"]);
    expect(texts()).toEqual(["first", "second"]);
  });

  it("keeps what is said without a connection and sends it when there is one", async () => {
    fake.cut();
    await until(() => phases().at(-1) === "waiting");
    for (const text of ["1", "2", "3"]) await client.send(ME, { roomId: room.id, text });
    await until(() => room.messages.length === 3);
    expect(room.messages.map((one) => one.text)).toEqual(["1", "2", "3"]);
  });

  it("renews a refused token once and connects", async () => {
    fake.tokens.clear();
    fake.cut();
    await until(() => phases().filter((kind) => kind === "live").length === 2, "live with a new token");
  });

  it("stops for good when the session was revoked, and says why", async () => {
    fake.io.emit("session:revoked", { reason: "revoked" });
    fake.io.disconnectSockets();
    await until(() => phases().at(-1) === "stopped");
    expect(changes.findLast((change) => change.type === "phase")).toMatchObject({ phase: { code: "session_revoked" } });
  });

  it("comes back when a draining server said that it should, and not later", async () => {
    fake.io.emit("server:draining", { reconnectInMs: 10 });
    fake.cut();
    await until(() => phases().filter((kind) => kind === "live").length === 2);
    const waits = changes.flatMap((change) => (change.type === "phase" && change.phase.kind === "waiting" ? [change.phase.retryAt] : []));
    expect(waits).toEqual([NOW + 10]);
  });

  it("says that the house is full and tries again", async () => {
    fake.fullHouse = true;
    fake.cut();
    await until(() => changes.some((change) => change.type === "phase" && change.phase.kind === "waiting" && change.phase.code === "too_many_connections"));
    fake.fullHouse = false;
    client.retryNow();
    await until(live);
  });
});
