// The crew of a chaos run: stock clients of all transports that talk through a balancer while somebody else breaks things.
// Usage: node main.mjs CONFIG.json. Says one JSON object a line: `ready`, a `status` twice a second, `done`. On the line
// "stop" it falls silent, waits until all is acknowledged and heard, reads the rest of every log and all of it once more by REST.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { History } from "../lib/history.mjs";
import { within } from "../lib/wait.mjs";
import { Archive } from "./archive.mjs";
import { Front } from "./front.mjs";
import { Mails } from "./mails.mjs";
import { Talker } from "./talker.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PATIENCE = config.patienceMillis ?? 90_000;
const STATUS_MILLIS = 500;
const tell = (word, fact) => process.stdout.write(`${JSON.stringify({ [word]: fact })}\n`);

const test = { name: "crew", after() {} };
const server = new Front(config.url);
const history = new History("crew", config.history);
const talkers = config.people.map((person, number) => new Talker(test, server, person, { ...config, number, history }));
const mails = config.mail && new Mails(server, config.mail.sink, config.mail);

await within(Promise.all(talkers.map(({ member }) => member.ready())), "everybody to be let in", PATIENCE);
tell("ready", { began: history.began, connected: talkers.length });
for (const talker of talkers) talker.talk();
mails?.begin();
const archive = new Archive(server, history, new Map(talkers.flatMap(({ member, rooms }) => rooms.map((room) => [room, member.token]))), PATIENCE);
archive.begin();

/** The farthest place of each room that anybody has; what a member lacks of the one a moment ago is `behind`. */
let heads = {};
function status() {
  let behind = 0;
  const now = {};
  for (const { member, rooms } of talkers) {
    for (const room of rooms) {
      const at = member.cursors[room] ?? 0;
      if (at < (heads[room] ?? 0)) behind += 1;
      now[room] = Math.max(now[room] ?? 0, at);
    }
  }
  heads = now;
  const up = talkers.filter(({ member }) => member.socket.connected).length;
  const oldest = Math.max(...talkers.map((talker) => talker.oldestSend));
  const acked = talkers.reduce((sum, talker) => sum + talker.acked, 0);
  return { at: Date.now() - history.began, connected: up, of: talkers.length, behind, oldestSendMillis: oldest, acked };
}
const telling = setInterval(() => tell("status", status()), STATUS_MILLIS);

async function finish() {
  await within(Promise.all([...talkers.map((talker) => talker.hush()), mails?.hush()]), "everything to be acknowledged", PATIENCE);
  const differences = await archive.finish();
  for (const { member, rooms } of talkers) {
    for (const room of rooms) await member.reaches(room, archive.head(room), PATIENCE);
  }
  history.settled();
  history.flush();
  clearInterval(telling);
  const counted = await mails?.count(PATIENCE);
  const givenUp = talkers.flatMap((talker) => talker.givenUp);
  const breaks = [...talkers.flatMap(({ member }) => member.breaks), ...differences];
  const readies = talkers.reduce((sum, { member }) => sum + member.readies, 0);
  const refusals = talkers.flatMap(({ member }) => member.refusals.map((problem) => problem.code));
  tell("done", { rooms: archive.readers.size, givenUp, breaks, readies, refusals: [...new Set(refusals)], mails: counted });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line !== "stop") return;
  finish().then(() => process.exit(0), (error) => {
    history.flush();
    tell("failed", error.message);
    process.exit(1);
  });
});
// Whoever started us is gone.
process.stdin.on("end", () => process.exit(2));
