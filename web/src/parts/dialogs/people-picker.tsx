// Choosing people by name: what is chosen stands as chips before the field, Backspace takes the last back.
import { X } from "lucide-react";
import { type KeyboardEvent, useId, useState } from "react";
import type { User } from "../../contract";
import { useChatState } from "../../state/context";
import { statusOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import styles from "./people-picker.module.css";
import { usePeople } from "./use-people";

interface PeoplePickerProps {
  chosen: User[];
  onChange: (chosen: User[]) => void;
  /** People who cannot be chosen. */
  without?: Set<string>;
  max?: number;
}

export function PeoplePicker({ chosen, onChange, without, max = 100 }: PeoplePickerProps) {
  const me = useChatState((state) => state.me?.id);
  const presence = useChatState((state) => state.presence);
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const taken = new Set(chosen.map((user) => user.id));
  const found = (usePeople(query) ?? []).filter((user) => user.id !== me && !taken.has(user.id) && !without?.has(user.id));
  const open = query.trim() !== "";
  const add = (user: User | undefined) => {
    if (!user || chosen.length >= max) return;
    onChange([...chosen, user]);
    setQuery("");
    setAt(0);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length > 0) {
      event.preventDefault();
      setAt((at + step + found.length) % found.length);
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      add(found[at]);
    } else if (event.key === "Backspace" && query === "") onChange(chosen.slice(0, -1));
  };
  return (
    <div className={styles.picker}>
      <div className={styles.box}>
        {chosen.map((user) => (
          <span key={user.id} className={styles.chip}>
            <Avatar id={user.id} name={user.displayName} size="xs" />
            <bdi>{user.displayName}</bdi>
            <button type="button" aria-label={texts.create.remove(user.displayName)} onClick={() => onChange(chosen.filter((one) => one.id !== user.id))}>
              <X size={13} />
            </button>
          </span>
        ))}
        <input
          role="combobox"
          aria-expanded={open}
          aria-controls={listId}
          aria-activedescendant={open && found.length > 0 ? `${listId}-${at}` : undefined}
          aria-label={texts.create.to}
          placeholder={chosen.length === 0 ? texts.create.find : ""}
          value={query}
          autoFocus
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
      </div>
      <ul id={listId} className={styles.list} role="listbox" aria-label={texts.switcher.people}>
        {open &&
          found.map((user, index) => (
            <li key={user.id} id={`${listId}-${index}`} role="option" aria-selected={index === at} className={styles.option} onClick={() => add(user)} onPointerMove={() => setAt(index)}>
              <Avatar id={user.id} name={user.displayName} size="sm" status={statusOf({ presence }, user.id)} />
              <bdi>{user.displayName}</bdi>
            </li>
          ))}
      </ul>
      {open && found.length === 0 && <p className={styles.none}>{texts.create.none}</p>}
    </div>
  );
}
