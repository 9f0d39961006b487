// What a person has said and the server has not yet confirmed. Kept on disk before it is sent, sent in order, one at a
// time a room, always under the same clientId: so a repeat finds the first one, and nothing is lost, doubled or reordered.
import type { Message, SendMessage } from "../contract";
import { backoffMs } from "./backoff";
import { codeOf, retryAfterMs, verdict } from "./problem";

export interface OutboxEntry extends SendMessage {
  userId: string;
  /** Order of writing; later is larger. */
  order: number;
  createdAt: number;
  state: "queued" | "sending" | "failed";
  /** Why it failed: a problem code. */
  code?: string;
  /** Which tab sends it. */
  owner: string;
}

/** Where entries survive a reload. */
export interface OutboxStore {
  all(userId: string): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(clientId: string): Promise<void>;
}

export interface OutboxPorts {
  store: OutboxStore;
  /** Sends once; resolves with the stored message, fails with the server's refusal or `NoAnswer`. */
  send: (message: SendMessage) => Promise<Message>;
  /** The server has it. The entry is gone from the outbox in the same turn. */
  delivered: (message: Message) => void;
  changed: (entries: OutboxEntry[]) => void;
  newId: () => string;
  now: () => number;
  random?: () => number;
}

export class Outbox {
  private entries: OutboxEntry[] = [];
  private readonly busy = new Set<string>();
  /** Entries that are on disk (or for which the disk refused). */
  private readonly saved = new Set<string>();
  private readonly wakeups = new Map<string, () => void>();
  private open = false;
  private order = 0;

  constructor(
    private readonly owner: string,
    private readonly ports: OutboxPorts,
  ) {}

  /** Takes back what an earlier visit left behind. `alive` says whether the tab that wrote an entry still runs. */
  async load(userId: string, alive: (owner: string) => boolean): Promise<void> {
    const kept = (await this.ports.store.all(userId)).filter((entry) => entry.owner === this.owner || !alive(entry.owner));
    const known = new Set(this.entries.map((entry) => entry.clientId));
    const found = kept
      .filter((entry) => !known.has(entry.clientId))
      .map((entry) => ({ ...entry, owner: this.owner, state: entry.state === "failed" ? ("failed" as const) : ("queued" as const) }));
    this.entries = [...found, ...this.entries].sort((a, b) => a.order - b.order);
    this.order = Math.max(this.order, ...this.entries.map((entry) => entry.order));
    await Promise.all(found.map((entry) => this.ports.store.put(entry)));
    for (const entry of found) this.saved.add(entry.clientId);
    this.tell();
    this.pump();
  }

  /** Queues a message. It is on disk when the promise resolves; it is in the list at once. */
  async add(userId: string, draft: Omit<SendMessage, "clientId">): Promise<OutboxEntry> {
    const now = this.ports.now();
    this.order = Math.max(this.order + 1, now);
    const entry: OutboxEntry = {
      ...draft, clientId: this.ports.newId(), userId, order: this.order, createdAt: now, state: "queued", owner: this.owner,
    };
    this.entries = [...this.entries, entry];
    this.tell();
    // A full or forbidden disk must not keep anyone from talking: then the entry lives as long as the page.
    await this.ports.store.put(entry).catch(() => undefined);
    this.saved.add(entry.clientId);
    this.pump();
    return entry;
  }

  /** Sends a failed one again, after whatever else waits in its room. */
  async retry(clientId: string): Promise<void> {
    const entry = this.entries.find((one) => one.clientId === clientId && one.state === "failed");
    if (!entry) return;
    const again: OutboxEntry = { ...entry, state: "queued", order: ++this.order, code: undefined };
    // This id stands for another text already: the same text under it could only fail again.
    if (entry.code === "client_id_conflict") {
      again.clientId = this.ports.newId();
      await this.ports.store.remove(clientId).catch(() => undefined);
    }
    this.entries = [...this.entries.filter((one) => one.clientId !== clientId), again];
    this.tell();
    await this.ports.store.put(again).catch(() => undefined);
    this.saved.add(again.clientId);
    this.pump();
  }

  /** Gives a failed one up. One that may be on its way cannot be taken back. */
  async discard(clientId: string): Promise<void> {
    if (!this.entries.some((one) => one.clientId === clientId && one.state === "failed")) return;
    await this.forget(clientId);
  }

  /** Says whether there is a connection to send on. */
  setOpen(open: boolean): void {
    this.open = open;
    for (const wake of [...this.wakeups.values()]) wake();
    if (open) this.pump();
  }

  /** Empties memory, not the disk: the person signs out and may come back. */
  clear(): void {
    this.setOpen(false);
    this.entries = [];
    this.tell();
  }

  private pump(): void {
    if (!this.open) return;
    for (const roomId of new Set(this.entries.filter((entry) => entry.state !== "failed").map((entry) => entry.roomId))) {
      if (!this.busy.has(roomId)) void this.drain(roomId);
    }
  }

  /** Stop and wait: the next message of a room leaves when the one before it was answered for good. */
  private async drain(roomId: string): Promise<void> {
    this.busy.add(roomId);
    let attempt = 0;
    try {
      for (let entry = this.next(roomId); entry && this.open; entry = this.next(roomId)) {
        this.update(entry.clientId, { state: "sending" });
        try {
          const { clientId, text, replyTo, mentions, meta } = entry;
          const message = await this.ports.send({ roomId, clientId, text, replyTo, mentions, meta });
          attempt = 0;
          this.ports.delivered(message);
          await this.forget(clientId);
        } catch (error) {
          if (verdict(error) === "give up") {
            this.update(entry.clientId, { state: "failed", code: codeOf(error) });
            await this.persist(entry.clientId);
            continue;
          }
          this.update(entry.clientId, { state: "queued" });
          // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may have closed while the send was out
          if (this.open) await this.pause(roomId, retryAfterMs(error) ?? backoffMs(attempt++, this.ports.random));
        }
      }
    } finally {
      this.busy.delete(roomId);
    }
    if (this.open && this.next(roomId)) this.pump();
  }

  /** Waits, or less when the connection opens or closes meanwhile. */
  private pause(roomId: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.wakeups.delete(roomId);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.wakeups.set(roomId, wake);
    });
  }

  private next(roomId: string): OutboxEntry | undefined {
    const first = this.entries.find((entry) => entry.roomId === roomId && entry.state !== "failed");
    return first && this.saved.has(first.clientId) ? first : undefined;
  }

  private update(clientId: string, change: Partial<OutboxEntry>): void {
    this.entries = this.entries.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry));
    this.tell();
  }

  private async persist(clientId: string): Promise<void> {
    const entry = this.entries.find((one) => one.clientId === clientId);
    if (entry) await this.ports.store.put(entry).catch(() => undefined);
  }

  private async forget(clientId: string): Promise<void> {
    this.entries = this.entries.filter((entry) => entry.clientId !== clientId);
    this.saved.delete(clientId);
    this.tell();
    await this.ports.store.remove(clientId).catch(() => undefined);
  }

  private tell(): void {
    this.ports.changed(this.entries);
  }
}
