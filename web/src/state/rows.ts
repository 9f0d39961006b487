// From messages to the rows of the timeline: day lines, the "new" line, senders grouped. Pure and cheap: a window at a time.
import type { OutboxEntry } from "../client";
import type { Message } from "../contract";

/** Messages of one person within so long stand under one name. */
const GROUP_MS = 5 * 60_000;

export type Row =
  | { kind: "start"; key: string }
  | { kind: "day"; key: string; at: number }
  | { kind: "new"; key: string }
  | { kind: "message"; key: string; message: Message; head: boolean }
  | { kind: "pending"; key: string; entry: OutboxEntry; head: boolean };

export interface RowInput {
  messages: Message[];
  /** The first message of the room is among them. */
  fromStart: boolean;
  /** What this person has said here and the timeline does not show yet. */
  pending: OutboxEntry[];
  /** Messages with a larger `n` are new; null for no line. */
  newAfter: number | null;
  me: string;
}

export function rowsOf({ messages, fromStart, pending, newAfter, me }: RowInput): Row[] {
  const rows: Row[] = fromStart ? [{ kind: "start", key: "start" }] : [];
  let day = Number.NaN;
  let sender = "";
  let last = 0;
  // Where the window begins after the line's place, the line stands above it: not at whatever comes first.
  const begins = fromStart ? 0 : (messages[0]?.n ?? 1) - 1;
  let lineDrawn = newAfter === null || newAfter < begins;
  const head = (by: string, at: number, alone: boolean): boolean => {
    const today = startOfDay(at);
    // Clocks of two nodes may differ around midnight; a day line never goes back.
    const newDay = !(today <= day);
    if (newDay) rows.push({ kind: "day", key: `day-${today}`, at });
    const first = newDay || alone || by !== sender || at - last > GROUP_MS;
    day = newDay ? today : day;
    sender = by;
    last = at;
    return first;
  };
  const shown = new Set<string>();
  for (const message of messages) {
    const at = Date.parse(message.createdAt);
    if (message.senderId === me) shown.add(message.clientId);
    let first = head(message.senderId, at, Boolean(message.replyTo));
    if (!lineDrawn && newAfter !== null && message.n > newAfter && message.senderId !== me) {
      rows.push({ kind: "new", key: "new" });
      lineDrawn = true;
      first = true;
    }
    rows.push(rowOf(message, first));
  }
  for (const entry of pending) {
    if (shown.has(entry.clientId)) continue;
    const first = head(entry.userId, Math.max(entry.createdAt, last), Boolean(entry.replyTo));
    rows.push({ kind: "pending", key: keyOf(entry.userId, entry.clientId), entry, head: first });
  }
  return rows;
}

type MessageRow = Extract<Row, { kind: "message" }>;

/** Rows by their message: the same message has the same row object, so that what has not changed is not drawn again. */
const made = new WeakMap<Message, MessageRow>();

function rowOf(message: Message, head: boolean): MessageRow {
  const held = made.get(message);
  if (held?.head === head) return held;
  const row: MessageRow = { kind: "message", key: keyOf(message.senderId, message.clientId), message, head };
  made.set(message, row);
  return row;
}

/** The same for a message on its way and stored, so that its row stays when it arrives. */
function keyOf(sender: string, clientId: string): string {
  return `${sender}:${clientId}`;
}

function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
