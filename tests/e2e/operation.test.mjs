// What an operator does to a server, and what a full disk does.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { History } from "./lib/history.mjs";
import { Member, WAYS } from "./lib/member.mjs";
import { Server, afterwards, freshFolder, seed } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

for (const [name, way] of Object.entries(WAYS)) {
  test(`SIGTERM tells every socket, closes the transports and ends with 0; clients come back by themselves, ${name}`, async (t) => {
    const data = freshFolder(t);
    const people = await seed(data, { users: 5, rooms: 1, members: 5 });
    const server = await Server.start(t, { data, args: ["--limits", "off"] });
    const history = new History(t.name);
    const members = await Promise.all(people.map((person) => Member.join(t, server, { ...person, way, history })));
    const [room] = people[0].rooms;
    // Who is between two polls when the doors close hears of nothing and just comes back: that may happen to some.
    const [rounds, enough] = name === "by polling alone" ? [10, 1] : [1, members.length];
    let told = 0;
    for (let round = 1; round <= rounds && told < enough; round += 1) {
      let over = false;
      const talking = members.map(async (member, who) => {
        for (let n = 0; !over; n += 1) await member.send(room, `${who} ${n}`);
      });
      await until(() => members.every((member) => member.cursors[room] > round * 20), "a talk");
      if (enough < members.length) {
        over = true;
        await Promise.all(talking);
      }
      const marks = members.map((member) => member.mark);
      server.child.kill("SIGTERM");
      for (const member of members) {
        await until(() => member.goodbyes.length === round, "the transport to close");
        // No DISCONNECT packet: that would keep the client from coming back.
        assert.ok(["transport close", "transport error"].includes(member.goodbyes.at(-1)), member.goodbyes.at(-1));
        assert.equal(member.socket.active, true);
      }
      const heard = (member, at) => member.heard.slice(marks[at]).some(({ event, data }) => event === "server:draining" && data.reconnectInMs >= 0);
      told += members.filter(heard).length;
      assert.deepEqual(await server.ended, { code: 0, signal: null });
      await server.up();
      await until(() => members.every((member) => member.readies === round + 1), "everybody to come back", 60_000);
      over = true;
      await Promise.all(talking);
    }
    assert.ok(told >= enough, `${told} were told`);
    await members[0].send(room, "one more");
    const log = await history.readLog(server, people[0].token, room);
    await Promise.all(members.map((member) => member.reaches(room, log.at(-1).data.seq)));
    history.settled();
    t.diagnostic(await history.judge());
    assert.deepEqual(members.flatMap((member) => member.breaks), []);
  });
}

/** A file system of its own, small enough to be filled; null where this machine does not let us. */
function smallDisk(t) {
  const folder = freshFolder(t);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "chatify-e2e", folder], { stdio: "pipe" });
  } catch {
    return null;
  }
  afterwards(t, () => execFileSync("umount", ["--lazy", folder]));
  return folder;
}

/** Takes all the space that is left. */
function fill(file) {
  const handle = openSync(file, "w");
  try {
    for (let size = 1 << 20; size >= 1; ) {
      try {
        writeSync(handle, Buffer.alloc(size));
      } catch (error) {
        if (error.code !== "ENOSPC") throw error;
        size >>= 1;
      }
    }
  } finally {
    closeSync(handle);
  }
}

test("a full disk refuses sends as unavailable, reads go on, and it recovers when space is freed", async (t) => {
  const data = smallDisk(t);
  if (data === null) {
    console.log("SKIPPED: the full disk. Mounting a tmpfs needs root.");
    t.skip("mounting a tmpfs needs root");
    return;
  }
  const people = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data, args: ["--limits", "off"] });
  const history = new History(t.name);
  const [writer, reader] = await Promise.all(people.map((person) => Member.join(t, server, { ...person, way: { transports: ["websocket"] }, history })));
  const [room] = people[0].rooms;
  for (let round = 0; round < 2; round += 1) {
    const before = (await writer.send(room, `round ${round}: there is space`)).message;
    const ballast = join(data, "ballast");
    fill(ballast);
    const text = "x".repeat(4_000);
    const refused = await until(async () => {
      const ack = await writer.socket.timeout(10_000).emitWithAck("message:send", { roomId: room, clientId: crypto.randomUUID(), text });
      return !ack.ok && ack.error;
    }, "a refusal", 60_000);
    assert.equal(refused.code, "unavailable");
    assert.equal(refused.status, 503);
    // Reads go on, over both doors; so does everything that is only of the moment.
    const page = await reader.ask("history", { roomId: room, limit: 10, around: before.seq });
    assert.ok(page.messages.some((message) => message.id === before.id));
    assert.equal((await server.call("GET", `/v1/rooms/${room}/messages`, { token: people[0].token })).status, 200);
    const { mark } = reader;
    writer.socket.emit("typing:start", { roomId: room });
    await reader.hears("typing", (heard) => heard.active, { from: mark });
    writer.socket.emit("typing:stop", { roomId: room });
    assert.equal((await fetch(`http://127.0.0.1:${server.adminPort}/healthz`)).status, 200, "alive all the while");
    rmSync(ballast);
    const { message } = await writer.send(room, `round ${round}: space again`);
    await reader.reaches(room, message.seq);
  }
  assert.deepEqual([...writer.goodbyes, ...reader.goodbyes, ...writer.breaks, ...reader.breaks], []);
  await server.killAndRestart();
  await reader.send(room, "after the restart");
});
