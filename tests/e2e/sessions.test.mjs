// A person's way in and out: code by mail, tokens, devices, and what becomes of the sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Member } from "./lib/member.mjs";
import { Server } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const tokenOf = (server, refreshToken) => server.call("POST", "/v1/auth/token", { body: { grantType: "refresh_token", refreshToken } });

test("a person signs up with the mailed code, takes a second device, and signs it out: its socket goes within a second", async (t) => {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const phone = await server.signUp("ada@example.org", "Ada", "phone");
  assert.equal(phone.user.displayName, "Ada");
  assert.equal(phone.tokenType, "Bearer");
  assert.equal(phone.expiresIn, 600);

  // The same person again, with another device.
  const { challengeId } = await server.ok("POST", "/v1/auth/otp", { body: { email: "ADA@example.org", intent: "login" } });
  const code = await server.codeFor("ada@example.org", { notBefore: 1 });
  const laptop = await server.ok("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code, device: "laptop" } });
  assert.equal(laptop.user.id, phone.user.id);
  assert.notEqual(laptop.session.id, phone.session.id);
  assert.equal((await server.call("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code } })).status, 410, "a code is good once");

  const listed = (await server.ok("GET", "/v1/auth/sessions", { token: phone.accessToken })).data;
  assert.deepEqual(listed.map((one) => one.device).sort(), ["laptop", "phone"]);
  assert.deepEqual(listed.filter((one) => one.current).map((one) => one.id), [phone.session.id]);

  for (const transports of [["websocket"], ["polling"]]) {
    const kept = await Member.join(t, server, { userId: phone.user.id, token: phone.accessToken, way: { transports } });
    assert.equal(kept.hello.sessionId, phone.session.id);
    assert.equal(kept.hello.userId, phone.user.id);
  }
  const onLaptop = await Promise.all([["websocket"], ["polling"]].map((transports) => Member.join(t, server, { userId: laptop.user.id, token: laptop.accessToken, way: { transports } })));
  const asked = Date.now();
  await server.ok("DELETE", `/v1/auth/sessions/${laptop.session.id}`, { token: phone.accessToken });
  for (const member of onLaptop) {
    assert.equal((await member.hears("session:revoked")).reason, "revoked");
    await until(() => member.goodbyes.length > 0, "the disconnect");
    // A DISCONNECT packet and no mere loss of the transport: the client must not come back by itself.
    assert.deepEqual(member.goodbyes, ["io server disconnect"]);
    assert.equal(member.socket.active, false);
  }
  t.diagnostic(`signed out to disconnected: ${Date.now() - asked} ms`);

  // Nothing of the laptop works any more; the phone goes on.
  assert.equal((await server.call("GET", "/v1/users/me", { token: laptop.accessToken })).body.code, "session_revoked");
  assert.equal((await tokenOf(server, laptop.refreshToken)).status, 401);
  const back = new Member(t, server, { userId: laptop.user.id, token: laptop.accessToken });
  assert.equal((await until(() => back.refusals[0], "the refusal")).code, "session_revoked");
  assert.equal((await server.ok("GET", "/v1/users/me", { token: phone.accessToken })).id, phone.user.id);
  await server.ok("POST", "/v1/auth/logout", { token: phone.accessToken, body: {} });
  assert.equal((await server.call("GET", "/v1/users/me", { token: phone.accessToken })).body.code, "session_revoked");
});

test("a refresh token works once; a stolen one signs the whole device out, and its socket with it", async (t) => {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const first = await server.signUp("eve@example.org", "Eve");
  const second = (await tokenOf(server, first.refreshToken)).body;
  const lostAnswer = (await tokenOf(server, first.refreshToken)).body;
  assert.equal(lostAnswer.refreshToken, second.refreshToken, "a repeat within the grace gives the same successor");
  const socket = await Member.join(t, server, { userId: first.user.id, token: second.accessToken });
  const third = (await tokenOf(server, second.refreshToken)).body;
  assert.notEqual(third.refreshToken, second.refreshToken);
  const { tokenExpiresAt } = await socket.ask("auth:refresh", { token: third.accessToken });
  assert.ok(Date.parse(tokenExpiresAt) > Date.now());

  const reused = await tokenOf(server, first.refreshToken);
  assert.equal(reused.status, 401);
  assert.equal(reused.body.code, "refresh_reused");
  assert.equal((await socket.hears("session:revoked")).reason, "refresh_reused");
  await until(() => socket.goodbyes[0] === "io server disconnect", "the disconnect");
  assert.equal((await tokenOf(server, third.refreshToken)).status, 401);
});

test("a revoked session stays revoked through a kill, and the others stay signed in", async (t) => {
  const server = await Server.start(t, { args: ["--limits", "off"] });
  const one = await server.signUp("one@example.org", "One");
  const other = await server.signUp("two@example.org", "Two");
  const socket = await Member.join(t, server, { userId: other.user.id, token: other.accessToken });
  await server.ok("POST", "/v1/auth/logout", { token: one.accessToken, body: {} });
  await server.killAndRestart();
  assert.equal((await server.call("GET", "/v1/users/me", { token: one.accessToken })).body.code, "session_revoked");
  assert.equal((await server.ok("GET", "/v1/users/me", { token: other.accessToken })).id, other.user.id);
  await until(() => socket.readies === 2, "the socket to come back");
  assert.equal((await tokenOf(server, other.refreshToken)).status, 200);
});

test("codes: a wrong one costs a try, the fifth locks the challenge, a second mail has to wait", async (t) => {
  const server = await Server.start(t);
  const ask = (email, intent) => server.call("POST", "/v1/auth/otp", { body: { email, intent } });
  const asked = await ask("mallory@example.org", "login");
  assert.equal(asked.status, 202);
  assert.deepEqual(Object.keys(asked.body).sort(), Object.keys((await ask("nobody@example.org", "signup")).body).sort(), "known or not, one shape");
  const { challengeId } = asked.body;
  const code = await server.codeFor("mallory@example.org");
  const wrong = code === "00000000" ? "00000001" : "00000000";
  for (const left of [4, 3, 2, 1, 0]) {
    const refused = await server.call("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code: wrong } });
    if (refused.body.code === "otp_invalid") assert.equal(refused.body.attemptsLeft, left);
    else assert.equal(refused.body.code, "otp_locked");
  }
  const right = await server.call("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code } });
  assert.equal(right.status, 429);
  assert.equal(right.body.code, "otp_locked");
  // Asking anew is answered as ever (nobody learns which mailbox is known), and no second mail goes out so soon.
  assert.equal((await ask("mallory@example.org", "login")).status, 202);
  const soon = await server.call("POST", `/v1/auth/otp/${challengeId}/resend`);
  assert.equal(soon.status, 429);
  assert.equal(soon.body.code, "otp_cooldown");
  assert.ok(soon.body.retryAfter > 0 && soon.body.retryAfter <= 30, JSON.stringify(soon.body));
  assert.equal(soon.headers.get("retry-after"), `${soon.body.retryAfter}`);
  assert.equal((await server.ok("GET", "/dev/mail.json?to=mallory@example.org")).length, 1);
});
