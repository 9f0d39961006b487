// The conversations: what is unread is bold, what names this person has a number, what was begun has a pencil.
import { BellOff, PencilLine } from "lucide-react";
import { type KeyboardEvent, memo } from "react";
import { useShallow } from "zustand/react/shallow";
import type { RoomSummary } from "../../contract";
import { useChatState, usePreferences } from "../../state/context";
import { nameOf, sections, statusOf, titleOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { brief } from "../format";
import { openDialog } from "../../state/ui";
import { Button, Skeleton, cx } from "../ui/controls";
import { RoomGlyph } from "./room-glyph";
import styles from "./room-list.module.css";

export function RoomList({ openId }: { openId: string | null }) {
  const ready = useChatState((state) => state.ready);
  const { rooms, users, members, me } = useChatState(useShallow(({ rooms, users, members, me }) => ({ rooms, users, members, me })));
  if (!ready) return <Loading />;
  const lists = sections({ rooms, users, members, me });
  const empty = lists.rooms.length + lists.talks.length === 0;
  return (
    <nav className={styles.list} aria-label={texts.rooms.list} onKeyDown={walk}>
      <Section title={texts.rooms.heading} rooms={lists.rooms} openId={openId} empty={texts.rooms.noRooms} />
      <Section title={texts.rooms.talks} rooms={lists.talks} openId={openId} empty={texts.rooms.noTalks} />
      {empty && (
        // On a phone the welcome in the middle is not seen.
        <div className={styles.ways}>
          <p>{texts.rooms.emptyLead}</p>
          <Button tone="primary" onClick={() => openDialog({ name: "create" })}>
            {texts.rooms.create}
          </Button>
          <Button onClick={() => openDialog({ name: "directory" })}>{texts.rooms.browse}</Button>
        </div>
      )}
    </nav>
  );
}

function Section({ title, rooms, openId, empty }: { title: string; rooms: RoomSummary[]; openId: string | null; empty: string }) {
  return (
    <section>
      <h2 className={styles.heading}>{title}</h2>
      {rooms.length === 0 && <p className={styles.empty}>{empty}</p>}
      <ul>
        {rooms.map((room) => (
          <li key={room.id}>
            <Item room={room} open={room.id === openId} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const Item = memo(function Item({ room, open }: { room: RoomSummary; open: boolean }) {
  const title = useChatState((state) => titleOf(state, room));
  const status = useChatState((state) => statusOf(state, room.peerId));
  const draft = useChatState((state) => room.id in state.drafts) && !open;
  const muted = usePreferences((all) => room.id in all.muted);
  const unread = room.unread > 0 && !muted;
  const talk = room.type === "dm" || room.type === "group";
  const there = status !== "offline" && status !== "unknown";
  const notes = [
    room.mentions > 0 && texts.rooms.mentions(room.mentions),
    unread && texts.rooms.unread(room.unread),
    there && texts.people.status[status],
    muted && texts.rooms.muted,
    draft && texts.rooms.draft,
  ].filter((note) => note !== false);
  return (
    <a
      href={`#/${room.id}`}
      className={cx(styles.item, talk && styles.talk, open && styles.open, unread && styles.unread, muted && styles.muted)}
      aria-current={open ? "page" : undefined}
    >
      {room.peerId ? (
        <span aria-hidden="true">
          <Avatar id={room.peerId} name={title} size="sm" status={status} />
        </span>
      ) : talk ? (
        <span className={styles.group}>
          <RoomGlyph room={room} size={15} />
        </span>
      ) : (
        <RoomGlyph room={room} size={17} className={styles.glyph} />
      )}
      <span className={styles.body}>
        <bdi className={styles.title}>{title}</bdi>
        {notes.length > 0 && <span className="sr-only"> {notes.join(", ")}</span>}
        {talk && room.lastMessage && <Preview room={room} />}
      </span>
      <span className={styles.marks} aria-hidden="true">
        {draft && <PencilLine size={14} aria-hidden="true" />}
        {muted && <BellOff size={14} aria-hidden="true" />}
        {room.mentions > 0 ? (
          <span className={styles.badge}>{texts.rooms.mentionBadge(room.mentions)}</span>
        ) : unread && talk ? (
          <span className={styles.badge}>{texts.rooms.mentionBadge(room.unread)}</span>
        ) : unread ? (
          <span className={styles.dot} />
        ) : talk && room.lastMessage ? (
          <time className={styles.time}>{brief(room.lastMessage.createdAt)}</time>
        ) : null}
      </span>
    </a>
  );
});

function Preview({ room }: { room: RoomSummary }) {
  const last = room.lastMessage;
  const by = useChatState((state) => (!last ? "" : last.senderId === state.me?.id ? texts.common.you : room.type === "group" ? (nameOf(state, last.senderId).split(" ")[0] ?? "") : ""));
  if (!last) return null;
  const text = last.deletedAt ? texts.message.deleted : last.text.replaceAll(/\s+/g, " ");
  return (
    <span className={styles.preview} dir="auto" aria-hidden="true">
      {by && `${by}: `}
      {text}
    </span>
  );
}

/** Arrows walk the list; Tab leaves it. */
function walk(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const links = [...event.currentTarget.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  if (at < 0) return;
  event.preventDefault();
  links[(at + step + links.length) % links.length]?.focus();
}

function Loading() {
  return (
    <div className={styles.loading} role="status" aria-label={texts.app.loading}>
      {["58%", "44%", "66%", "50%", "61%", "40%"].map((width) => (
        <Skeleton key={width} width={width} height="0.875rem" />
      ))}
    </div>
  );
}
