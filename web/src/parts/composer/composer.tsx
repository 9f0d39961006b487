// Where a person writes. Keeps a draft a room, completes names, knows the limit, and never sends in the middle of a word.
import { SendHorizontal, Smile, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { EMPTY_DRAFT } from "../../state/model";
import { nameOf, titleOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { EmojiButton } from "../emoji/emoji-button";
import { IconButton, cx } from "../ui/controls";
import styles from "./composer.module.css";
import { composing, submits } from "./keys";
import { type MentionQuery, complete, matches, mentionAt, stillNamed } from "./mentions";
import { useGrow } from "./use-grow";

/** Below so many characters left, the number is shown. */
const SHOW_LEFT_BELOW = 200;
/** A text that is surely more than one line has the buttons below it and the whole width for itself. */
const TALL_FROM = 110;

interface ComposerProps {
  room: RoomSummary;
  /** ↑ in an empty composer. */
  onEditLast: () => void;
}

export function Composer({ room, onEditLast }: ComposerProps) {
  const chat = useChat();
  const draft = useChatState((state) => state.drafts[room.id] ?? EMPTY_DRAFT);
  const most = useChatState((state) => state.textChars);
  const title = useChatState((state) => titleOf(state, room));
  const people = useChatState(
    useShallow((state) => (state.members[room.id]?.rows ?? []).filter((row) => row.userId !== state.me?.id).map((row) => row.userId)),
  );
  const users = useChatState((state) => state.users);
  const replied = useChatState((state) => (draft.replyTo ? (state.timelines[room.id]?.messages.find((one) => one.id === draft.replyTo) ?? null) : null));
  const repliedName = useChatState((state) => (replied ? nameOf(state, replied.senderId) : ""));
  const box = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const [mention, setMention] = useState<MentionQuery | null>(null);
  const [choice, setChoice] = useState(0);
  useGrow(box, draft.text);

  // The caret goes to the room that was opened; on a phone that would only raise the keyboard.
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) box.current?.focus();
  }, [room.id]);
  useEffect(() => {
    if (draft.replyTo) box.current?.focus();
  }, [draft.replyTo]);
  useTypingAnywhere(box);

  const named = people.map((id) => ({ id, name: users[id]?.displayName ?? "" })).filter(({ name }) => name !== "");
  const found = mention ? matches(named, mention.query) : [];
  const left = most - [...draft.text].length;
  const ready = draft.text.trim() !== "" && left >= 0;

  const write = (text: string, caret: number) => {
    chat.setDraft(room.id, { ...draft, text });
    const at = mentionAt(text, caret);
    setMention(at);
    setChoice(0);
    if (text !== "") chat.typing(room.id);
    else chat.stopTyping();
    if (at) void chat.loadMembers(room.id);
  };
  const place = (text: string, caret: number) => {
    chat.setDraft(room.id, { ...draft, text });
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(caret, caret);
    });
  };
  const choose = (person: { id: string; name: string } | undefined) => {
    const area = box.current;
    if (!area || !mention || !person) return;
    const next = complete(draft.text, area.selectionStart, mention, person.name);
    chat.setDraft(room.id, { ...draft, text: next.text, mentions: [...new Set([...draft.mentions, person.id])] });
    setMention(null);
    requestAnimationFrame(() => area.setSelectionRange(next.caret, next.caret));
  };
  const send = () => {
    if (!ready) return;
    const mentions = stillNamed(draft.text, named.filter(({ id, name }) => draft.mentions.includes(id) || draft.text.includes(`@${name}`)));
    void chat.send(room.id, { ...draft, text: draft.text.trim(), mentions });
    box.current?.focus();
  };
  const insert = (emoji: string) => {
    const at = box.current?.selectionStart ?? draft.text.length;
    place(draft.text.slice(0, at) + emoji + draft.text.slice(at), at + emoji.length);
  };

  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (composing(event)) return;
    if (mention && found.length > 0) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        setChoice((choice + step + found.length) % found.length);
        return;
      }
      if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) {
        event.preventDefault();
        choose(found[choice]);
        return;
      }
    }
    if (event.key === "Escape") {
      if (mention) setMention(null);
      else if (draft.replyTo) chat.reply(room.id, null);
    } else if (event.key === "ArrowUp" && draft.text === "") {
      event.preventDefault();
      onEditLast();
    } else if (submits(event)) {
      event.preventDefault();
      send();
    }
  };

  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {found.length > 0 && (
        <ul id={listId} className={styles.people} role="listbox" aria-label={texts.composer.people}>
          {found.map((person, at) => (
            <li
              key={person.id}
              id={`${listId}-${at}`}
              role="option"
              aria-selected={at === choice}
              className={styles.person}
              onPointerDown={(event) => {
                event.preventDefault();
                choose(person);
              }}
              onPointerEnter={() => setChoice(at)}
            >
              <Avatar id={person.id} name={person.name} size="xs" />
              <bdi>{person.name}</bdi>
            </li>
          ))}
        </ul>
      )}
      <div className={styles.box}>
        {replied && (
          <div className={styles.reply}>
            <span>
              {texts.message.replyingTo(repliedName)} <bdi className={styles.replyText}>{replied.text}</bdi>
            </span>
            <IconButton label={texts.message.cancelReply} onClick={() => chat.reply(room.id, null)}>
              <X size={15} />
            </IconButton>
          </div>
        )}
        <div className={cx(styles.row, (draft.text.length > TALL_FROM || draft.text.includes("\n")) && styles.tall)}>
          <textarea
            ref={box}
            className={styles.area}
            rows={1}
            dir="auto"
            aria-label={texts.composer.label(title)}
            placeholder={texts.composer.label(title)}
            aria-haspopup="listbox"
            aria-controls={found.length > 0 ? listId : undefined}
            aria-autocomplete="list"
            aria-activedescendant={found.length > 0 ? `${listId}-${choice}` : undefined}
            enterKeyHint="enter"
            value={draft.text}
            onChange={(event) => write(event.target.value, event.target.selectionStart)}
            onKeyDown={onKey}
            onBlur={() => setMention(null)}
          />
          <div className={styles.tools}>
            {left < SHOW_LEFT_BELOW && (
              <span className={cx(styles.left, left < 0 && styles.over)} role="status">
                {left < 0 ? texts.composer.over(left) : texts.composer.left(left)}
              </span>
            )}
            <EmojiButton label={texts.composer.emoji} onPick={insert}>
              <Smile size={19} />
            </EmojiButton>
            <IconButton label={texts.composer.send} type="submit" disabled={!ready} className={cx(styles.send, ready && styles.ready)}>
              <SendHorizontal size={17} />
            </IconButton>
          </div>
        </div>
      </div>
    </form>
  );
}

/** A letter typed while nothing else wants it begins a message. */
function useTypingAnywhere(box: React.RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      const free = document.activeElement === document.body || document.activeElement?.hasAttribute("data-message");
      if (free && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ") box.current?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [box]);
}
