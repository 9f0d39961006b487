// One row of the timeline, of whatever kind. Its props are plain and stay the same, so that a new message draws one row.
import { memo } from "react";
import type { Message as MessageData } from "../../contract";
import { useChatState } from "../../state/context";
import type { Row } from "../../state/rows";
import { nameOf, titleOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { dayName } from "../format";
import type { MessageWish } from "../message/actions";
import { Message } from "../message/message";
import { PendingMessage } from "../message/pending";
import { RoomGlyph } from "../room-list/room-glyph";
import styles from "./timeline.module.css";

interface RowProps {
  row: Row;
  roomId: string;
  flash: boolean;
  editing: boolean;
  tabStop: boolean;
  onWish: (wish: MessageWish, message: MessageData) => void;
  onEdited: () => void;
  onQuote: (id: string) => void;
  onPerson: (userId: string, anchor: HTMLElement) => void;
}

export const TimelineRow = memo(function TimelineRow({ row, roomId, flash, editing, tabStop, ...on }: RowProps) {
  switch (row.kind) {
    case "start":
      return <Start roomId={roomId} />;
    case "day":
      return (
        <div className={styles.day} role="separator">
          <span>{dayName(row.at)}</span>
        </div>
      );
    case "new":
      return (
        <div className={styles.new} role="separator">
          <span>{texts.message.newLine}</span>
        </div>
      );
    case "pending":
      return <PendingMessage entry={row.entry} head={row.head} onQuote={on.onQuote} />;
    case "message":
      return <Message message={row.message} head={row.head} flash={flash} editing={editing} tabStop={tabStop} {...on} />;
  }
});

function Start({ roomId }: { roomId: string }) {
  const room = useChatState((state) => state.rooms[roomId]);
  const title = useChatState((state) => (room ? titleOf(state, room) : ""));
  const peer = useChatState((state) => (room?.peerId ? nameOf(state, room.peerId) : null));
  if (!room) return null;
  return (
    <header className={styles.start}>
      {room.peerId && peer ? <Avatar id={room.peerId} name={peer} size="xl" /> : <RoomGlyph room={room} size={28} className={styles.startGlyph} />}
      <h2>{peer ?? texts.room.startTitle(title)}</h2>
      <p>{peer ? texts.room.startDm(peer) : texts.room.startLead}</p>
    </header>
  );
}
