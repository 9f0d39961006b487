// Coming back: exactly what was missed, in order; and when that is too much, the server says so.
import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "./lib/history.mjs";
import { Member, WAYS } from "./lib/member.mjs";
import { Server, freshFolder, seed } from "./lib/server.mjs";

async function pair(t, way) {
  const data = freshFolder(t);
  const people = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data, args: ["--limits", "off"] });
  const history = new History(t.name);
  const [writer, reader] = await Promise.all(people.map((person) => Member.join(t, server, { ...person, way, history })));
  return { server, history, people, writer, reader, room: people[0].rooms[0] };
}

/** Many messages, some at a time: their order among each other does not matter. */
async function say(writer, room, many) {
  let next = 0;
  const lane = async () => {
    while (next < many) await writer.send(room, `missed ${(next += 1)}`);
  };
  await Promise.all(Array.from({ length: 20 }, lane));
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`who missed 500 messages is given exactly those, in order, ${name}`, async (t) => {
    const { server, history, people, writer, reader, room } = await pair(t, way);
    const had = (await writer.send(room, "heard live")).message.seq;
    await reader.reaches(room, had);
    reader.socket.disconnect();
    await say(writer, room, 500);
    const { mark } = reader;
    reader.socket.connect();
    await reader.ready();
    assert.equal(reader.hello.resumed, true);
    await reader.reaches(room, had + 500);
    const replayed = reader.heard.slice(mark).filter(({ event }) => event === "message:new");
    assert.deepEqual(replayed.map(({ data }) => data.seq), Array.from({ length: 500 }, (_, n) => had + 1 + n));
    assert.equal(reader.heard[mark].event, "session:ready");
    await writer.send(room, "live again");
    // The ack may come a poll before the event, to the writer too.
    await Promise.all([writer, reader].map((member) => member.reaches(room, had + 501)));
    assert.deepEqual(reader.logs[room], writer.logs[room]);
    await history.readLog(server, people[0].token, room);
    history.settled();
    t.diagnostic(await history.judge());
  });
}

test("a network that is cut again and again costs nobody a message", async (t) => {
  const { server, history, people, writer, reader, room } = await pair(t, {});
  for (let cut = 0; cut < 10; cut += 1) {
    const saying = say(writer, room, 20);
    await reader.lose();
    await reader.ready();
    if (cut % 3 === 0) {
      await writer.lose();
      await writer.ready();
    }
    await saying;
  }
  const log = await history.readLog(server, people[0].token, room);
  await Promise.all([writer, reader].map((member) => member.reaches(room, log.at(-1).data.seq)));
  history.settled();
  t.diagnostic(await history.judge());
  assert.deepEqual([...writer.breaks, ...reader.breaks], []);
  assert.equal(reader.texts(room).length, 200);
});

test("who missed more than 1,000 is told of the gap, and history closes it", async (t) => {
  const { writer, reader, room } = await pair(t, { transports: ["websocket"] });
  reader.socket.disconnect();
  const had = reader.cursors[room];
  await say(writer, room, 1_100);
  const { mark } = reader;
  reader.socket.connect();
  await reader.ready();
  const gap = await reader.hears("stream:gap", () => true, { from: mark });
  assert.deepEqual(gap, { roomId: room, haveSeq: had, headSeq: had + 1_100 });
  assert.equal(reader.heard.slice(mark).filter(({ event }) => event === "message:new").length, 0);

  const read = [];
  for (let after = had; ; ) {
    const page = await reader.ask("history", { roomId: room, after, limit: 100 });
    read.push(...page.messages);
    if (!page.more) break;
    after = page.messages.at(-1).seq;
  }
  assert.deepEqual(read.map((message) => message.seq), Array.from({ length: 1_100 }, (_, n) => had + 1 + n));
  assert.deepEqual(read.map((message) => message.text), writer.texts(room));
  const { message } = await writer.send(room, "live again");
  await reader.reaches(room, message.seq);
  assert.deepEqual(reader.breaks, []);
  const sync = await reader.ask("sync", { rooms: { [room]: had } });
  assert.equal(sync.rooms[room].gap, true);
});

test("a cursor of another incarnation, or ahead of the room, is a gap and no silence", async (t) => {
  const { writer, reader, room } = await pair(t, { transports: ["websocket"] });
  const head = (await writer.send(room, "one")).message.seq;
  await reader.reaches(room, head);
  for (const [seq, epoch] of [[head, 1], [head + 50, reader.epochs[room]]]) {
    reader.socket.disconnect();
    reader.cursors[room] = seq;
    reader.epochs[room] = epoch;
    const { mark } = reader;
    reader.socket.connect();
    await reader.ready();
    const gap = await reader.hears("stream:gap", () => true, { from: mark });
    assert.deepEqual(gap, { roomId: room, haveSeq: 0, headSeq: head });
    reader.cursors[room] = head;
  }
});
