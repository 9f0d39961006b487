// A WebSocket on a bare TCP socket: it can stop reading, and it can say what no client library says.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterwards } from "./server.mjs";
import { until } from "./wait.mjs";

/** Connects and sends the CONNECT of Socket.IO with a token. */
export async function openRaw(t, server, token) {
  const socket = connect(server.port, "127.0.0.1");
  afterwards(t, () => socket.destroy());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const raw = new Raw(socket);
  const key = randomBytes(16).toString("base64");
  socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  await until(() => raw.handshake?.includes(accept), "the handshake");
  raw.send(`40${JSON.stringify({ token })}`);
  return raw;
}

class Raw {
  #rest = Buffer.alloc(0);
  #texts = [];
  handshake = null;
  /** Events `message:new` that arrived. */
  messages = 0;

  constructor(socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined); // a reset is one way of being cut
    socket.on("data", (chunk) => this.#read(chunk));
  }

  #read(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.handshake === null) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.handshake = this.#rest.subarray(0, end).toString();
      this.#rest = this.#rest.subarray(end + 4);
    }
    for (let frame = this.#frame(); frame; frame = this.#frame()) {
      if (frame.startsWith('42["message:new"')) this.messages += 1;
      else this.#texts.push(frame);
    }
  }

  /** The next whole frame's text, or null. Servers do not mask. */
  #frame() {
    if (this.#rest.length < 2) return null;
    let [at, length] = [2, this.#rest[1] & 0x7f];
    if (length === 126) {
      if (this.#rest.length < 4) return null;
      [at, length] = [4, this.#rest.readUInt16BE(2)];
    } else if (length === 127) {
      if (this.#rest.length < 10) return null;
      [at, length] = [10, Number(this.#rest.readBigUInt64BE(2))];
    }
    if (this.#rest.length < at + length) return null;
    const text = this.#rest.subarray(at, at + length).toString();
    this.#rest = this.#rest.subarray(at + length);
    return text || " ";
  }

  hears(word) {
    return until(() => this.#texts.some((text) => text.includes(word)), `the raw client to hear ${word}`);
  }

  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  send(text) {
    const payload = Buffer.from(text);
    const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length])
      : payload.length < 65_536 ? Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255])
      : Buffer.from([0x81, 0x80 | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((bits) => (payload.length >>> bits) & 255)]);
    // A mask of zeros is a mask.
    this.socket.write(Buffer.concat([head, Buffer.alloc(4), payload]));
  }
}
