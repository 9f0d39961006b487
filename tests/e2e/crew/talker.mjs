// One person of the crew: talks in all of their rooms, one message or a burst at a time, and loses the network now and then.
// What was not acknowledged is sent again with the same clientId, as the guide tells client developers.
import { setTimeout as pause } from "node:timers/promises";
import { Member, WAYS } from "../lib/member.mjs";
import { chance } from "./chance.mjs";

/** Messages of a burst are sent without waiting for each other: their order is the server's to keep. */
const BURST_MAX = 3;

export class Talker {
  /** When each message that waits for its ack was first sent. */
  waiting = new Map();
  acked = 0;
  /** Why a message was given up: a right server leaves this empty. */
  givenUp = [];
  #over = false;
  #talks = [];
  #next = 0;

  constructor(test, server, person, { number, seed, history, betweenMillis, reconnectMillis, transport }) {
    const ways = transport ? [{ transports: [transport] }] : Object.values(WAYS);
    Object.assign(this, { number, rooms: person.rooms, betweenMillis, reconnectMillis });
    this.next = chance(seed * 7_919 + number);
    this.member = new Member(test, server, { ...person, history, keeps: false, triesMax: Infinity, way: ways[number % ways.length] });
  }

  /** Starts to talk, a room at a time and all rooms at once. */
  talk() {
    this.#talks = this.rooms.map((room) => this.#talkIn(room));
    this.#talks.push(this.#stumble());
  }

  /** Says nothing new; resolves when everything that was said is acknowledged. */
  async hush() {
    this.#over = true;
    await Promise.all(this.#talks);
  }

  get oldestSend() {
    return this.waiting.size === 0 ? 0 : Date.now() - this.waiting.values().next().value;
  }

  #between(mean) {
    return pause(mean * (0.5 + this.next()));
  }

  async #talkIn(room) {
    while (!this.#over) {
      await this.#between(this.betweenMillis);
      if (this.#over) return;
      const burst = this.next() < 0.2 ? 1 + Math.ceil(this.next() * (BURST_MAX - 1)) : 1;
      await Promise.all(Array.from({ length: burst }, () => this.#say(room)));
    }
  }

  async #say(room) {
    const text = `${this.number} says ${(this.#next += 1)} ${"·".repeat(Math.floor(this.next() * 80))}`;
    this.waiting.set(text, Date.now());
    try {
      await this.member.send(room, text);
      this.acked += 1;
    } catch (error) {
      this.givenUp.push(`${text.slice(0, 20)}: ${error.message}`);
    } finally {
      this.waiting.delete(text);
    }
  }

  /** The network of people breaks without any fault of ours. */
  async #stumble() {
    while (!this.#over) {
      await this.#between(this.reconnectMillis);
      if (this.#over || !this.member.socket.connected) continue;
      if (this.next() < 0.3) {
        // As an application does that was put away and taken up again.
        this.member.socket.disconnect();
        await this.#between(200);
        this.member.socket.connect();
      } else {
        this.member.socket.io.engine.close();
      }
    }
  }
}
