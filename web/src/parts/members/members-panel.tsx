// Who is in the room: those who are there first, found by name, each a step from a conversation.
import { Search, X } from "lucide-react";
import { useDeferredValue, useEffect, useState } from "react";
import type { Member, RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { nameOf, statusOf } from "../../state/select";
import { togglePanel } from "../../state/ui";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { fold } from "../composer/mentions";
import { Button, IconButton, Skeleton } from "../ui/controls";
import styles from "./members-panel.module.css";

export default function MembersPanel({ room, onPerson }: { room: RoomSummary; onPerson: (userId: string, anchor: HTMLElement) => void }) {
  const chat = useChat();
  const list = useChatState((state) => state.members[room.id]);
  const users = useChatState((state) => state.users);
  const presence = useChatState((state) => state.presence);
  const [query, setQuery] = useState("");
  const wanted = fold(useDeferredValue(query).trim());
  useEffect(() => void chat.loadMembers(room.id), [chat, room.id]);

  const rows = (list?.rows ?? []).filter((row) => wanted === "" || fold(nameOf({ users }, row.userId)).includes(wanted));
  const sorted = rows.toSorted((a, b) => nameOf({ users }, a.userId).localeCompare(nameOf({ users }, b.userId)));
  const there = sorted.filter((row) => !["offline", "unknown"].includes(statusOf({ presence }, row.userId)));
  const away = sorted.filter((row) => !there.includes(row));
  return (
    <aside className={styles.panel} aria-label={texts.members.title}>
      <header className={styles.header}>
        <h2>{texts.members.title}</h2>
        <span className={styles.count}>{room.memberCount.toLocaleString()}</span>
        <IconButton label={texts.common.close} className={styles.close} onClick={() => togglePanel(false)}>
          <X size={18} />
        </IconButton>
      </header>
      <div className={styles.search}>
        <Search size={15} />
        <input type="search" aria-label={texts.members.search} placeholder={texts.members.search} value={query} onChange={(event) => setQuery(event.target.value)} />
      </div>
      <div className={styles.scroll}>
        {!list || (list.state === "loading" && list.rows.length === 0) ? (
          <div className={styles.loading}>
            {["60%", "48%", "70%", "52%"].map((width) => (
              <Skeleton key={width} width={width} height="1.5rem" />
            ))}
          </div>
        ) : list.state === "failed" ? (
          <p className={styles.note}>
            {texts.members.failed} <Button onClick={() => void chat.loadMembers(room.id)}>{texts.common.retry}</Button>
          </p>
        ) : rows.length === 0 ? (
          <p className={styles.note}>{texts.members.none}</p>
        ) : (
          <>
            <Group title={texts.members.online} rows={there} onPerson={onPerson} />
            <Group title={texts.members.offline} rows={away} onPerson={onPerson} />
            {list.next && (
              <Button tone="quiet" wide busy={list.state === "loading"} onClick={() => void chat.loadMembers(room.id, true)}>
                {texts.members.more}
              </Button>
            )}
          </>
        )}
      </div>
    </aside>
  );
}

function Group({ title, rows, onPerson }: { title: string; rows: Member[]; onPerson: (userId: string, anchor: HTMLElement) => void }) {
  if (rows.length === 0) return null;
  return (
    <section>
      <h3 className={styles.group}>
        {title} <span>{rows.length}</span>
      </h3>
      <ul>
        {rows.map((row) => (
          <li key={row.userId}>
            <Person row={row} onPerson={onPerson} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Person({ row, onPerson }: { row: Member; onPerson: (userId: string, anchor: HTMLElement) => void }) {
  const name = useChatState((state) => nameOf(state, row.userId));
  const me = useChatState((state) => state.me?.id === row.userId);
  const status = useChatState((state) => statusOf(state, row.userId));
  const line = useChatState((state) => state.presence[row.userId]?.text);
  return (
    <button type="button" className={styles.person} onClick={(event) => onPerson(row.userId, event.currentTarget)}>
      <Avatar id={row.userId} name={name} size="sm" status={status} />
      <span className={styles.who}>
        <span className={styles.name}>
          <bdi>{name}</bdi>
          {me && <span className={styles.you}> {texts.common.you}</span>}
        </span>
        {line && (
          <span className={styles.status} dir="auto">
            {line}
          </span>
        )}
      </span>
      {row.role !== "member" && <span className={styles.role}>{texts.members.role[row.role]}</span>}
    </button>
  );
}
