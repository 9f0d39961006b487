// A code is used once: many challenges, each verified with the right code by several at the same time, and once more at the
// end, while somebody else takes Redis through a failover. Usage: node otp.mjs CONFIG.json. Says `half` when half of the
// races are run and waits for the line "go on"; then `done` with how often each code let somebody in.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../lib/wait.mjs";
import { Front } from "./front.mjs";

const { url, sink, races, tag, patienceMillis } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const RACERS = 4;
const AT_ONCE = 16;
const tell = (word, fact) => process.stdout.write(`${JSON.stringify({ [word]: fact })}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const server = new Front(url);

/** Does the work for all, so many at once. */
async function forAll(items, work) {
  const queue = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = queue.shift(); item; item = queue.shift()) await work(item);
  }));
}

/** Until there is a clear answer; what stays unclear may have let somebody in. */
async function verify(one) {
  const end = Date.now() + patienceMillis;
  for (;;) {
    const reply = await server.call("POST", `/v1/auth/otp/${one.challengeId}/verify`, { body: { code: one.code, displayName: "Racer", device: "race" } }).catch(() => ({ status: 0 }));
    if (reply.status === 200) {
      one.in += 1;
      return;
    }
    if (reply.status === 0 || (reply.status >= 500 && reply.body?.code !== "unavailable")) one.unclear += 1;
    else if (reply.status < 500 && reply.status !== 429) {
      one.answers[reply.body?.code ?? reply.status] = (one.answers[reply.body?.code ?? reply.status] ?? 0) + 1;
      return;
    }
    if (Date.now() > end) return;
    await pause(Math.min(reply.body?.retryAfter ?? 200, 1_000));
  }
}

const all = Array.from({ length: races }, (_, n) => ({ address: `${tag}-${n}@example.com`, in: 0, unclear: 0, answers: {} }));
await forAll(all, async (one) => {
  const asked = await server.patiently(() => server.ok("POST", "/v1/auth/otp", { body: { email: one.address, intent: "signup" } }), patienceMillis);
  one.challengeId = asked.challengeId;
});
const end = Date.now() + patienceMillis;
for (let missing = all; missing.length > 0; ) {
  const codes = new Map();
  for (const { to, body } of await fetch(`${sink}/messages`).then((reply) => reply.json())) {
    const code = /\b(\d{4})[- ]?(\d{4})\b/.exec(body)?.slice(1).join("");
    if (code) for (const address of [to].flat()) codes.set(address, code);
  }
  for (const one of missing) one.code = codes.get(one.address);
  missing = all.filter((one) => !one.code);
  if (Date.now() > end) {
    tell("failed", `${missing.length} of ${races} mails did not come`);
    process.exit(1);
  }
  await pause(300);
}
const race = (one) => Promise.all(Array.from({ length: RACERS }, () => verify(one)));
const middle = Math.floor(all.length / 2);
await forAll(all.slice(0, middle), race);
tell("half", middle);
// The other half races while Redis fails over; the last look comes when it has.
const over = lines.next();
await forAll(all.slice(middle), race);
await within(over, "the failover", patienceMillis);
await forAll(all, verify);
const sum = (of) => all.reduce((total, one) => total + of(one), 0);
const answers = {};
for (const one of all) for (const [code, count] of Object.entries(one.answers)) answers[code] = (answers[code] ?? 0) + count;
tell("done", { races, tries: sum((one) => one.in + one.unclear + Object.values(one.answers).reduce((a, b) => a + b, 0)), once: sum((one) => Number(one.in === 1)), never: sum((one) => Number(one.in === 0)), neverUnclear: sum((one) => Number(one.in === 0 && one.unclear > 0)), twice: sum((one) => Number(one.in > 1)), unclear: sum((one) => one.unclear), answers });
process.exit(0);
