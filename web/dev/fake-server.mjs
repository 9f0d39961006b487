// A stand-in for chatify that keeps everything in memory: for screenshots, for work on the screens, and for the tests
// of src/client. It follows the contract's names and orders, and can be told to misbehave. It is never part of a build.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const SECOND = 1000;

/** Starts it. `world` is from dev/world.mjs or empty; `port` 0 takes any. */
export async function startFake({ port = 0, world = emptyWorld(), tokenSeconds = 600, replayMax = 1000 } = {}) {
  const fake = new Fake(world, { tokenSeconds, replayMax });
  await fake.listen(port);
  return fake;
}

export function emptyWorld() {
  return { users: new Map(), rooms: new Map(), sessions: new Map(), presence: new Map() };
}

export const at = (ms) => new Date(ms).toISOString();

/** A room with its log. Entries are `{name, data}` as they go over the wire, dense from seq 1. */
export function makeRoom({ type, name = null, topic = null, createdBy, createdAt = Date.now(), epoch = Math.floor(Math.random() * 2 ** 40) }) {
  return { id: `room_${randomUUID()}`, type, name, topic, createdBy, createdAt: at(createdAt), epoch, members: new Map(), log: [], messages: [], read: new Map() };
}

export function addMember(room, userId, role = "member", when = Date.now()) {
  const member = { userId, role, joinedAt: at(when), mutedUntil: null };
  room.members.set(userId, member);
  return append(room, "member:joined", { member });
}

export function say(room, senderId, text, { when = Date.now(), clientId = randomUUID(), replyTo = null, mentions = [], meta = null } = {}) {
  const message = {
    id: `msg_${randomUUID()}`, roomId: room.id, seq: room.log.length + 1, n: room.messages.length + 1, clientId, senderId, text: text.normalize("NFC"),
    replyTo, mentions, reactions: [], version: 1, createdAt: at(when), editedAt: null, deletedAt: null, meta,
  };
  room.messages.push(message);
  return append(room, "message:new", { message: { ...message } }).data.message;
}

export function append(room, name, data) {
  const event = { name, data: { roomId: room.id, seq: room.log.length + 1, ...data } };
  room.log.push(event);
  return event;
}

export function react(message, emoji, userId, add = true) {
  const held = message.reactions.find((one) => one.emoji === emoji);
  if (add && held?.userIds.includes(userId)) return;
  if (add && held) held.userIds.push(userId);
  else if (add) message.reactions.push({ emoji, count: 0, userIds: [userId] });
  else if (held) held.userIds = held.userIds.filter((id) => id !== userId);
  for (const one of message.reactions) one.count = one.userIds.length;
  message.reactions = message.reactions.filter((one) => one.count > 0);
}

const problem = (code, status = 400, more = {}) => ({ type: `/docs/errors/${code}`, title: code, status, detail: code, code, ...more });
class Refusal extends Error {
  constructor(...args) {
    super(args[0]);
    this.problem = problem(...args);
  }
}

class Fake {
  /** What tests may turn: `dropAcks`, `dropEvents`, `refuseSends` (a code), `silent` (no replay). */
  faults = { dropAcks: 0, dropEvents: 0, refuseSends: null, noReplay: false, slowHistoryMs: 0 };
  /** Every `message:send` that came, in order. */
  sends = [];
  refreshes = 0;
  tokens = new Map();
  cookies = new Map();
  challenges = new Map();
  mail = [];

  constructor(world, { tokenSeconds, replayMax }) {
    this.world = world;
    this.tokenSeconds = tokenSeconds;
    this.replayMax = replayMax;
  }

