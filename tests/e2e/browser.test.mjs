// The page, as people use it, against the real server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Person, openBrowser } from "./lib/browser.mjs";
import { Member } from "./lib/member.mjs";
import { Server, freshFolder, seed } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

/** Two people who signed up through the page and sit in one room. */
async function two(t, options) {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const [alice, bob] = await Promise.all([Person.arrive(t, browser, server, options), Person.arrive(t, browser, server, options)]);
  await Promise.all([alice.signUp("alice@example.org", "Alice Liddell"), bob.signUp("bob@example.org", "Bob Dodgson")]);
  await alice.makeRoom("wonderland");
  await bob.joinRoom("wonderland");
  return { server, alice, bob };
}

/** Both see the same whole list, and every text once. */
async function sameList(texts, ...people) {
  const lists = await Promise.all(people.map((person) => person.wholeTimeline(texts.length)));
  for (const list of lists) assert.deepEqual(list.map((one) => one.text).sort(), [...texts].sort());
  for (const list of lists) assert.deepEqual(list, lists[0]);
  return lists[0];
}

test("two people sign up through the page, talk, edit, reply, react and write to each other alone", async (t) => {
  const { alice, bob } = await two(t);
  await alice.say("Down the rabbit hole");
  await bob.sees("Down the rabbit hole");
  await bob.say("Curiouser and curiouser");
  await alice.sees("Curiouser and curiouser");

  await alice.composer().pressSequentially("I am");
  await bob.page.getByText("Alice Liddell is typing").waitFor();
  await alice.composer().fill("");
  await alice.composer().press("ArrowUp");
  await alice.page.getByRole("textbox", { name: "Edit message" }).fill("Down the rabbit hole, twice");
  await alice.page.getByRole("textbox", { name: "Edit message" }).press("Enter");
  await bob.message("Down the rabbit hole, twice").getByText("edited").waitFor();

  await bob.act("rabbit hole", "Reply");
  await bob.say("And out again");
  await alice.message("And out again").getByRole("button", { name: "In reply to Alice Liddell" }).waitFor();
  await alice.act("And out again", "Add reaction 👍");
  await bob.page.getByRole("button", { name: /^👍, 1 reaction/ }).waitFor();

  await alice.say("to be deleted");
  await bob.sees("to be deleted");
  await alice.message("to be deleted").hover();
  await alice.message("to be deleted").getByRole("button", { name: "More", exact: true }).click();
  await alice.page.getByRole("menuitem", { name: "Delete" }).click();
  await alice.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bob.sees("This message was deleted");

  // Alone with each other; the other one hears of it without looking.
  await alice.page.getByRole("button", { name: "New conversation" }).first().click();
  await alice.page.getByLabel("To", { exact: true }).fill("Bob");
  await alice.page.getByRole("option", { name: "Bob Dodgson" }).click();
  await alice.page.getByRole("button", { name: "Start" }).click();
  await alice.page.getByRole("textbox", { name: "Message Bob Dodgson" }).waitFor();
  await alice.say("Just between us");
  const unread = bob.page.getByRole("link", { name: /Alice Liddell.*1 unread message/ });
  await unread.waitFor();
  await until(async () => (await bob.page.title()).startsWith("(1)"), "the title to count");
  await unread.click();
  await bob.sees("Just between us");
  await until(async () => !(await bob.page.title()).startsWith("("), "the title to forget");

  // A reload keeps who one is, where one is, and what one had begun to write.
  await bob.composer().fill("half a thought");
  await bob.page.reload();
  await bob.sees("Just between us");
  await until(async () => (await bob.composer().inputValue()) === "half a thought", "the draft");
  assert.deepEqual([...alice.faults, ...bob.faults], []);
});

