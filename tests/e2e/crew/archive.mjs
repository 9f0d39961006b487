// Reads every room's log while it grows, since a sync goes back a thousand entries and no further, and at the end once more
// page by page: what stands in the store at the end must be what was read on the way, each message once.
import { setTimeout as pause } from "node:timers/promises";

const EVERY_MILLIS = 8_000;
const PAGE = 100;

export class Archive {
  /** room → seq → clientId, of messages. */
  messages = new Map();
  #cursors = new Map();
  #over = false;
  #work = null;

  /** `readers`: room → a member's token. */
  constructor(server, history, readers, patience) {
    Object.assign(this, { server, history, readers, patience });
    for (const room of readers.keys()) this.messages.set(room, new Map());
  }

  begin() {
    this.#work = (async () => {
      while (!this.#over) {
        await this.#catchUp();
        await pause(EVERY_MILLIS);
      }
    })();
    // Told by `finish`; without a listener meanwhile it would end the process.
    this.#work.catch(() => undefined);
  }

  /** The farthest place of a room that was read. */
  head(room) {
    return this.#cursors.get(room) ?? 0;
  }

  #call(...call) {
    return this.server.patiently(() => this.server.ok(...call), this.patience);
  }

  async #catchUp() {
    for (const [room, token] of this.readers) {
      for (let more = true; more; ) {
        const at = this.head(room);
        const reply = (await this.#call("POST", "/v1/sync", { token, body: { rooms: { [room]: at } } })).rooms[room];
        if (reply.gap) throw new Error(`${room} grew by more than a sync gives after ${at}`);
        for (const { event, data } of reply.events) {
          this.history.log(reply.epoch, event, data);
          if (event === "message:new") this.messages.get(room).set(data.seq, data.message.clientId);
          this.#cursors.set(room, data.seq);
        }
        more = reply.more;
      }
    }
  }

  /** Everything is said: the rest of the logs, and all of them again. Gives a line for each difference. */
  async finish() {
    this.#over = true;
    await this.#work;
    await this.#catchUp();
    const differences = [];
    for (const [room, token] of this.readers) differences.push(...(await this.#compare(room, token)));
    return differences;
  }

  async #compare(room, token) {
    const [differences, seen, keys] = [[], new Set(), new Set()];
    const was = this.messages.get(room);
    for (let after = 0; ; ) {
      const { data } = await this.#call("GET", `/v1/rooms/${room}/messages?after=${after}&limit=${PAGE}`, { token });
      for (const { seq, clientId, senderId } of data) {
        if (was.get(seq) !== clientId) differences.push(`${room} at ${seq}: read as ${was.get(seq)}, at the end it is ${clientId}`);
        if (seen.has(seq) || keys.has(`${senderId} ${clientId}`)) differences.push(`${room} at ${seq}: ${clientId} stands there twice`);
        seen.add(seq);
        keys.add(`${senderId} ${clientId}`);
      }
      if (data.length < PAGE) break;
      after = Math.max(...data.map(({ seq }) => seq));
    }
    for (const seq of was.keys()) if (!seen.has(seq)) differences.push(`${room} at ${seq}: gone at the end`);
    return differences;
  }
}
