// The head of a conversation: what it is, who is there, what can be done with it.
import { ArrowLeft, MoreHorizontal, Users } from "lucide-react";
import type { RoomSummary } from "../../contract";
import { Avatar } from "../../parts/avatar/avatar";
import { RoomGlyph } from "../../parts/room-list/room-glyph";
import { cx } from "../../parts/ui/controls";
import controls from "../../parts/ui/controls.module.css";
import { MenuButton, surface } from "../../parts/ui/menu-button";
import { useChatState, usePreferences } from "../../state/context";
import { go } from "../../state/route";
import { statusOf, titleOf, unreadTotal } from "../../state/select";
import { openDialog, togglePanel, useUi } from "../../state/ui";
import { texts } from "../../texts";
import styles from "./header.module.css";

const options = surface<{ room: RoomSummary }>(() => import("./room-menu"));

export function Header({ room }: { room: RoomSummary }) {
  const title = useChatState((state) => titleOf(state, room));
  const status = useChatState((state) => statusOf(state, room.peerId));
  const line = useChatState((state) => (room.peerId ? state.presence[room.peerId]?.text : undefined));
  const panel = useUi((state) => state.panel);
  const named = room.type === "public" || room.type === "private";
  const chief = room.role === "owner" || room.role === "admin";
  return (
    <header className={styles.header}>
      <BackButton roomId={room.id} />
      {room.peerId ? <Avatar id={room.peerId} name={title} size="sm" status={status} /> : <RoomGlyph room={room} size={19} className={styles.glyph} />}
      <div className={styles.names}>
        <h1 className={styles.title}>
          <bdi>{title}</bdi>
        </h1>
        {room.peerId ? (
          <p className={styles.topic}>
            {texts.people.status[status]}
            {line ? ` · ${line}` : ""}
          </p>
        ) : room.topic ? (
          <p className={styles.topic} title={room.topic} dir="auto">
            {room.topic}
          </p>
        ) : named && chief ? (
          <button type="button" className={cx(styles.topic, styles.add)} onClick={() => openDialog({ name: "room", roomId: room.id })}>
            {texts.room.addTopic}
          </button>
        ) : null}
      </div>
      {!room.peerId && (
        <button
          type="button"
          className={styles.members}
          aria-pressed={panel}
          aria-label={texts.room.members(room.memberCount)}
          data-tip={texts.room.showMembers}
          onClick={() => togglePanel()}
        >
          <Users size={17} />
          <span>{room.memberCount.toLocaleString()}</span>
        </button>
      )}
      <MenuButton opens={options} with={{ room }} className={controls.icon} aria-label={texts.room.options} data-tip={texts.room.options}>
        <MoreHorizontal size={19} />
      </MenuButton>
    </header>
  );
}

/** On a phone: back to the list, with what waits elsewhere. */
function BackButton({ roomId }: { roomId: string }) {
  const rooms = useChatState((state) => state.rooms);
  const muted = usePreferences((all) => all.muted);
  const { [roomId]: _, ...others } = rooms;
  const { unread } = unreadTotal(others, muted);
  return (
    <button type="button" className={styles.back} aria-label={unread > 0 ? `${texts.room.toList}, ${texts.rooms.mentionBadge(unread)} ${texts.rooms.unreadWord}` : texts.room.toList} onClick={() => go(null)}>
      <ArrowLeft size={20} />
      {unread > 0 && <span className={styles.waiting}>{texts.rooms.mentionBadge(unread)}</span>}
    </button>
  );
}
