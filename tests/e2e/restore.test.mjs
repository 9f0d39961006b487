// A backup that is older than what clients have seen, as it comes back: they are told to begin anew, and nobody waits in
// silence for a place that the room has not reached again.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Member, WAYS } from "./lib/member.mjs";
import { BINARY, Server, freshFolder } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const ADDRESSES = { ada: "ada@example.org", bob: "bob@example.org", cat: "cat@example.org" };

const chatify = async (data, ...args) => (await promisify(execFile)(BINARY, ["--data", data, "--log", "warn", ...args])).stdout;

/** Everything that was said in a room, as somebody reads it who has nothing. */
async function everything(member, room) {
  const read = [];
  for (let more = true; more; ) {
    const page = await member.ask("history", { roomId: room, after: read.at(-1)?.seq ?? 0, limit: 20 });
    read.push(...page.messages);
    more = page.more;
  }
  return read;
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`after a restore old cursors get an explicit gap, the room as it was, and what is said from then on, ${name}`, async (t) => {
    const server = await Server.start(t, { args: ["--limits", "off"] });
    const people = {};
    for (const [who, address] of Object.entries(ADDRESSES)) people[who] = await server.signUp(address, who);
    const memberIds = [people.bob.user.id, people.cat.user.id];
    const made = await server.ok("POST", "/v1/rooms", { token: people.ada.accessToken, body: { type: "private", name: "the archive", memberIds } });
    const room = made.id;
    const enter = ({ user, accessToken }) => Member.join(t, server, { userId: user.id, token: accessToken, way });
    const [ada, bob, cat] = await Promise.all(Object.values(people).map(enter));
    const begin = ada.cursors[room];

    // Cat goes early, the backup is taken while people talk, and what is said after it is lost.
    for (let n = 1; n <= 10; n += 1) await ada.send(room, `kept ${n}`);
    await cat.reaches(room, begin + 10);
    cat.socket.disconnect();
    for (let n = 11; n <= 30; n += 1) await ada.send(room, `kept ${n}`);
    const copy = join(freshFolder(t), "copy.db");
    await chatify(server.data, "backup", copy);
    const lost = randomUUID();
    for (let n = 1; n <= 20; n += 1) await ada.send(room, `lost ${n}`, n === 20 ? { clientId: lost } : {});
    for (const member of [ada, bob]) await member.reaches(room, begin + 50);
    const epoch = bob.epochs[room];
    const kept = ada.logs[room][29].data.message;
    assert.equal(kept.text, "kept 30");

    const marks = new Map([ada, bob, cat].map((member) => [member, member.mark]));
    await server.kill();
    const restored = freshFolder(t);
    assert.match(await chatify(restored, "restore", copy), /new epoch; everybody signs in again/);
    server.data = restored;
    await server.up();

    // Their tokens are worth nothing: said at once, and the stock client stops asking.
    for (const member of [ada, bob]) {
      const refusal = await until(() => member.refusals.at(-1), "a refusal");
      assert.equal(refusal.code, "token_invalid");
      await until(() => !member.socket.active, "the client to give up");
    }
    for (const [member, who] of [[ada, "ada"], [bob, "bob"], [cat, "cat"]]) {
      const again = await server.signUp(ADDRESSES[who], who);
      assert.equal(again.user.id, member.userId, "the same person");
      member.token = again.accessToken;
      member.refusals = [];
      assert.equal(member.cursors[room], begin + (who === "cat" ? 10 : 50), "its cursor is of before");
      assert.equal(member.epochs[room], epoch);
      member.socket.connect();
      await member.ready();
      // Ahead of the room or behind its head: either way it begins anew.
      const gap = await member.hears("stream:gap", () => true, { from: marks.get(member) });
      assert.deepEqual(gap, { roomId: room, haveSeq: 0, headSeq: begin + 30 });
      assert.notEqual(member.epochs[room], epoch);
      const before = member.heard.slice(marks.get(member));
      assert.deepEqual(before.filter(({ event }) => event === "message:new"), [], "nothing is passed off as what was missed");
      const read = await everything(member, room);
      assert.deepEqual(read.map(({ text }) => text), Array.from({ length: 30 }, (_, n) => `kept ${n + 1}`));
      assert.deepEqual(read.at(-1), kept);
      const { gap: told, epoch: current } = (await member.ask("sync", { rooms: { [room]: { seq: begin + 50, epoch } } })).rooms[room];
      assert.deepEqual([told, current], [true, member.epochs[room]]);
    }

    // New messages take the places that the lost ones had, and everybody hears them. What a client still holds and says
    // again is found where it was kept, and is new where it was lost.
    const { message, duplicate } = await ada.send(room, "lost 20", { clientId: lost });
    assert.deepEqual([message.seq, duplicate], [begin + 31, false]);
    const repeat = await ada.send(room, kept.text, { clientId: kept.clientId });
    assert.deepEqual([repeat.message.seq, repeat.duplicate], [begin + 30, true]);
    for (let n = 2; n <= 25; n += 1) await bob.send(room, `new ${n}`);
    for (const member of [ada, bob, cat]) {
      await member.reaches(room, begin + 55);
      const from = member.heard.findLastIndex(({ event }) => event === "stream:gap");
      const heard = member.heard.slice(from).filter(({ event }) => event === "message:new");
      assert.deepEqual(heard.map(({ data }) => [data.seq, data.message.text]), Array.from({ length: 25 }, (_, n) => [begin + 31 + n, n === 0 ? "lost 20" : `new ${n + 1}`]));
      assert.deepEqual(member.breaks, []);
    }

    // From now on a loss of the network is an ordinary resume.
    await bob.lose();
    await bob.ready();
    const { message: last } = await cat.send(room, "the end");
    await bob.reaches(room, last.seq);
    assert.equal(bob.hello.resumed, true);
  });
}
