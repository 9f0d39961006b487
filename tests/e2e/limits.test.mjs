// Who takes too much is told so by name, or cut; nobody else notices.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Member } from "./lib/member.mjs";
import { openRaw } from "./lib/raw.mjs";
import { Server, freshFolder, seed } from "./lib/server.mjs";
import { until, within } from "./lib/wait.mjs";

test("a slow reader is cut, its neighbours hear everything, and it catches up when it comes back", async (t) => {
  const data = freshFolder(t);
  const people = await seed(data, { users: 3, rooms: 1, members: 3 });
  const server = await Server.start(t, { data, args: ["--limits", "off"] });
  const [room] = people[0].rooms;
  const [writer, neighbour] = await Promise.all(people.slice(0, 2).map((person) => Member.join(t, server, person)));
  const slow = await openRaw(t, server, people[2].token);
  await within(slow.hears("session:ready"), "the slow reader to be let in");
  slow.pause();

  // More than the kernel's buffers and the outbox take together.
  const cut = async () => /chatify_\w*slow\w*(\{[^}]*\})? [1-9]/.test(await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text());
  const text = "🦀".repeat(4_000);
  let sent = 0;
  const lane = async () => {
    while (sent < 900 && (sent % 50 !== 0 || !(await cut()))) {
      sent += 1;
      await writer.send(room, text);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const last = (await writer.send(room, "the end")).message.seq;
  await neighbour.reaches(room, last);
  assert.deepEqual([neighbour.breaks, neighbour.goodbyes, writer.goodbyes], [[], [], []]);
  slow.resume();
  await within(slow.closed, "the slow reader to be cut");
  assert.ok(slow.messages < sent, `it was given ${slow.messages} of ${sent}`);

  const again = await Member.join(t, server, { ...people[2], resume: false });
  const caughtUp = await again.ask("sync", { rooms: { [room]: last - 3 } });
  assert.deepEqual(caughtUp.rooms[room].events.map((one) => one.data.seq), [last - 2, last - 1, last]);
});

test("a user has twenty connections; the next is refused by name until one is closed", async (t) => {
  const data = freshFolder(t);
  const [person, other] = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data });
  const way = { transports: ["websocket"] };
  const members = await Promise.all(Array.from({ length: 20 }, () => Member.join(t, server, { ...person, way })));
  const refused = new Member(t, server, { ...person, way });
  const problem = await until(() => refused.refusals[0], "the refusal");
  assert.equal(problem.code, "too_many_connections");
  assert.equal(problem.status, 429);
  assert.equal(refused.socket.active, false, "a connect error ends the client's own retries");
  await Member.join(t, server, { ...other, way });
  members[0].close();
  // The server may hear of the close a moment later.
  await until(async () => {
    if (!refused.socket.active) refused.socket.connect();
    return refused.hello;
  }, "the place of the closed one");
  assert.deepEqual(members.slice(1).flatMap((member) => member.goodbyes), []);
});

test("who sends too fast is told how long to wait, and then may send again", async (t) => {
  const data = freshFolder(t);
  const people = await seed(data, { users: 2, rooms: 2, members: 2 });
  const server = await Server.start(t, { data });
  const [hasty, calm] = await Promise.all(people.map((person) => Member.join(t, server, person)));
  const [room, elsewhere] = people[0].rooms;
  const send = () => hasty.socket.timeout(10_000).emitWithAck("message:send", { roomId: room, clientId: randomUUID(), text: "quick" });
  const acks = await Promise.all(Array.from({ length: 30 }, send));
  const refused = acks.filter((ack) => !ack.ok).map((ack) => ack.error);
  assert.ok(acks.length - refused.length >= 20, `a burst of 20 passes: ${acks.length - refused.length}`);
  assert.ok(refused.length > 0, "30 at once are too many");
  for (const problem of refused) {
    assert.equal(problem.code, "rate_limited");
    assert.ok(problem.retryAfter > 0 && problem.retryAfter <= 10_000, JSON.stringify(problem));
  }
  // Another room and another person have their own measure; and whoever waits as told gets through.
  assert.equal((await hasty.send(elsewhere, "here too")).duplicate, false);
  await calm.send(room, "calm");
  assert.equal((await hasty.send(room, "patient")).duplicate, false);

  const reply = await server.call("POST", `/v1/rooms/${elsewhere}/messages`, { token: people[0].token, body: { clientId: randomUUID(), text: "by REST" } });
  assert.equal(reply.status, 201);
  assert.ok(reply.headers.get("ratelimit") && reply.headers.get("ratelimit-policy"), "RateLimit headers");
});

test("an oversized frame and broken framing end only the connection that sent them", async (t) => {
  const data = freshFolder(t);
  const people = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data });
  const [room] = people[0].rooms;
  const calm = await Member.join(t, server, people[0]);
  for (const frame of [`42["message:send",${JSON.stringify({ text: "x".repeat(70_000) })}]`, "9nonsense"]) {
    const rude = await openRaw(t, server, people[1].token);
    await within(rude.hears("session:ready"), "the rude one to be let in");
    rude.send(frame);
    await within(rude.closed, `the end after ${frame.slice(0, 20)}`);
  }
  const { message } = await calm.send(room, "still here");
  await calm.reaches(room, message.seq);
  assert.deepEqual(calm.goodbyes, []);
});
