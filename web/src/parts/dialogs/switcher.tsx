// Ctrl/⌘-K: a few letters and Enter lead anywhere.
import { Search } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { RoomSummary, User } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat, useChatState } from "../../state/context";
import { go } from "../../state/route";
import { statusOf, titleOf } from "../../state/select";
import { closeDialog } from "../../state/ui";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { fold } from "../composer/mentions";
import { RoomGlyph } from "../room-list/room-glyph";
import { Key, cx } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import styles from "./switcher.module.css";
import { usePeople } from "./use-people";

const SHOWN = 12;

type Choice = { key: string; title: string; room?: RoomSummary; person?: User };

export default function Switcher() {
  const chat = useChat();
  const state = useChatState(useShallow(({ rooms, users, members, me, presence }) => ({ rooms, users, members, me, presence })));
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const people = usePeople(query);
  const listId = useId();
  const list = useRef<HTMLUListElement>(null);

  const rooms = Object.values(state.rooms)
    .map((room): Choice & { room: RoomSummary } => ({ key: room.id, title: titleOf(state, room), room }))
    .map((choice) => ({ choice, rank: rank(choice.title, query) }))
    .filter(({ rank }) => rank < 3)
    .sort((a, b) => a.rank - b.rank || heat(b.choice.room) - heat(a.choice.room))
    .slice(0, SHOWN)
    .map(({ choice }) => choice);
  const peers = new Set(rooms.map(({ room }) => room.peerId));
  const others = (people ?? []).filter((person) => person.id !== state.me?.id && !peers.has(person.id)).map((person): Choice => ({ key: person.id, title: person.displayName, person }));
  const choices: Choice[] = [...rooms, ...others];
  const chosen = Math.min(at, choices.length - 1);

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const pick = (choice: Choice | undefined) => {
    if (!choice) return;
    closeDialog();
    if (choice.room) go(choice.room.id);
    else if (choice.person) {
      const { id } = choice.person;
      void attempt(async () => go(await chat.messagePerson(id)));
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && choices.length > 0) {
      event.preventDefault();
      setAt((chosen + step + choices.length) % choices.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(choices[chosen]);
    }
  };
  const row = (choice: Choice, index: number): ReactNode => (
    <li
      key={choice.key}
      id={`${listId}-${index}`}
      role="option"
      aria-selected={index === chosen}
      className={styles.option}
      onClick={() => pick(choice)}
      onPointerMove={() => setAt(index)}
    >
      {choice.room && !choice.room.peerId ? (
        <span className={styles.glyph}>
          <RoomGlyph room={choice.room} />
        </span>
      ) : (
        <Avatar id={choice.room?.peerId ?? choice.key} name={choice.title} size="sm" status={statusOf(state, choice.room?.peerId ?? choice.key)} />
      )}
      <bdi className={cx(styles.title, choice.room && choice.room.unread > 0 && styles.unread)}>{choice.title}</bdi>
      {choice.room?.topic && <span className={styles.topic}>{choice.room.topic}</span>}
      {index === chosen && <Key>↵</Key>}
    </li>
  );
  return (
    <Dialog title={texts.switcher.title} bare>
      <div className={styles.search}>
        <Search size={18} />
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={choices.length > 0 ? `${listId}-${chosen}` : undefined}
          aria-label={texts.switcher.label}
          placeholder={texts.switcher.label}
          value={query}
          autoFocus
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
      </div>
      <ul ref={list} id={listId} className={styles.list} role="listbox" aria-label={texts.switcher.title}>
        {rooms.length > 0 && (
          <li role="presentation" className={styles.heading}>
            {query ? texts.switcher.rooms : texts.switcher.recent}
          </li>
        )}
        {rooms.map((choice, index) => row(choice, index))}
        {others.length > 0 && (
          <li role="presentation" className={styles.heading}>
            {texts.switcher.people}
          </li>
        )}
        {others.map((choice, index) => row(choice, rooms.length + index))}
      </ul>
      {choices.length === 0 && <p className={styles.none}>{texts.switcher.none}</p>}
    </Dialog>
  );
}

/** 0 begins with it, 1 a word begins with it, 2 contains it, 3 does not. */
function rank(title: string, query: string): number {
  const name = fold(title);
  const wanted = fold(query.trim());
  if (wanted === "" || name.startsWith(wanted)) return 0;
  if (name.split(/[\s-_]+/).some((word) => word.startsWith(wanted))) return 1;
  return name.includes(wanted) ? 2 : 3;
}

function heat(room: RoomSummary): number {
  return (room.mentions > 0 ? 2e15 : room.unread > 0 ? 1e15 : 0) + Date.parse(room.lastMessage?.createdAt ?? room.createdAt);
}
