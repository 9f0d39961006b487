// kill -9 in mid-conversation: what was acknowledged is there, once, in one order, for everybody.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { History } from "./lib/history.mjs";
import { Member, WAYS } from "./lib/member.mjs";
import { Server, freshFolder, seed } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const KILLS = 5;

for (const [name, way] of Object.entries(WAYS)) {
  test(`${KILLS} kills in mid-conversation lose and double nothing ${name}`, async (t) => {
    const data = freshFolder(t);
    const people = await seed(data, { users: 3, rooms: 2, members: 3 });
    const server = await Server.start(t, { data, args: ["--limits", "off"] });
    const history = new History(t.name);
    const members = await Promise.all(people.map((person) => Member.join(t, server, { ...person, way, history })));
    const rooms = people[0].rooms;

    // Every member sends in every room, one after another, until the last server stands.
    let over = false;
    const acked = Object.fromEntries(rooms.map((room) => [room, []]));
    const talk = async (member, room, who) => {
      for (let n = 1; !over && acked[room].length < 900; n += 1) acked[room].push((await member.send(room, `${who} says ${n}`)).message);
    };
    const talks = members.flatMap((member, who) => rooms.map((room) => talk(member, room, who)));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const before = acked[rooms[0]].length + acked[rooms[1]].length;
      await until(() => acked[rooms[0]].length + acked[rooms[1]].length >= before + 30, "the talk to go on", 60_000);
      await server.killAndRestart();
      await Promise.all(members.map((member) => until(() => member.readies > kill, "everybody to be back", 60_000)));
    }
    const before = acked[rooms[0]].length;
    await until(() => acked[rooms[0]].length >= before + 5, "the talk to go on after the last kill", 60_000);
    over = true;
    await Promise.all(talks);

    // A newcomer reads the whole log; everybody ends with the same.
    for (const room of rooms) {
      const log = await history.readLog(server, people[0].token, room);
      const { seq } = log.at(-1).data;
      await Promise.all(members.map((member) => member.reaches(room, seq)));
      const said = log.filter(({ event }) => event === "message:new").map(({ data: { message } }) => message);
      assert.equal(new Set(said.map((message) => message.clientId)).size, said.length, "one place for each clientId");
      const places = new Map(said.map((message) => [message.id, message.seq]));
      for (const message of acked[room]) assert.equal(places.get(message.id), message.seq, `acknowledged and lost: ${message.text}`);
      for (const member of members) {
        assert.deepEqual(member.logs[room].map(({ data }) => data.message.text), said.map((message) => message.text));
      }
    }
    history.settled();
    t.diagnostic(await history.judge());
    for (const member of members) {
      assert.deepEqual(member.breaks, []);
      assert.equal(member.readies, KILLS + 1);
    }
  });
}

test("the retries of the stock client are safe with a clientId, through kills", async (t) => {
  const data = freshFolder(t);
  const people = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data, args: ["--limits", "off"] });
  const [room] = people[0].rooms;
  const sender = await Member.join(t, server, { ...people[0], options: { retries: 1_000, ackTimeout: 1_000 } });
  const reader = await Member.join(t, server, people[1]);
  const acks = Array.from({ length: 120 }, (_, n) => sender.socket.emitWithAck("message:send", { roomId: room, clientId: randomUUID(), text: `${n}` }));
  let answered = 0;
  acks.forEach((ack) => ack.then(() => (answered += 1)));
  for (const at of [20, 50, 80]) {
    await until(() => answered >= at, `${at} acks`);
    await server.killAndRestart();
  }
  const messages = (await Promise.all(acks)).map((ack) => {
    assert.equal(ack.ok, true, JSON.stringify(ack));
    return ack.data.message;
  });
  await reader.reaches(room, messages.at(-1).seq);
  assert.deepEqual(reader.texts(room), acks.map((_, n) => `${n}`));
  assert.deepEqual(reader.logs[room].map(({ data: { message } }) => message.id), messages.map((message) => message.id));
});
