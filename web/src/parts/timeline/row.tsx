// One row of the timeline, of whatever kind.
import { memo } from "react";
import type { Message as MessageData, RoomSummary } from "../../contract";
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
  room: RoomSummary;
  flash: string | null;
  editing: string | null;
  stop: string | undefined;
  onWish: (wish: MessageWish, message: MessageData) => void;
  onEdited: () => void;
  onQuote: (id: string) => void;
  onPerson: (userId: string, anchor: HTMLElement) => void;
}

export const TimelineRow = memo(function TimelineRow({ row, room, flash, editing, stop, ...on }: RowProps) {
  switch (row.kind) {
    case "start":
      return <Start room={room} />;
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
      return (
        <Message message={row.message} head={row.head} flash={flash === row.message.id} editing={editing === row.message.id} tabStop={stop === row.message.id} {...on} />
      );
  }
});

function Start({ room }: { room: RoomSummary }) {
  const title = useChatState((state) => titleOf(state, room));
  const peer = useChatState((state) => (room.peerId ? nameOf(state, room.peerId) : null));
  return (
    <header className={styles.start}>
      {room.peerId && peer ? <Avatar id={room.peerId} name={peer} size="xl" /> : <RoomGlyph room={room} size={28} className={styles.startGlyph} />}
      <h2>{peer ?? texts.room.startTitle(title)}</h2>
      <p>{peer ? texts.room.startDm(peer) : texts.room.startLead}</p>
    </header>
  );
}
