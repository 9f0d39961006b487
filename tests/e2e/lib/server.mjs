// The real binary, as an operator runs it: started on a folder of its own, killed, stopped, looked at from outside.
import { spawn, execFile } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "./wait.mjs";

const root = new URL("../../../", import.meta.url).pathname;
const targetDir = process.env.CARGO_TARGET_DIR ?? join(root, "target");
export const BINARY = process.env.E2E_BINARY ?? join(targetDir, "debug/chatify");
/** Where logs, histories and screenshots stay for whoever looks after a failure. */
export const OUT = join(targetDir, "e2e");
mkdirSync(OUT, { recursive: true });

// Settings of whoever runs the tests are not the server's.
const ENV = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CHATIFY_"))), NO_COLOR: "1" };
// Below 32768, where no outgoing connection takes them: a server that was killed must find its port free again.
const [PORT_MIN, PORT_MAX] = [11_000, 29_000];

async function freePort() {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** People and rooms that are there before the first start: `[{userId, token, rooms}]`. */
export async function seed(data, { users, rooms, members }) {
  const file = join(data, "seeded.jsonl");
  await promisify(execFile)(BINARY, ["--data", data, "--log", "warn", "seed", "--users", users, "--rooms", rooms, "--members", members, "--out", file].map(String), { env: ENV });
  return readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
}

const endings = new WeakMap();

/** What to do after a test, the latest first: a server ends before its folder goes. */
export function afterwards(test, work) {
  if (!endings.has(test)) {
    endings.set(test, []);
    test.after(async () => {
      for (const one of endings.get(test).reverse()) await one();
    });
  }
  endings.get(test).push(work);
}

/** A folder that is gone after the test. */
export function freshFolder(test) {
  const folder = mkdtempSync(join(tmpdir(), "chatify-e2e-"));
  afterwards(test, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export class Server {
  /** Starts a server that ends with the test. `args` are further settings. */
  static async start(test, { data = freshFolder(test), args = [] } = {}) {
    const server = new Server(data, args, test.name);
    // Ports are tried, not reserved: another program may have taken one in between.
    for (let tries = 1; ; tries += 1) {
      server.port = await freePort();
      server.adminPort = await freePort();
      try {
        await server.up();
        break;
      } catch (error) {
        if (tries === 3 || !/cannot listen/.test(server.log)) throw error;
      }
    }
    afterwards(test, () => server.kill());
    return server;
  }

  constructor(data, args, story) {
    this.data = data;
    this.args = args;
    this.log = "";
    this.logFile = join(OUT, `${story.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 60)}.log`);
    rmSync(this.logFile, { force: true });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Runs it, on the same folder and port as before, until it is ready. */
  async up() {
    const flags = ["--data", this.data, "--listen", `127.0.0.1:${this.port}`, "--admin-listen", `127.0.0.1:${this.adminPort}`];
    const child = spawn(BINARY, [...flags, ...this.args], { stdio: ["ignore", "pipe", "pipe"], env: ENV });
    this.child = child;
    this.ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    const keep = (chunk) => {
      this.log += chunk;
      appendFileSync(this.logFile, chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    await until(async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended at once: ${this.log.slice(-2_000)}`);
      return (await fetch(`http://127.0.0.1:${this.adminPort}/readyz`).catch(() => null))?.ok;
    }, "the server to be ready", 30_000);
  }

  /** kill -9. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async killAndRestart() {
    await this.kill();
    await this.up();
  }

  /** What REST answers: status, headers and body. */
  async call(method, path, { token, body, headers = {} } = {}) {
    const reply = await fetch(this.url + path, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
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

  /** The newest mail to an address, awaited. */
  async mailTo(address, { notBefore = 0 } = {}) {
    return until(async () => {
      const mails = await this.ok("GET", `/dev/mail.json?to=${encodeURIComponent(address)}`);
      return mails.length > notBefore && mails[0];
    }, `a mail to ${address}`);
  }

  /** The code that was mailed to an address, as a person reads it. */
  async codeFor(address, options) {
    const mail = await this.mailTo(address, options);
    return /\b(\d{4})[- ]?(\d{4})\b/.exec(mail.text).slice(1).join("");
  }

  /** A person made as the API makes one: code by mail, code back. */
  async signUp(address, displayName, device = "e2e") {
    const { challengeId } = await this.ok("POST", "/v1/auth/otp", { body: { email: address, intent: "signup" } });
    const code = await this.codeFor(address);
    return this.ok("POST", `/v1/auth/otp/${challengeId}/verify`, { body: { code, displayName, device } });
  }
}
