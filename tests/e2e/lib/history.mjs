// Writes down what clients asked for, were answered and heard, in the format of crates/history, and has it judged by the
// checker there: the same judge as of the simulation.
import { execFile } from "node:child_process";
import { appendFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { BINARY, OUT } from "./server.mjs";

const JUDGE = process.env.E2E_JUDGE ?? join(dirname(BINARY), "examples/judge");

/** FNV-1a cut to 53 bits, as `history::digest`. */
export function digest(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return Number(hash >> 11n);
}

/** What can be compared of a durable event, however it came. */
function contentOf(name, data) {
  // Only the first version of a message is told apart: a replay shows a later edit in the message itself.
  if (name === "message:new" && data.message.version === 1) return { actor: data.message.senderId, key: data.message.clientId, body: digest(data.message.text) };
  if (name.startsWith("message:")) return {};
  return { whole: digest(JSON.stringify(data)) };
}

function passageOf(name, data) {
  if (name === "member:joined") return { passage: { came: data.member.userId } };
  if (name === "member:left") return { passage: { went: data.userId } };
  if (name === "room:deleted") return { passage: "closed" };
  return {};
}

/** Lines that wait to be written: a run of hours must not live in memory. */
const LINES_AT_ONCE = 4_096;

export class History {
  #lines = [];
  #next = 0;

  constructor(story, file = join(OUT, `${story.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 60)}.history.jsonl`)) {
    this.file = file;
    this.began = Date.now();
    rmSync(file, { force: true });
  }

  /** A number that is used once in this file. */
  fresh() {
    this.#next += 1;
    return this.#next;
  }

  #write(op, rest) {
    this.#lines.push(JSON.stringify({ at: Date.now() - this.began, op, ...rest }));
    if (this.#lines.length >= LINES_AT_ONCE) this.flush();
  }

  /** Everything so far stands in the file. */
  flush() {
    if (this.#lines.length > 0) appendFileSync(this.file, this.#lines.join("\n") + "\n");
    this.#lines = [];
  }

  connect(conn, user, session) { this.#write("connect", { conn, user, session }); }
  disconnect(conn) { this.#write("disconnect", { conn }); }
  start(conn, room, epoch, after) { this.#write("start", { conn, room, epoch, after }); }
  stop(conn, room) { this.#write("stop", { conn, room }); }
  invoke(id, conn, user, room, key, text) { this.#write("invoke", { id, conn, user, room, key, body: digest(text) }); }
  ok(id, seq, duplicate) { this.#write("ok", { id, seq, duplicate }); }
  /** `retry`: the refusal spoke of this attempt alone. */
  fail(id, retry = false) { this.#write("fail", { id, ...(retry && { retry }) }); }
  info(id) { this.#write("info", { id }); }
  deliver(conn, name, data) { this.#write("deliver", { conn, room: data.roomId, seq: data.seq, ...contentOf(name, data) }); }
  log(epoch, name, data) { this.#write("log", { room: data.roomId, epoch, seq: data.seq, ...contentOf(name, data), ...passageOf(name, data) }); }
  settled() { this.#write("settled", {}); }

  /** Reads the whole log of a room, as a client that comes for the first time; returns its events. */
  async readLog(server, token, room) {
    const all = [];
    for (let at = 0; ; ) {
      const { rooms } = await server.ok("POST", "/v1/sync", { token, body: { rooms: { [room]: at } } });
      const { events, epoch, more, gap } = rooms[room];
      if (gap) throw new Error("a read of the whole log met a gap");
      for (const { event, data } of events) {
        this.log(epoch, event, data);
        all.push({ event, data });
      }
      if (!more) return all;
      at = events.at(-1).data.seq;
    }
  }

  /** Has it judged; an anomaly is an error that tells them all. Returns the checker's line of totals. */
  async judge() {
    this.flush();
    const { stdout } = await promisify(execFile)(JUDGE, [this.file]).catch((failure) => {
      throw new Error(`the history is not in order (${this.file}):\n${failure.stdout || failure}`);
    });
    return stdout.trim();
  }
}
