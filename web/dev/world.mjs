// A small company in memory: people, rooms and talk that show every kind of message. For screenshots and for work on screens.
import { randomUUID } from "node:crypto";
import { addMember, append, at, emptyWorld, makeRoom, react, say } from "./fake-server.mjs";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function demoWorld(now = Date.now()) {
  const world = emptyWorld();
  const person = (name, email, status = "offline", text) => {
    const id = `usr_${randomUUID()}`;
    world.users.set(id, { id, displayName: name, email, createdAt: at(now - 200 * DAY), avatarUrl: null });
    world.presence.set(id, { userId: id, status, ...(text ? { text } : {}) });
    return id;
  };
  const maya = person("Maya Okafor", "maya@example.com", "online");
  const jonas = person("Jonas Lindqvist", "jonas@example.com", "online", "Heads down until 3");
  const priya = person("Priya Raman", "priya@example.com", "away");
  const tomas = person("Tomás Herrera", "tomas@example.com", "dnd", "On call");
  const yuki = person("北村 雪", "yuki@example.com", "online");
  const amira = person("أميرة حداد", "amira@example.com", "offline");
  const lena = person("Lena Vogel", "lena@example.com", "online");
  const others = ["Ben Carter", "Sofia Rossi", "Noah Kim", "Chloé Dubois", "Ivan Petrov", "Grace Hopper", "Omar Farouk", "Ana Souza"].map((name, k) =>
    person(name, `p${k}@example.com`, k % 3 === 0 ? "online" : "offline"),
  );
  const everyone = [maya, jonas, priya, tomas, yuki, amira, lena, ...others];

  const room = (type, name, topic, members, ago = 30 * DAY) => {
    const made = makeRoom({ type, name, topic, createdBy: members[0], createdAt: now - ago });
    world.rooms.set(made.id, made);
    members.forEach((id, k) => addMember(made, id, k === 0 ? "owner" : k === 1 ? "admin" : k === 2 ? "moderator" : "member", now - ago));
    return made;
  };
  const readAll = (where, who = maya, but = 0) => {
    const n = where.messages.length - but;
    where.read.set(who, { readSeq: where.messages[n - 1]?.seq ?? 0, readN: n });
  };

  const launch = room("public", "launch", "Shipping 1.0 on Thursday", everyone);
  const t = (days, hours, minutes = 0) => new Date(now - days * DAY).setHours(hours, minutes, 0, 0);
  say(launch, jonas, "Morning! I moved the checklist into the repo so that we stop losing it: https://example.com/launch/checklist", { when: t(1, 9, 2) });
  say(launch, jonas, "Two things are still open:\n1. the status page\n2. who presses the button", { when: t(1, 9, 3) });
  const q = say(launch, priya, "I can take the status page. Do we have copy for the “degraded” state?", { when: t(1, 9, 11) });
  const a = say(launch, tomas, "Not yet. I’d keep it to one sentence and a time.", { when: t(1, 9, 14), replyTo: q.id });
  react(launch.messages.find((m) => m.id === a.id), "👍", maya);
  react(launch.messages.find((m) => m.id === a.id), "👍", priya);
  react(launch.messages.find((m) => m.id === a.id), "💯", jonas);
  say(launch, yuki, "翻訳は明日の朝までに終わります。確認をお願いします 🙏", { when: t(1, 15, 40) });
  say(launch, amira, "سأراجع النص العربي الليلة، شكرًا يا Yuki!", { when: t(1, 15, 52) });
  say(launch, maya, "Thank you both. I’ll do the final pass when the strings are in.", { when: t(1, 16, 5) });
  say(launch, lena, "Staging is on the new build. If you see anything odd, run `chatify doctor --json` and paste what it says.", { when: t(0, 8, 47) });
  say(launch, lena, "```\n$ chatify doctor\nstore      ok   wal, synchronous=full\nlistener   ok   127.0.0.1:8080\nclock      ok   drift 3 ms\n```", { when: t(0, 8, 48) });
  const gone = say(launch, tomas, "wrong window, sorry", { when: t(0, 8, 59) });
  Object.assign(launch.messages.find((m) => m.id === gone.id), { text: "", version: 2, deletedAt: at(t(0, 9)) });
  append(launch, "message:deleted", { id: gone.id, message: launch.messages.find((m) => m.id === gone.id) });
  say(launch, jonas, "🎉🎉", { when: t(0, 9, 4) });
  const edited = say(launch, maya, "Button duty: I’ll press it at 10:00, Jonas watches the graphs.", { when: t(0, 9, 6) });
  Object.assign(launch.messages.find((m) => m.id === edited.id), { version: 2, editedAt: at(t(0, 9, 7)) });
  react(launch.messages.find((m) => m.id === edited.id), "🚀", jonas);
  react(launch.messages.find((m) => m.id === edited.id), "🚀", lena);
  react(launch.messages.find((m) => m.id === edited.id), "🚀", priya);
  react(launch.messages.find((m) => m.id === edited.id), "❤️", tomas);
  say(launch, priya, "@Maya Okafor the status page is live, could you have a look before ten?", { when: t(0, 9, 18), mentions: [maya] });
  say(launch, priya, "Also: the old URL redirects now.", { when: t(0, 9, 19) });
  say(launch, jonas, "Graphs are up on the big screen.", { when: t(0, 9, 24) });
  readAll(launch, maya, 3);

  const general = room("public", "general", "Everything that has no room of its own", everyone);
  for (let k = 0; k < 1500; k++) {
    const who = everyone[(k * 7) % everyone.length];
    const long = k % 9 === 0 ? " It took a while to find, since it only shows when two people answer at the same moment and one of them is on a train." : "";
    say(general, who, `${["Done", "Looking into it", "That one is fixed", "Who knows more about this?", "Lunch?", "Works for me"][k % 6]} (${k + 1}).${long}`, { when: now - 20 * DAY + k * 18 * MINUTE });
  }
  readAll(general);
  const design = room("private", "design-review", "Thursdays, 14:00", [maya, priya, lena, yuki]);
  say(design, lena, "New empty states are in the file, comments welcome", { when: now - 3 * HOUR });
  say(design, yuki, "Looks calm. I like the second one.", { when: now - 2 * HOUR });
  readAll(design, maya, 2);
  const incidents = room("private", "incidents", "Only for what is on fire", [tomas, maya, jonas, lena]);
  say(incidents, tomas, "All quiet tonight.", { when: now - 11 * HOUR });
  readAll(incidents);
  const random = room("public", "random", null, everyone);
  say(random, others[1], "Somebody left a very good cake in the kitchen.", { when: now - 5 * HOUR });
  readAll(random);
  room("public", "reading-club", "One paper a month", [lena, others[2]]);
  room("public", "running", "Slow, social, Tuesdays", [others[3], others[4], others[5]]);
  room("public", "photography", null, [others[0]]);

  const dm = (other, lines) => {
    const made = room("dm", null, null, [maya, other]);
    for (const [who, text, ago] of lines) say(made, who, text, { when: now - ago });
    return made;
  };
  const withJonas = dm(jonas, [[maya, "Can you cover the call at three?", 50 * MINUTE], [jonas, "Sure. Anything I should know?", 46 * MINUTE], [maya, "They’ll ask about the export, tell them next month.", 45 * MINUTE], [jonas, "👌", 44 * MINUTE]]);
  readAll(withJonas);
  withJonas.read.set(jonas, { readSeq: withJonas.log.length, readN: withJonas.messages.length });
  const withYuki = dm(yuki, [[yuki, "明日のレビュー、14時で大丈夫ですか？", 26 * MINUTE], [yuki, "資料を送りました", 25 * MINUTE]]);
  readAll(dm(tomas, [[tomas, "Thanks for last night.", 2 * DAY]]));
  const trip = room("group", null, null, [maya, lena, others[0], priya], 6 * DAY);
  say(trip, others[0], "Train or car?", { when: now - 4 * HOUR });
  readAll(trip);

  world.sessions.set(maya, [
    { id: "ses_1", device: "Chrome on macOS", createdAt: at(now - 12 * DAY), lastUsedAt: at(now - MINUTE), current: true },
    { id: "ses_2", device: "Safari on iPhone", createdAt: at(now - 40 * DAY), lastUsedAt: at(now - 3 * HOUR), current: false },
    { id: "ses_3", device: "Firefox on Linux", createdAt: at(now - 90 * DAY), lastUsedAt: at(now - 21 * DAY), current: false },
  ]);
  return { world, people: { maya, jonas, priya, tomas, yuki, amira, lena }, rooms: { launch, general, design, incidents, random, withJonas, withYuki, trip } };
}