test("kill -9 in mid-conversation, twice: both pages end with the same complete list", async (t) => {
  const { server, alice, bob } = await two(t);
  const said = [];
  const say = async (person, text) => {
    said.push(text);
    await person.say(text);
  };
  for (let n = 1; n <= 3; n += 1) await Promise.all([say(alice, `a${n} before`), say(bob, `b${n} before`)]);
  await bob.sees("a3 before");
  for (const round of [1, 2]) {
    // Said into the moment of the kill, while nothing is there, and after.
    const sending = Promise.all([say(alice, `alice into kill ${round}`), say(bob, `bob into kill ${round}`)]);
    await server.kill();
    await sending;
    for (let n = 1; n <= 3; n += 1) await Promise.all([say(alice, `a${n} in the dark ${round}`), say(bob, `b${n} in the dark ${round}`)]);
    await alice.page.getByText(/waiting to be sent/).first().waitFor();
    if (round === 1) {
      await alice.shot("connection-lost");
      assert.deepEqual(await alice.violations(), []);
    }
    await server.up();
    await Promise.all([say(alice, `alice after kill ${round}`), say(bob, `bob after kill ${round}`)]);
    await Promise.all([alice.isLive(), bob.isLive()]);
  }
  const list = await sameList(said, alice, bob);
  // Each person's own words stand in the order in which they were said.
  for (const person of ["a", "b"]) {
    const own = (text) => text.startsWith(person);
    assert.deepEqual(list.map((one) => one.text).filter(own), said.filter(own));
  }
  await Promise.all([alice.page.reload(), bob.page.reload()]);
  assert.deepEqual(await sameList(said, alice, bob), list);
  assert.deepEqual([...alice.faults, ...bob.faults], []);
});

test("the network goes and comes back: what was written meanwhile is sent, what was missed is shown, even through a reload", async (t) => {
  const { server, alice, bob } = await two(t);
  const said = ["together"];
  await alice.say("together");
  await bob.sees("together");
  await alice.context.setOffline(true);
  // An open WebSocket outlives the switch; the client believes the browser and says so.
  await alice.page.getByText(/You’re offline/).waitFor();
  for (let n = 1; n <= 5; n += 1) {
    said.push(`bob alone ${n}`, `alice alone ${n}`);
    await bob.say(`bob alone ${n}`);
    await alice.say(`alice alone ${n}`);
  }
  await alice.context.setOffline(false);
  await alice.isLive();
  await sameList(said, alice, bob);

  // Written while the server is gone, and the page reloaded before anything could be sent.
  await server.kill();
  said.push("kept through a reload");
  await alice.say("kept through a reload");
  await alice.page.getByText(/waiting to be sent/).first().waitFor();
  await server.up();
  await alice.page.reload();
  await bob.sees("kept through a reload");
  await sameList(said, alice, bob);
  assert.deepEqual([...alice.faults, ...bob.faults], []);
});

