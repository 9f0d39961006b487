// Tells the server how far this person has read: only what was really in view, at most twice a second, never backwards.
import type { ClientEvents } from "../contract";
import type { Store } from "./store";

const PACE_MS = 500;

type Reply = ClientEvents["receipt:read"]["data"];

export class ReadMarks {
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** Room → seq that was told. */
  private readonly told = new Map<string, number>();

  constructor(
    private readonly store: Store,
    private readonly tell: (roomId: string, seq: number) => Promise<Reply>,
  ) {}

  /** Looks whether there is something to tell. */
  consider(): void {
    if (this.timer || this.due() === null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.send();
    }, PACE_MS);
  }

  private due(): { roomId: string; seq: number } | null {
    const { open, attentive, rooms, timelines } = this.store.getState();
    if (!open || attentive !== open.roomId) return null;
    const timeline = timelines[open.roomId];
    const last = timeline?.messages.at(-1);
    const room = rooms[open.roomId];
    if (!last || !room || timeline?.hasNewer ) return null;
    // A sent message marks all before it as read here, and the server has yet to hear of it.
    if (last.seq <= (this.told.get(open.roomId) ?? 0) || (room.unread === 0 && last.seq <= room.readSeq && last.senderId !== this.store.getState().me?.id)) return null;
    return { roomId: open.roomId, seq: last.seq };
  }

  private async send(): Promise<void> {
    const due = this.due();
    if (!due) return;
    const before = this.told.get(due.roomId) ?? 0;
    this.told.set(due.roomId, due.seq);
    this.store.dispatch({ type: "read", roomId: due.roomId, readSeq: due.seq });
    try {
      const reply = await this.tell(due.roomId, due.seq);
      this.store.dispatch({ type: "read", roomId: due.roomId, readSeq: due.seq, reply });
    } catch {
      // Told again with the next message, or when the connection is back.
      this.told.set(due.roomId, before);
    }
  }
}
