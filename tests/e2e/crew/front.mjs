// The public side of a cluster that somebody else runs: as `Server` of lib/server.mjs, without the process.
import { setTimeout as pause } from "node:timers/promises";

export class Front {
  constructor(url) {
    this.url = url;
  }

  /** What REST answers: status, headers and body; no answer within `bound` is an error. */
  async call(method, path, { token, body, headers = {}, bound = 15_000 } = {}) {
    const reply = await fetch(this.url + path, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(bound),
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, body: text && /json/.test(reply.headers.get("content-type") ?? "") ? JSON.parse(text) : text };
  }

  /** The same, and anything but a 2xx is an error. */
  async ok(method, path, options) {
    const reply = await this.call(method, path, options);
    if (reply.status < 200 || reply.status > 299) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** Tries again until it works: for what is asked while things recover. */
  async patiently(work, patience) {
    const end = Date.now() + patience;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (Date.now() > end) throw error;
        await pause(250);
      }
    }
  }
}
