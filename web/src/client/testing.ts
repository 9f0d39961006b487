// Things that several tests make.
import type { DurableEvent, Message } from "../contract";

export const ROOM = "room_00000000-0000-4000-8000-000000000001";
export const ME = "usr_00000000-0000-7000-8000-000000000001";
export const OTHER = "usr_00000000-0000-7000-8000-000000000002";

export function message(seq: number, change: Partial<Message> = {}): Message {
  return {
    id: `msg_${seq}`, roomId: ROOM, seq, n: seq, clientId: `client-${seq}`, senderId: OTHER, text: `text ${seq}`, replyTo: null, mentions: [], reactions: [],
    version: 1, createdAt: new Date(1_700_000_000_000 + seq * 1000).toISOString(), editedAt: null, deletedAt: null, meta: null, ...change,
  };
}

export function said(seq: number, change: Partial<Message> = {}): DurableEvent {
  return { name: "message:new", data: { roomId: ROOM, seq, message: message(seq, change) } };
}

/** Waits until `is` holds; fails after two seconds of wall time, which only a broken test reaches. */
export async function until(is: () => boolean, what = "condition"): Promise<void> {
  const end = Date.now() + 5_000;
  while (!is()) {
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