  async listen(port) {
    this.http = createServer((request, response) => void this.rest(request, response));
    this.io = new Server(this.http, { serveClient: false });
    this.io.use((socket, next) => {
      const userId = this.tokens.get(socket.handshake.auth.token);
      if (userId && !this.fullHouse) {
        socket.data.userId = userId;
        return next();
      }
      const refusal = new Error("refused");
      refusal.data = this.fullHouse ? problem("too_many_connections", 429, { retryAfter: 8000 }) : problem("token_invalid", 401);
      next(refusal);
    });
    this.io.on("connection", (socket) => this.connected(socket));
    await new Promise((resolve) => this.http.listen(port, "127.0.0.1", resolve));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async close() {
    this.io.disconnectSockets(true);
    await new Promise((resolve) => this.io.close(resolve));
  }

  /** Cuts every socket as a crash would: no goodbye. */
  cut() {
    for (const socket of this.io.sockets.sockets.values()) socket.conn.close();
  }

  tokenFor(userId) {
    const token = `token-${randomUUID()}`;
    this.tokens.set(token, userId);
    return token;
  }

  summary(room, userId) {
    const read = room.read.get(userId) ?? { readSeq: 0, readN: 0 };
    const unseen = room.messages.slice(read.readN);
    return {
      ...this.settings(room), role: room.members.get(userId)?.role ?? "member", epoch: room.epoch, headSeq: room.log.length, headN: room.messages.length,
      ...read, unread: room.messages.length - read.readN, mentions: unseen.filter((one) => one.mentions.includes(userId)).length,
      peerId: room.type === "dm" ? ([...room.members.keys()].find((id) => id !== userId) ?? null) : null, lastMessage: room.messages.at(-1) ?? null,
    };
  }

  settings(room) {
    const { id, type, name, topic, createdBy, createdAt } = room;
    return { id, type, name, topic, createdBy, createdAt, memberCount: room.members.size };
  }

  connected(socket) {
    const { userId } = socket.data;
    const cursors = socket.handshake.auth.resume?.cursors ?? {};
    const mine = [...this.world.rooms.values()].filter((room) => room.members.has(userId));
    for (const room of mine) socket.join(room.id);
    socket.join(userId);
    socket.emit("session:ready", {
      sessionId: "ses_1", userId, resumed: Object.keys(cursors).length > 0, serverTime: at(Date.now()), node: "fake",
      limits: { textChars: 4000, frameBytes: 65536, replayEvents: this.replayMax }, rooms: mine.map((room) => this.summary(room, userId)),
      tokenExpiresAt: at(Date.now() + this.tokenSeconds * SECOND),
    });
    for (const room of this.faults.noReplay ? [] : mine) {
      const cursor = cursors[room.id];
      if (cursor === undefined || cursor.epoch !== room.epoch) continue;
      const missed = room.log.slice(cursor.seq);
      if (missed.length > this.replayMax) socket.emit("stream:gap", { roomId: room.id, haveSeq: cursor.seq, headSeq: room.log.length });
      else for (const event of missed) socket.emit(event.name, event.data);
    }
    this.setPresence(userId, "online");
    socket.on("disconnect", () => this.setPresence(userId, this.io.sockets.adapter.rooms.get(userId)?.size ? "online" : "offline"));
    socket.onAny((name, payload, ack) => {
      try {
        const data = this.handle(socket, name, payload);
        if (this.faults.dropAcks > 0 && name === "message:send") this.faults.dropAcks -= 1;
        else if (this.faults.slowHistoryMs && name === "history") setTimeout(() => ack?.({ ok: true, data }), this.faults.slowHistoryMs);
        else ack?.({ ok: true, data });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        ack?.({ ok: false, error: error.problem });
      }
    });
  }

  setPresence(userId, status, text) {
    const one = { userId, status, ...(text ? { text } : {}) };
    this.world.presence.set(userId, one);
    this.io.emit("presence:changed", { users: [one] });
  }

  /** Sends one log entry to the room. */
  publish(event) {
    if (this.faults.dropEvents > 0) {
      this.faults.dropEvents -= 1;
      return;
    }
    this.io.to(event.data.roomId).emit(event.name, event.data);
  }

  room(id, userId) {
    const room = this.world.rooms.get(id);
    if (!room || !room.members.has(userId)) throw new Refusal("room_not_found", 404);
    return room;
  }

  message(room, id) {
    const message = room.messages.find((one) => one.id === id);
    if (!message) throw new Refusal("message_not_found", 404);
    return message;
  }

  handle(socket, name, payload) {
    const { userId } = socket.data;
    if (name === "presence:watch") return { users: (payload.userIds ?? []).map((id) => this.world.presence.get(id) ?? { userId: id, status: "offline" }) };
    if (name === "presence:set") return this.setPresence(userId, payload.status, payload.text);
    if (name === "auth:refresh") return { tokenExpiresAt: at(Date.now() + this.tokenSeconds * SECOND) };
    if (name === "sync") return { rooms: Object.fromEntries(Object.entries(payload.rooms).map(([id, cursor]) => [id, this.sync(this.room(id, userId), cursor)])) };
    const room = this.room(payload.roomId, userId);
    switch (name) {
      case "message:send":
        return this.send(room, userId, payload);
      case "message:edit": {
        const message = this.message(room, payload.id);
        Object.assign(message, { text: payload.text, version: message.version + 1, editedAt: at(Date.now()) });
        this.publish(append(room, "message:updated", { message: { ...message } }));
        return { message };
      }
      case "message:delete": {
        const message = this.message(room, payload.id);
        Object.assign(message, { text: "", mentions: [], reactions: [], version: message.version + 1, deletedAt: at(Date.now()) });
        this.publish(append(room, "message:deleted", { id: message.id, message: { ...message } }));
        return { message };
      }
      case "reaction:add":
      case "reaction:remove": {
        const message = this.message(room, payload.id);
        const add = name === "reaction:add";
        react(message, payload.emoji, userId, add);
        const count = message.reactions.find((one) => one.emoji === payload.emoji)?.count ?? 0;
        this.publish(append(room, "reaction:updated", { id: message.id, emoji: payload.emoji, count, userId, op: add ? "add" : "remove" }));
        return { emoji: payload.emoji, count };
      }
      case "history":
        return this.history(room, payload);
      case "receipt:read": {
        const n = room.messages.filter((one) => one.seq <= payload.seq).length;
        room.read.set(userId, { readSeq: payload.seq, readN: n });
        socket.to(room.id).emit("receipt:updated", { roomId: room.id, userId, readSeq: payload.seq, readN: n });
        const { readN, unread, mentions } = this.summary(room, userId);
        socket.to(userId).emit("unread:updated", { roomId: room.id, readSeq: payload.seq, readN, unread, mentions });
        return { readN, unread, mentions };
      }
      case "typing:start":
      case "typing:stop":
        socket.to(room.id).emit("typing", { roomId: room.id, userId, active: name === "typing:start" });
        return null;
      default:
        throw new Refusal("unknown_event");
    }
  }

  send(room, userId, payload) {
    this.sends.push(payload);
    if (this.faults.refuseSends) throw new Refusal(this.faults.refuseSends, 503, { retryAfter: 20 });
    if (payload.text.trim() === "") throw new Refusal("text_empty");
    const known = room.messages.find((one) => one.clientId === payload.clientId && one.senderId === userId);
    if (known) return { message: known, duplicate: true };
    const message = say(room, userId, payload.text, payload);
    room.read.set(userId, { readSeq: message.seq, readN: message.n });
    this.publish(room.log.at(-1));
    return { message, duplicate: false };
  }

  sync(room, cursor) {
    const from = typeof cursor === "number" ? cursor : cursor.seq;
    const { epoch } = room;
    const headSeq = room.log.length;
    if (typeof cursor === "object" && cursor.epoch !== room.epoch) return { events: [], headSeq, epoch, gap: true, more: false };
    if (headSeq - from > this.replayMax) return { events: [], headSeq, epoch, gap: true, more: false };
    const events = room.log.slice(from, from + 256).map((event) => ({ event: event.name, data: event.data }));
    return { events, headSeq, epoch, gap: false, more: from + events.length < headSeq };
  }

  history(room, { before, after, around, limit = 50 }) {
    const all = room.messages;
    if (around !== undefined) {
      const middle = all.findIndex((one) => one.seq >= around);
      const from = Math.max(0, middle - Math.floor(limit / 2));
      return { messages: all.slice(from, from + limit), more: from > 0 };
    }
    if (after !== undefined) {
      const later = all.filter((one) => one.seq > after);
      return { messages: later.slice(0, limit), more: later.length > limit };
    }
    const earlier = before === undefined ? all : all.filter((one) => one.seq < before);
    return { messages: earlier.slice(-limit), more: earlier.length > limit };
  }

  // ── REST ──

  async rest(request, response) {
    let body = "";
    for await (const part of request) body += part;
    const reply = (status, value, headers = {}) => {
      response.writeHead(status, { "content-type": status >= 400 ? "application/problem+json" : "application/json", ...headers });
      response.end(value === undefined ? "" : JSON.stringify(value));
    };
    try {
      const url = new URL(request.url, "http://fake");
      const [status, value, headers] = this.route(request.method, url, body ? JSON.parse(body) : {}, request.headers);
      reply(status, value, headers);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply(error.problem.status, error.problem);
    }
  }

  route(method, url, body, headers) {
    const path = url.pathname;
    const parts = path.split("/").filter(Boolean).slice(1);
    const cookie = /chatify_refresh=([^;]+)/.exec(headers.cookie ?? "")?.[1];
    if (path === "/v1/limits") return [200, { textChars: 4000, devMailbox: true }];
    if (parts[0] === "auth" && parts[1] === "otp") return this.otp(method, parts, body);
    if (path === "/v1/auth/token") {
      const userId = this.cookies.get(cookie);
      if (!userId) throw new Refusal("refresh_invalid", 401);
      this.refreshes += 1;
      return [200, { accessToken: this.tokenFor(userId), tokenType: "Bearer", expiresIn: this.tokenSeconds }];
    }
    const userId = this.tokens.get((headers.authorization ?? "").replace("Bearer ", ""));
    if (!userId) throw new Refusal("token_expired", 401);
    if (parts[0] === "auth") return this.sessions(method, parts, userId, cookie);
    if (parts[0] === "users") return this.users(method, parts, url, body, userId);
    if (parts[0] === "rooms" || parts[0] === "dms") return this.rooms(method, parts, body, userId);
    if (parts[0] === "directory") {
      const q = (url.searchParams.get("q") ?? "").toLowerCase();
      const found = [...this.world.rooms.values()].filter((room) => room.type === "public" && room.name.toLowerCase().includes(q));
      return [200, { data: found.map((room) => this.settings(room)), page: { next: null } }];
    }
    throw new Refusal("not_found", 404);
  }

  otp(method, parts, body) {
    if (method === "POST" && parts.length === 2) {
      const id = `otp_${randomUUID()}`;
      const code = String(Math.floor(Math.random() * 1e8)).padStart(8, "0");
      this.challenges.set(id, { email: body.email, code, left: 5, state: this.mailState ?? "sent" });
      this.mail.unshift({ to: body.email, text: code });
      return [202, { challengeId: id, expiresIn: 300, resendAfter: 30, codeLength: 8 }];
    }
    const challenge = this.challenges.get(parts[2]);
    if (!challenge) throw new Refusal("challenge_not_found", 404);
    if (method === "GET") return [200, { state: challenge.state, resendAfter: 30, attemptsLeft: challenge.left }];
    if (parts[3] === "resend") return [202, { challengeId: parts[2], expiresIn: 300, resendAfter: 30, codeLength: 8 }];
    if (challenge.left === 0) throw new Refusal("otp_locked", 429);
    if (body.code !== challenge.code) throw new Refusal("otp_invalid", 400, { attemptsLeft: --challenge.left });
    let user = [...this.world.users.values()].find((one) => one.email === challenge.email);
    if (!user) {
      user = { id: `usr_${randomUUID()}`, displayName: challenge.email.split("@")[0], email: challenge.email, createdAt: at(Date.now()) };
      this.world.users.set(user.id, user);
    }
    const cookie = randomUUID();
    this.cookies.set(cookie, user.id);
    const session = { id: `ses_${randomUUID()}`, device: body.device ?? null, createdAt: at(Date.now()), lastUsedAt: at(Date.now()), current: true };
    return [200, { user, accessToken: this.tokenFor(user.id), tokenType: "Bearer", expiresIn: this.tokenSeconds, session }, { "set-cookie": `chatify_refresh=${cookie}; Path=/v1/auth; HttpOnly; SameSite=Strict` }];
  }

  sessions(method, parts, userId, cookie) {
    if (parts[1] === "logout") {
      this.cookies.delete(cookie);
      return [204];
    }
    const mine = this.world.sessions.get(userId) ?? [];
    if (method === "GET") return [200, { data: mine }];
    this.world.sessions.set(userId, mine.filter((one) => one.current || (method === "DELETE" && one.id !== parts[2])));
    return [204];
  }

  users(method, parts, url, body, userId) {
    const everyone = [...this.world.users.values()];
    const open = ({ email: _, ...user }) => user;
    if (parts[1] === "me") {
      const me = this.world.users.get(userId);
      if (method === "PATCH") Object.assign(me, body);
      return [200, me];
    }
    if (parts[1]) {
      const user = this.world.users.get(parts[1]);
      if (!user) throw new Refusal("user_not_found", 404);
      return [200, open(user)];
    }
    const q = (url.searchParams.get("q") ?? "").toLowerCase();
    return [200, { data: everyone.filter((one) => one.displayName.toLowerCase().includes(q)).slice(0, 20).map(open) }];
  }

  rooms(method, parts, body, userId) {
    if (parts[0] === "dms") {
      const held = [...this.world.rooms.values()].find((room) => room.type === "dm" && room.members.has(userId) && room.members.has(parts[1]));
      return [200, this.summary(held ?? this.create({ type: "dm" }, userId, [parts[1]]), userId)];
    }
    if (method === "POST" && parts.length === 1) return [201, this.summary(this.create(body, userId, body.memberIds ?? []), userId)];
    const room = this.world.rooms.get(parts[1]);
    if (!room || (!room.members.has(userId) && room.type !== "public")) throw new Refusal("room_not_found", 404);
    if (parts[2] === "messages") return [200, this.message(room, parts[3])];
    if (parts[2] === "members") return this.memberCalls(method, room, parts[3] === "me" ? userId : parts[3], body);
    if (method === "PATCH") {
      Object.assign(room, body);
      this.publish(append(room, "room:updated", { room: this.settings(room) }));
    }
    return [200, room.members.has(userId) ? this.summary(room, userId) : this.settings(room)];
  }

  memberCalls(method, room, userId, body) {
    if (method === "GET") return [200, { data: [...room.members.values()], page: { next: null } }];
    if (method === "PUT" && !room.members.has(userId)) {
      this.publish(addMember(room, userId));
      this.io.in(userId).socketsJoin(room.id);
      this.io.to(userId).emit("room:added", { room: this.summary(room, userId) });
    }
    if (method === "PATCH") {
      const member = Object.assign(room.members.get(userId), body);
      this.publish(append(room, "member:updated", { userId, member: { ...member } }));
    }
    if (method === "DELETE") {
      room.members.delete(userId);
      this.publish(append(room, "member:left", { userId, reason: "left" }));
      this.io.to(userId).emit("room:removed", { roomId: room.id, reason: "left" });
      this.io.in(userId).socketsLeave(room.id);
    }
    return [method === "DELETE" ? 204 : 200, method === "DELETE" ? undefined : room.members.get(userId)];
  }

  create({ type, name = null }, userId, others) {
    const room = makeRoom({ type, name, createdBy: userId });
    this.world.rooms.set(room.id, room);
    addMember(room, userId, "owner");
    for (const id of others) addMember(room, id);
    for (const id of room.members.keys()) {
      this.io.in(id).socketsJoin(room.id);
      this.io.to(id).emit("room:added", { room: this.summary(room, id) });
    }
    return room;
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { demoWorld } = await import("./world.mjs");
  const fake = await startFake({ port: Number(process.env.PORT ?? 8080), world: demoWorld().world });
  process.stdout.write(`fake chatify on ${fake.url}; sign in as maya@example.com\n`);
  setInterval(() => {
    for (const { to, text } of fake.mail.splice(0)) process.stdout.write(`code for ${to}: ${text}\n`);
  }, 300);
}
