// One ordered stream a room. The promise: what is handed on has seq 1 more than what was handed on before, whatever
// the network did. Twins are dropped, early events wait, a gap is fetched before anything newer is shown.
import type { ClientEvents, DurableEvent, DurableName, RoomSummary } from "../contract";
import { DURABLE_EVENTS } from "../contract";

/** Events held for one room while a gap is fetched; beyond it they are dropped and fetched again later. */
const HELD_MAX = 500;
/** A room that is behind and hears nothing for so long asks by itself: a lost replay must not stay lost. */
const STALL_MS = 2_000;

export interface Position {
  epoch: number;
  seq: number;
}

type SyncReply = ClientEvents["sync"]["data"];

export interface FeedPorts {
  /** Takes events in order. */
  apply: (events: DurableEvent[]) => void;
  /** Asks the server for what comes after these positions. */
  sync: (rooms: Record<string, Position>) => Promise<SyncReply>;
  /** What is known of this room's past is void or has a hole; load it anew. */
  reset: (roomId: string) => void;
  /** Every room is up to date with what the server said at connect. */
  caughtUp?: () => void;
}

interface Feed extends Position {
  /** The newest seq that the server spoke of. */
  head: number;
  early: Map<number, DurableEvent>;
  filling: boolean;
}

const isDurable = new Set<string>(DURABLE_EVENTS);

export class Feeds {
  private readonly rooms = new Map<string, Feed>();
  private stall: ReturnType<typeof setTimeout> | null = null;
  private behind = false;

  constructor(private readonly ports: FeedPorts) {}

  /** Where this client stands, to be sent along when it connects. */
  positions(): Record<string, Position> {
    return Object.fromEntries([...this.rooms].map(([id, feed]) => [id, { epoch: feed.epoch, seq: feed.seq }]));
  }

  /** Takes the list of `session:ready`: new rooms start at their head, known ones wait for their replay. */
  ready(rooms: RoomSummary[]): void {
    const present = new Set(rooms.map((room) => room.id));
    for (const id of this.rooms.keys()) if (!present.has(id)) this.rooms.delete(id);
    for (const room of rooms) this.open(room);
    this.behind = true;
    this.settle();
  }

  /** Starts or continues one room. */
  open(room: Pick<RoomSummary, "id" | "epoch" | "headSeq">): void {
    const held = this.rooms.get(room.id);
    if (held && held.epoch === room.epoch && held.seq <= room.headSeq) {
      held.head = Math.max(held.head, room.headSeq);
      held.filling = false;
      return;
    }
    this.rooms.set(room.id, { epoch: room.epoch, seq: room.headSeq, head: room.headSeq, early: new Map(), filling: false });
    // Another incarnation of the room: its seqs name other events.
    if (held) this.ports.reset(room.id);
  }

  close(roomId: string): void {
    this.rooms.delete(roomId);
    this.settle();
  }

  /** The connection is gone; what was being fetched will be replayed after the next connect. */
  disconnected(): void {
    if (this.stall) clearTimeout(this.stall);
    this.stall = null;
    for (const feed of this.rooms.values()) feed.filling = false;
  }

  /** Takes one event in whatever order it comes. */
  offer(event: DurableEvent): void {
    const { roomId, seq } = event.data;
    const feed = this.rooms.get(roomId);
    if (!feed || seq <= feed.seq) return;
    feed.head = Math.max(feed.head, seq);
    if (feed.early.size >= HELD_MAX) feed.early.clear();
    feed.early.set(seq, event);
    this.advance(feed);
    if (feed.seq < seq) void this.fill(roomId, feed);
    this.settle();
  }

  /** The server said that it left something out. */
  gap(roomId: string, headSeq: number): void {
    const feed = this.rooms.get(roomId);
    if (!feed) return;
    feed.head = Math.max(feed.head, headSeq);
    void this.fill(roomId, feed);
  }

  private advance(feed: Feed): void {
    const ready: DurableEvent[] = [];
    for (let next = feed.early.get(feed.seq + 1); next; next = feed.early.get(feed.seq + 1)) {
      feed.seq += 1;
      feed.early.delete(feed.seq);
      ready.push(next);
    }
    if (ready.length > 0) this.ports.apply(ready);
  }

  private async fill(roomId: string, feed: Feed): Promise<void> {
    if (feed.filling) return;
    feed.filling = true;
    try {
      while (feed.seq < feed.head && this.rooms.get(roomId) === feed) {
        const before = feed.seq;
        const reply = (await this.ports.sync({ [roomId]: { epoch: feed.epoch, seq: before } })).rooms[roomId];
        if (!reply || this.rooms.get(roomId) !== feed) return;
        if (reply.gap) this.jump(roomId, feed, { epoch: reply.epoch, seq: reply.headSeq });
        for (const event of reply.events) {
          const durable = asDurable(event);
          if (durable && durable.data.seq > feed.seq) feed.early.set(durable.data.seq, durable);
        }
        feed.head = Math.max(feed.head, reply.headSeq);
        this.advance(feed);
        // No progress: the server knows no more than we do; the stall timer asks again later.
        if (feed.seq === before) return;
      }
    } catch {
      // No answer. The next connect replays from our position, and the stall timer asks again meanwhile.
    } finally {
      feed.filling = false;
      this.settle();
    }
  }

  /** More was missed than the server replays: go on from its head, and let the past be loaded as history. */
  private jump(roomId: string, feed: Feed, to: Position): void {
    // Events that wait for another incarnation's seqs are other events.
    if (feed.epoch !== to.epoch) feed.early.clear();
    feed.epoch = to.epoch;
    feed.seq = to.seq;
    feed.head = Math.max(to.seq, ...feed.early.keys());
    for (const seq of feed.early.keys()) if (seq <= feed.seq) feed.early.delete(seq);
    this.ports.reset(roomId);
  }

  private settle(): void {
    const late = [...this.rooms].filter(([, feed]) => feed.seq < feed.head);
    if (late.length === 0) {
      if (this.stall) clearTimeout(this.stall);
      this.stall = null;
      if (this.behind) {
        this.behind = false;
        this.ports.caughtUp?.();
      }
      return;
    }
    if (this.stall) return;
    const seen = new Map(late.map(([id, feed]) => [id, feed.seq]));
    this.stall = setTimeout(() => {
      this.stall = null;
      for (const [id, feed] of this.rooms) if (seen.get(id) === feed.seq && feed.seq < feed.head) void this.fill(id, feed);
      this.settle();
    }, STALL_MS);
  }
}

/** Reads an event of a `sync` reply. */
function asDurable(event: { event: string; data: object }): DurableEvent | null {
  return isDurable.has(event.event) ? ({ name: event.event as DurableName, data: event.data } as DurableEvent) : null;
}
