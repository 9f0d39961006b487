// A client as the guide for client developers describes it, on the stock socket.io-client: cursors, gap-free taking,
// sends that are repeated with the same clientId. Everything goes into the history that is judged at the end.
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";
import { afterwards } from "./server.mjs";
import { until, within } from "./wait.mjs";

const DURABLE = new Set(["message:new", "message:updated", "message:deleted", "reaction:updated", "room:updated", "room:deleted", "member:joined", "member:left", "member:updated"]);
/** Refusals after which the same send may be repeated. */
const AGAIN = new Set(["outcome_unknown", "unavailable", "overloaded", "rate_limited", "draining", "internal"]);
/** Short, so that a story with five restarts takes seconds; the ways taken are those of the defaults. */
const HASTE = { reconnectionDelay: 50, reconnectionDelayMax: 250, timeout: 5_000 };

/** The transports of the three ways to talk. */
export const WAYS = {
  "by WebSocket alone": { transports: ["websocket"] },
  "by polling alone": { transports: ["polling"] },
  "by default, upgrading": {},
};

export class Refused extends Error {
  constructor(problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.code = problem.code;
  }
}

export class Member {
  /** room → the last seq taken in; what a reconnect resumes from. */
  cursors = {};
  epochs = {};
  /** room → durable events in their order, `{event, data}`. */
  logs = {};
  /** Everything heard, in order, `{event, data}`. */
  heard = [];
  readies = 0;
  /** Problems of connect errors. */
  refusals = [];
  /** Reasons of disconnects. */
  goodbyes = [];
  /** Where order was broken: a right server leaves this empty. */
  breaks = [];
  #conn = null;

