// Two people talk with stock clients, in each way that the protocol knows.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { History } from "./lib/history.mjs";
import { Member, WAYS } from "./lib/member.mjs";
import { Server, freshFolder, seed } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

/** A server with seeded people, and members of its first room. */
async function company(t, way, { users = 2, args = ["--limits", "off"] } = {}) {
  const data = freshFolder(t);
  const people = await seed(data, { users, rooms: 1, members: 2 });
  const server = await Server.start(t, { data, args });
  const history = new History(t.name);
  const [alice, bob] = await Promise.all(people.slice(0, 2).map((person) => Member.join(t, server, { ...person, way, history })));
  return { server, history, people, alice, bob, room: people[0].rooms[0] };
}

/** Says it until it is heard: who is between two polls at that moment is spared what is worth nothing later. */
async function type(writer, reader, room, event, active) {
  const { mark } = reader;
  const heard = () => reader.heard.slice(mark).some((one) => one.event === "typing" && one.data.userId === writer.userId && one.data.active === active);
  await until(async () => {
    // A state that does not change is not told again.
    await writer.ask(active ? "typing:stop" : "typing:start", { roomId: room });
    await writer.ask(event, { roomId: room });
    return heard();
  }, `${event} to be heard`);
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`two stock clients talk ${name}`, async (t) => {
    const { server, history, people, alice, bob, room } = await company(t, way);
    if (way.transports) assert.equal(alice.transport, way.transports[0]);
    else await until(() => alice.transport === "websocket" && bob.transport === "websocket", "the upgrade");

    const acks = [];
    for (let n = 1; n <= 20; n += 1) {
      const [one, other] = await Promise.all([alice.send(room, `a${n} 👋 مرحبا`), bob.send(room, `b${n} 你好`)]);
      acks.push(one, other);
    }
    assert.deepEqual(acks.map((ack) => ack.message.n).sort((a, b) => a - b), Array.from({ length: 40 }, (_, n) => n + 1));
    const first = acks[0].message;
    assert.equal(first.text, "a1 👋 مرحبا");
    assert.equal(first.senderId, alice.userId);
    assert.equal(acks[0].duplicate, false);
    const head = Math.max(...acks.map((ack) => ack.message.seq));
    await Promise.all([alice.reaches(room, head), bob.reaches(room, head)]);
    assert.deepEqual(alice.logs[room], bob.logs[room]);

    // A repeat is the same message; another text under its name is refused.
    const again = await alice.ask("message:send", { roomId: room, clientId: first.clientId, text: first.text });
    assert.equal(again.duplicate, true);
    assert.equal(again.message.seq, first.seq);
    assert.equal((await alice.refusal("message:send", { roomId: room, clientId: first.clientId, text: "other" })).code, "client_id_conflict");

    // Edit, react, reply with a mention, delete: each takes one place, both see the same.
    const edited = await alice.ask("message:edit", { roomId: room, id: first.id, text: "better", version: 1 });
    assert.equal(edited.message.version, 2);
    assert.equal((await alice.refusal("message:edit", { roomId: room, id: first.id, text: "worse", version: 1 })).code, "version_conflict");
    assert.equal((await bob.refusal("message:edit", { roomId: room, id: first.id, text: "not mine" })).code, "forbidden");
    assert.deepEqual(await bob.ask("reaction:add", { roomId: room, id: first.id, emoji: "👍" }), { emoji: "👍", count: 1 });
    assert.deepEqual(await bob.ask("reaction:add", { roomId: room, id: first.id, emoji: "👍" }), { emoji: "👍", count: 1 });
    assert.deepEqual(await alice.ask("reaction:add", { roomId: room, id: first.id, emoji: "👍" }), { emoji: "👍", count: 2 });
    assert.deepEqual(await bob.ask("reaction:remove", { roomId: room, id: first.id, emoji: "👍" }), { emoji: "👍", count: 1 });
    const reply = await bob.send(room, "to you", { replyTo: first.id, mentions: [alice.userId] });
    assert.equal(reply.message.replyTo, first.id);
    const gone = await alice.ask("message:delete", { roomId: room, id: acks[2].message.id });
    assert.ok(gone.message.deletedAt);
    assert.equal(gone.message.text, "");
    await Promise.all([alice.reaches(room, head + 6), bob.reaches(room, head + 6)]);
    const told = bob.logs[room].slice(-6).map(({ event }) => event);
    assert.deepEqual(told, ["message:updated", "reaction:updated", "reaction:updated", "reaction:updated", "message:new", "message:deleted"]);
    assert.deepEqual(alice.logs[room], bob.logs[room]);

    // Unread and read marks: alice has read nothing of what bob wrote.
    const fresh = await Member.join(t, server, { ...people[0], way });
    const mine = fresh.hello.rooms.find((one) => one.id === room);
    assert.equal(mine.headSeq, head + 6);
    assert.equal(mine.mentions, 1);
    assert.ok(mine.unread > 0 && mine.unread === mine.headN - mine.readN, JSON.stringify(mine));
    const read = await alice.ask("receipt:read", { roomId: room, seq: head + 6 });
    assert.deepEqual(read, { readN: mine.headN, unread: 0, mentions: 0 });
    assert.deepEqual(await alice.ask("receipt:read", { roomId: room, seq: 3 }), read);
    await bob.hears("receipt:updated", (data) => data.userId === alice.userId && data.readSeq === head + 6);
    await fresh.hears("unread:updated", (data) => data.roomId === room && data.unread === 0);

    // What is only of the moment.
    await type(alice, bob, room, "typing:start", true);
    await type(alice, bob, room, "typing:stop", false);
    const watched = await bob.ask("presence:watch", { userIds: [alice.userId] });
    assert.equal(watched.users[0].status, "online");
    await alice.ask("presence:set", { status: "dnd", text: "deep work" });
    await bob.hears("presence:changed", (data) => data.users.some((one) => one.userId === alice.userId && one.status === "dnd" && one.text === "deep work"));

    // Sync and history agree with what was heard live.
    const log = await history.readLog(server, people[1].token, room);
    assert.deepEqual(log.slice(2).map(({ data }) => data.seq), bob.logs[room].map(({ data }) => data.seq));
    const sync = await bob.ask("sync", { rooms: { [room]: head } });
    assert.deepEqual(sync.rooms[room].events, bob.logs[room].slice(-6));
    const newest = await bob.ask("history", { roomId: room, limit: 5 });
    assert.equal(newest.messages.length, 5);
    assert.equal(newest.more, true);
    assert.equal(newest.messages.at(-1).text, "to you");
    const older = await bob.ask("history", { roomId: room, before: newest.messages[0].seq, limit: 100 });
    assert.equal(older.more, false);
    assert.deepEqual([...older.messages, ...newest.messages].map((message) => message.n), Array.from({ length: 41 }, (_, n) => n + 1));
    const around = await bob.ask("history", { roomId: room, around: acks[20].message.seq, limit: 3 });
    assert.ok(around.messages.some((message) => message.id === acks[20].message.id));

    // A view can be closed and opened without leaving the room.
    await bob.ask("room:unsubscribe", { roomId: room });
    const unheard = await alice.send(room, "unheard");
    const back = await bob.ask("room:subscribe", { roomId: room, after: head + 6 });
    assert.deepEqual(back.events.map(({ data }) => data.seq), [unheard.message.seq]);
    assert.equal(back.gap, false);
    bob.cursors[room] = unheard.message.seq;
    const heardAgain = await alice.send(room, "heard again");
    await bob.reaches(room, heardAgain.message.seq);

    assert.deepEqual([...alice.breaks, ...bob.breaks], []);
    assert.deepEqual([...alice.goodbyes, ...bob.goodbyes], []);
  });

  test(`bad input gets a named problem and the connection lives on, ${name}`, async (t) => {
    const { server, people, alice, bob, room } = await company(t, way, { users: 3 });
    const send = (more) => alice.refusal("message:send", { roomId: room, clientId: randomUUID(), text: "x", ...more });
    const points = async (refusal, code, pointer, kind) => {
      const problem = await refusal;
      assert.equal(problem.code, code, JSON.stringify(problem));
      assert.equal(problem.type, `/docs/errors/${code}`);
      if (pointer) assert.ok(problem.errors?.some((one) => one.pointer === pointer && (!kind || one.code === kind)), JSON.stringify(problem));
    };
    await points(alice.refusal("no:such:event", {}), "unknown_event");
    await points(alice.refusal("message:send"), "invalid_request");
    await points(alice.refusal("message:send", "text"), "invalid_request");
    await points(alice.refusal("message:send", null), "invalid_request");
    await points(alice.refusal("message:send", [1, 2]), "invalid_request");
    await points(alice.refusal("message:send", { roomId: room, clientId: randomUUID() }), "invalid_request", "/text", "required");
    await points(send({ text: 7 }), "invalid_request", "/text", "type");
    await points(send({ text: { $ne: null } }), "invalid_request", "/text", "type");
    await points(send({ text: "é".repeat(4_001) }), "text_too_long", "/text", "too_long");
    await points(send({ text: "   " }), "text_empty", "/text");
    await points(send({ clientId: "1" }), "invalid_request", "/clientId", "format");
    await points(send({ roomId: "room_1" }), "invalid_request", "/roomId", "format");
    await points(send({ roomId: `room_${randomUUID()}` }), "room_not_found");
    await points(send({ mentions: ["you"] }), "invalid_request", "/mentions/0");
    await points(send({ meta: { big: "x".repeat(3_000) } }), "invalid_request", "/meta");
    await points(send({ replyTo: `msg_${randomUUID()}` }), "message_not_found");
    await points(alice.refusal("message:edit", { roomId: room, id: `msg_${randomUUID()}`, text: "x" }), "message_not_found");
    await points(alice.refusal("reaction:add", { roomId: room, id: `msg_${randomUUID()}`, emoji: "not an emoji" }), "invalid_request", "/emoji");
    await points(alice.refusal("history", { roomId: room, limit: 0 }), "invalid_request", "/limit");
    await points(alice.refusal("history", { roomId: room, before: 1, after: 1 }), "invalid_request");
    await points(alice.refusal("sync", { rooms: [] }), "invalid_request", "/rooms");
    await points(alice.refusal("receipt:read", { roomId: room, seq: -1 }), "invalid_request", "/seq");
    await points(alice.refusal("presence:set", { status: "asleep" }), "invalid_request", "/status");
    await points(alice.refusal("auth:refresh", { token: "abc" }), "token_invalid");
    await points(alice.refusal("auth:refresh", { token: people[1].token }), "token_invalid");

    // A stranger learns nothing: a room that is not theirs answers as one that is not there.
    const stranger = await Member.join(t, server, { ...people[2], way });
    await points(stranger.refusal("history", { roomId: room }), "room_not_found");
    await points(stranger.refusal("message:send", { roomId: room, clientId: randomUUID(), text: "x" }), "room_not_found");

    // The same connections as at the start, and they still talk.
    const { message } = await alice.send(room, "still here");
    await bob.reaches(room, message.seq);
    assert.deepEqual([alice.readies, alice.goodbyes, bob.goodbyes], [1, [], []]);
  });

  test(`a refused connection says why by name, ${name}`, async (t) => {
    const { server, people } = await company(t, way);
    const refusalOf = async (token) => {
      const member = new Member(t, server, { userId: "nobody", token, way });
      return until(() => member.refusals[0], "the refusal");
    };
    assert.equal((await refusalOf(undefined)).code, "token_missing");
    assert.equal((await refusalOf("")).code, "token_missing");
    assert.equal((await refusalOf("nonsense")).code, "token_invalid");
    const wrongType = await refusalOf(42);
    assert.equal(wrongType.code, "invalid_request");
    assert.equal(wrongType.errors[0].pointer, "/token");
    const [head, , signature] = people[0].token.split(".");
    const forged = Buffer.from(JSON.stringify({ sub: people[0].userId, exp: 9_999_999_999 })).toString("base64url");
    const problem = await refusalOf(`${head}.${forged}.${signature}`);
    assert.equal(problem.code, "token_invalid");
    assert.equal(problem.status, 401);
  });
}
