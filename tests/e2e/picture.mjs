// Takes the picture of the README again: `node --test picture.mjs`, after a build. No story: nothing is judged here.
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Person, openBrowser } from "./lib/browser.mjs";
import { Member } from "./lib/member.mjs";
import { Server } from "./lib/server.mjs";

const PICTURE = new URL("../../docs/images/workspace.png", import.meta.url).pathname;

test("the picture of the README", async (t) => {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const browser = await openBrowser();
  t.after(() => browser.close());
  const names = { jonas: "Jonas Weber", yuki: "Yuki Tanaka", lena: "Lena Novak", omar: "Omar Haddad" };
  const people = {};
  for (const [key, name] of Object.entries(names)) {
    const { user, accessToken: token } = await server.signUp(`${key}@example.org`, name);
    people[key] = { id: user.id, token };
    await Member.join(t, server, { userId: user.id, token });
  }
  const maya = await Person.arrive(t, browser, server);
  await maya.signUp("maya@example.org", "Maya Lindqvist");
  const mayaId = (await server.ok("GET", "/v1/users?q=Maya", { token: people.jonas.token })).data[0].id;

  const everybody = [mayaId, ...Object.values(people).map((one) => one.id)];
  const room = async (owner, name, type = "public", topic = null) => {
    const { token, id } = people[owner];
    const made = await server.ok("POST", "/v1/rooms", { token, body: { type, name, memberIds: everybody.filter((one) => one !== id) } });
    if (topic) await server.ok("PATCH", `/v1/rooms/${made.id}`, { token, body: { topic } });
    return made.id;
  };
  const say = async (who, roomId, text, more = {}) =>
    (await server.ok("POST", `/v1/rooms/${roomId}/messages`, { token: people[who].token, body: { clientId: randomUUID(), text, ...more } })).message;
  const react = (who, message, emoji) => server.ok("PUT", `/v1/rooms/${message.roomId}/messages/${message.id}/reactions/${encodeURIComponent(emoji)}`, { token: people[who].token });

  const general = await room("jonas", "general");
  await room("lena", "design");
  const launch = await room("yuki", "launch", "public", "Everything for the 2.0 release on Thursday");
  await room("omar", "incidents", "private");
  await say("lena", general, "Cinnamon rolls in the kitchen!");
  await say("lena", general, "@Maya Lindqvist I kept one for you", { mentions: [mayaId] });
  const { id: dm } = await server.ok("PUT", `/v1/dms/${mayaId}`, { token: people.lena.token });
  await say("lena", dm, "Shall we look at the mock-ups at three?");
  const { id: other } = await server.ok("PUT", `/v1/dms/${mayaId}`, { token: people.omar.token });
  await say("omar", other, "Thank you, that was it!");

  const plan = await say("yuki", launch, "Good morning! The release candidate is on staging. Please try everything that you touched.");
  await react("jonas", plan, "🎉");
  await react("lena", plan, "🎉");
  await react("omar", plan, "👀");
  await say("jonas", launch, "I pulled the plug on the server in the middle of a load test: `kill -9`, five times.");
  const result = await say("jonas", launch, "Not one message lost, none twice. The outbox just waits and goes on.");
  await react("yuki", result, "❤️");
  await say("omar", launch, "Graphs are calm on my side too: https://grafana.example.org/d/launch");
  await say("lena", launch, "The empty states look lovely now. I only found one typo", { replyTo: plan.id });

  await maya.page.getByRole("link", { name: /launch/ }).click();
  await maya.sees("one typo");
  await maya.say("Fixed it already, thank you! Shall we go on Thursday at ten?");
  const mine = (await server.ok("GET", `/v1/rooms/${launch}/messages?limit=1`, { token: people.yuki.token })).data[0];
  await react("yuki", mine, "👍");
  await react("jonas", mine, "👍");
  const yuki = await Member.join(t, server, { userId: people.yuki.id, token: people.yuki.token });
  await maya.page.getByRole("button", { name: /^👍, 2 reactions/ }).waitFor();
  await yuki.ask("typing:start", { roomId: launch });
  await maya.page.getByText("Yuki Tanaka is typing").waitFor();
  await maya.page.screenshot({ path: PICTURE });
});