test("signing a device out ends its page with the reason", async (t) => {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const person = await Person.arrive(t, browser, server);
  await person.signUp("alice@example.org", "Alice");
  const other = await server.signUp("alice@example.org").catch(() => null);
  // The code of the second mail; the first one is used up.
  const { challengeId } = await server.ok("POST", "/v1/auth/otp", { body: { email: "alice@example.org", intent: "login" } });
  const mails = await server.ok("GET", "/dev/mail.json?to=alice@example.org");
  const code = await server.codeFor("alice@example.org", { notBefore: mails.length - 1 });
  const laptop = other ?? (await server.ok("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code } }));
  await server.ok("POST", "/v1/auth/sessions/revoke-others", { token: laptop.accessToken, body: {} });
  await person.page.getByText("This device was signed out from another one").waitFor();
  await person.page.getByLabel("Email address").waitFor();
  await person.page.reload();
  await person.page.getByLabel("Email address").waitFor();
  assert.deepEqual(person.faults, []);
});

test("sign-in and workspace hold up to axe in light and dark, and fit a phone without a sideways scroll", async (t) => {
  const { server, alice, bob } = await two(t);
  const guest = await Person.arrive(t, browser, server);
  for (const scheme of ["light", "dark"]) {
    await guest.dress(scheme);
    await guest.shot(`sign-in-${scheme}-1280`);
    assert.deepEqual(await guest.violations(), [], `sign-in, ${scheme}`);
  }
  await guest.page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await guest.overflow(), 0);
  await guest.shot("sign-in-dark-390");
  await guest.askForCode("guest@example.org");
  assert.deepEqual(await guest.violations(), [], "code");
  assert.equal(await guest.overflow(), 0);
  await guest.shot("code-dark-390");

  await alice.shot("room-empty-light-1280");
  await alice.say("A message with `code`, a link https://example.org/a/very/long/path/that/has/no/end?and=a&query=too and **stars**");
  await bob.say("بعض النص من اليمين إلى اليسار, 你好, 🦀🦀🦀");
  await bob.say("x".repeat(300));
  await alice.sees("你好");
  await alice.act("你好", "Add reaction 👍");
  await alice.page.getByRole("button", { name: /^👍, 1 reaction/ }).waitFor();
  for (const scheme of ["light", "dark"]) {
    await alice.dress(scheme);
    await alice.page.setViewportSize({ width: 1280, height: 800 });
    await alice.shot(`workspace-${scheme}-1280`);
    assert.deepEqual(await alice.violations(), [], `workspace, ${scheme}`);
    await alice.page.setViewportSize({ width: 390, height: 844 });
    assert.equal(await alice.overflow(), 0);
    await alice.shot(`conversation-${scheme}-390`);
    assert.deepEqual(await alice.violations(), [], `conversation at 390, ${scheme}`);
    await alice.page.getByRole("button", { name: "All conversations" }).click();
    await alice.page.getByRole("navigation", { name: "Conversations" }).waitFor();
    assert.equal(await alice.overflow(), 0);
    await alice.shot(`rooms-${scheme}-390`);
    assert.deepEqual(await alice.violations(), [], `rooms at 390, ${scheme}`);
    await alice.page.getByRole("link", { name: /wonderland/ }).click();
    await alice.composer().waitFor();
  }
  assert.deepEqual([...alice.faults, ...bob.faults, ...guest.faults], []);
});

test("a room of thousands of messages scrolls, and the page holds only a window of it", async (t) => {
  const data = freshFolder(t);
  const MANY = 3_000;
  const people = await seed(data, { users: 2, rooms: 1, members: 2 });
  const server = await Server.start(t, { data, args: ["--limits", "off"] });
  const writer = await Member.join(t, server, people[0]);
  const [room] = people[0].rooms;
  let next = 0;
  const lane = async () => {
    while (next < MANY) {
      next += 1;
      await writer.ask("message:send", { roomId: room, clientId: crypto.randomUUID(), text: `line ${next}${next % 7 === 0 ? "\nwith a second one" : ""}` });
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));

  const reader = await Person.arrive(t, browser, server);
  // A seeded person signs in as any other: the address is made of the id.
  await reader.signUp(`${people[1].userId}@seed.invalid`);
  await reader.page.getByRole("link", { name: /Room 0/ }).click();
  const log = reader.page.getByRole("log");
  // Whoever read nothing begins at the first unread or at the end; both ways lead to the end.
  const end = async () => (await reader.timeline()).messages.at(-1)?.seq;
  await reader.composer().waitFor();
  await until(async () => (await reader.timeline()).messages.length > 5, "the first window");
  let drawn = 0;
  const scrollTo = async (where, wanted) => {
    for (let steps = 0; !(await wanted()); steps += 1) {
      assert.ok(steps < 400, `scrolled ${steps} times in vain`);
      await log.evaluate((box, to) => (box.scrollTop = to === "top" ? 0 : box.scrollHeight), where);
      await reader.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      drawn = Math.max(drawn, (await reader.timeline()).messages.length);
    }
  };
  await scrollTo("end", async () => (await end()) === MANY + 2);
  await reader.shot("many-at-the-end");
  await scrollTo("top", async () => (await reader.timeline()).messages[0]?.seq === 3);
  await reader.shot("many-at-the-start");
  assert.ok(drawn < 150, `at most a window is drawn: ${drawn}`);
  const seqs = (await reader.timeline()).messages.map((one) => one.seq);
  assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n), "without a hole");

  // What arrives while one reads above does not move what one reads.
  const first = () => log.evaluate((box) => [...box.querySelectorAll("article")].map((one) => [one.dataset.seq, Math.round(one.getBoundingClientRect().top)])[0]);
  const stood = await first();
  await writer.ask("message:send", { roomId: room, clientId: crypto.randomUUID(), text: "news from below" });
  await reader.page.getByRole("button", { name: /new message/ }).last().click();
  await reader.sees("news from below");
  assert.equal(stood[0], "3");
  assert.deepEqual(reader.faults, []);
});

test("the page keeps a strict policy: nothing from elsewhere, no inline script, no framing", async (t) => {
  const server = await Server.start(t);
  const { headers } = await server.call("GET", "/");
  const policy = headers.get("content-security-policy");
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /script-src[^;]*unsafe/);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  const person = await Person.arrive(t, browser, server);
  const foreign = [];
  person.page.on("request", (request) => !request.url().startsWith(server.url) && !request.url().startsWith("data:") && foreign.push(request.url()));
  await person.page.reload();
  await person.page.getByLabel("Email address").waitFor();
  const blocked = await person.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = true";
    document.head.append(script);
    return globalThis.ran !== true;
  });
  assert.ok(blocked, "an inline script ran");
  assert.deepEqual(foreign, []);
  const cookies = await person.context.cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === "Strict"), JSON.stringify(cookies));
});
