// People who ask for a code while things break: each request that was answered 202 owes exactly one mail.
import { setTimeout as pause } from "node:timers/promises";

export class Mails {
  /** Addresses whose request was answered 202. */
  asked = [];
  refused = {};
  #over = false;
  #work = null;

  constructor(server, sink, { everyMillis, tag }) {
    Object.assign(this, { server, sink, everyMillis, tag });
  }

  begin() {
    this.#work = this.#ask();
  }

  async #ask() {
    for (let n = 1; !this.#over; n += 1) {
      await pause(this.everyMillis);
      const address = `${this.tag}-${n}@example.com`;
      const reply = await this.server.call("POST", "/v1/auth/otp", { body: { email: address, intent: "signup" }, bound: 10_000 }).catch((error) => ({ status: error.name }));
      if (reply.status === 202) this.asked.push(address);
      else this.refused[reply.status] = (this.refused[reply.status] ?? 0) + 1;
    }
  }

  async hush() {
    this.#over = true;
    await this.#work;
  }

  /** How many mails each address got. Waits until everybody has one, or the patience is at its end. */
  async count(patience) {
    const end = Date.now() + patience;
    for (;;) {
      const reply = await fetch(`${this.sink}/messages`).then((reply) => reply.json()).catch(() => []);
      const mails = new Map();
      for (const { to, body } of reply) for (const address of [to].flat()) mails.set(address, [...(mails.get(address) ?? []), body]);
      const missing = this.asked.filter((address) => !mails.has(address));
      if (missing.length === 0 || Date.now() > end) {
        const doubled = this.asked.filter((address) => (mails.get(address) ?? []).length > 1);
        return { asked: this.asked.length, refused: this.refused, delivered: this.asked.length - missing.length, missing: missing.length, doubled: doubled.length };
      }
      await pause(500);
    }
  }
}