  /** `keeps`: whether what is heard stays in memory; in a run of hours it must not. `triesMax`: when a send is given up. */
  constructor(test, server, { userId, token, history = null, way = {}, options = {}, resume = true, keeps = true, triesMax = 200 }) {
    Object.assign(this, { userId, token, history, keeps, triesMax });
    this.socket = io(server.url, {
      ...HASTE,
      forceNew: true,
      ...way,
      ...options,
      auth: (send) => send({ token: this.token, ...(resume && { resume: { cursors: this.#resume() } }) }),
    });
    this.socket.onAny((event, data) => this.#take(event, data));
    this.socket.on("disconnect", (reason) => {
      this.goodbyes.push(reason);
      this.#ended();
    });
    this.socket.on("connect_error", (error) => error.data && this.refusals.push(error.data));
    afterwards(test, () => this.close());
  }

  /** Connects and waits for `session:ready`. */
  static async join(test, server, person) {
    const member = new Member(test, server, person);
    await member.ready();
    return member;
  }

  close() {
    this.socket.disconnect();
  }

  /** `session:ready` of the connection that stands, awaited. */
  ready() {
    return until(() => {
      if (this.refusals.length > 0 && !this.socket.active) throw new Refused(this.refusals.at(-1));
      return this.#conn !== null && this.hello;
    }, `${this.userId} to be let in`);
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  #resume() {
    return Object.fromEntries(Object.entries(this.cursors).map(([room, seq]) => [room, { seq, epoch: this.epochs[room] }]));
  }

  #ended() {
    if (this.#conn !== null) this.history?.disconnect(this.#conn);
    this.#conn = null;
  }

  #begin(room, epoch, after) {
    this.epochs[room] = epoch;
    this.cursors[room] = after;
    this.logs[room] ??= [];
    this.history?.start(this.#conn, room, epoch, after);
  }

  #take(event, data) {
    if (this.keeps) this.heard.push({ event, data });
    if (event === "session:ready") {
      this.#conn = this.history?.fresh() ?? 1;
      this.hello = data;
      this.readies += 1;
      this.history?.connect(this.#conn, data.userId, data.sessionId);
      for (const room of data.rooms) this.#begin(room.id, room.epoch, this.cursors[room.id] ?? room.headSeq);
    } else if (event === "room:added") {
      this.#begin(data.room.id, data.room.epoch, this.cursors[data.room.id] ?? data.room.headSeq);
    } else if (event === "room:removed") {
      this.history?.stop(this.#conn, data.roomId);
    } else if (event === "stream:gap") {
      this.history?.stop(this.#conn, data.roomId);
      this.#begin(data.roomId, this.epochs[data.roomId], data.headSeq);
    } else if (DURABLE.has(event)) {
      const at = this.cursors[data.roomId];
      if (data.seq !== at + 1) this.breaks.push(`${event} of ${data.roomId} came as ${data.seq} after ${at}`);
      this.history?.deliver(this.#conn, event, data);
      this.cursors[data.roomId] = data.seq;
      if (this.keeps) (this.logs[data.roomId] ??= []).push({ event, data });
    }
  }

  /** The ack's data, or a Refused. No answer is an error of another kind. */
  async ask(event, payload, bound = 15_000) {
    const ack = await this.socket.timeout(bound).emitWithAck(event, payload);
    if (!ack.ok) throw new Refused(ack.error);
    return ack.data;
  }

  /** The problem with which something is refused; an answer of any other kind is an error. */
  async refusal(event, ...payload) {
    const ack = await this.socket.timeout(15_000).emitWithAck(event, ...payload);
    if (ack.ok) throw new Error(`${event} ${JSON.stringify(payload).slice(0, 100)} was not refused`);
    return ack.error;
  }

  /** One attempt, as it stands in the history. */
  async #attempt(message) {
    const id = this.history?.fresh();
    this.history?.invoke(id, this.#conn, this.userId, message.roomId, message.clientId, message.text);
    try {
      const data = await this.ask("message:send", message, 3_000);
      this.history?.ok(id, data.message.seq, data.duplicate);
      return data;
    } catch (error) {
      if (error instanceof Refused && error.code !== "outcome_unknown") this.history?.fail(id, AGAIN.has(error.code));
      else this.history?.info(id);
      throw error;
    }
  }

  /** Sends until it is acknowledged, always with the same clientId: one message at a time, so that they keep their order. */
  async send(roomId, text, more = {}) {
    const message = { roomId, clientId: randomUUID(), text, ...more };
    for (let tries = 0; ; tries += 1) {
      // A loop: between the answer and our turn the connection may have gone again.
      while (this.#conn === null) await until(() => this.#conn !== null, `${this.userId} to be connected`, 60_000);
      try {
        return await this.#attempt(message);
      } catch (error) {
        if (error instanceof Refused && !AGAIN.has(error.code)) throw error;
        if (tries >= this.triesMax) throw error;
        // A server that says no fast must not be asked fast.
        const wait = error.problem?.retryAfter ?? (error instanceof Refused ? Math.min(20 * tries, 500) : 0);
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  /** The first event of a name (that passes a test) since the start or since `from`, awaited. */
  async hears(event, test = () => true, { from = 0, bound = 20_000 } = {}) {
    const found = () => this.heard.slice(from).find((one) => one.event === event && test(one.data));
    return (await until(found, `${this.userId} to hear ${event}`, bound)).data;
  }

  /** How much was heard: a place for `from`. */
  get mark() {
    return this.heard.length;
  }

  /** Waits until everything up to a place has come. */
  async reaches(room, seq, bound = 30_000) {
    await until(() => this.cursors[room] >= seq, `${this.userId} to reach ${seq} (is at ${this.cursors[room]})`, bound);
  }

  /** The texts of a room as this client has them, edits and deletions applied. */
  texts(room) {
    const texts = new Map();
    for (const { data } of this.logs[room] ?? []) if (data.message) texts.set(data.message.id, data.message.deletedAt ? null : data.message.text);
    return [...texts.values()].filter((text) => text !== null);
  }

  /** Cuts the network below the client, which comes back by itself. */
  async lose() {
    const gone = within(new Promise((resolve) => this.socket.once("disconnect", resolve)), "the client to notice");
    this.socket.io.engine.close();
    await gone;
  }
}
