// One message: who, when, what, and everything that may hang on it. It renders again only when it changes.
import { memo, useState } from "react";
import type { Message as MessageData } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { attempt } from "../../state/attempt";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { clock, fullTime } from "../format";
import { cx } from "../ui/controls";
import { MessageActions, type MessageWish } from "./actions";
import { EditBox } from "./edit-box";
import styles from "./message.module.css";
import { Quote } from "./quote";
import { Reactions } from "./reactions";
import { MessageText } from "./text";
import { useLongPress } from "./use-long-press";

interface MessageProps {
  message: MessageData;
  /** First of its group: shows the sender. */
  head: boolean;
  /** Shown for a moment after a jump. */
  flash: boolean;
  editing: boolean;
  /** The row that Tab reaches; arrows move on from it. */
  tabStop: boolean;
  onWish: (wish: MessageWish, message: MessageData) => void;
  onEdited: () => void;
  onQuote: (id: string) => void;
  onPerson: (userId: string, anchor: HTMLElement) => void;
}

export const Message = memo(function Message({ message, head, flash, editing, tabStop, onWish, onEdited, onQuote, onPerson }: MessageProps) {
  const chat = useChat();
  const name = useChatState((state) => nameOf(state, message.senderId));
  const me = useChatState((state) => state.me?.id);
  const [active, setActive] = useState(false);
  const [menu, setMenu] = useState(false);
  const deleted = Boolean(message.deletedAt);
  const named = me !== undefined && message.mentions.includes(me) && !deleted;
  const press = useLongPress(() => {
    setActive(true);
    setMenu(true);
  }, !deleted && !editing);
  const react = (emoji: string) => void attempt(() => chat.react(message, emoji));

  return (
    <article
      className={cx(styles.message, head && styles.head, named && styles.named, flash && styles.flash, (menu || editing) && styles.held)}
      aria-label={`${name}, ${fullTime(message.createdAt)}`}
      data-message={message.id}
      data-seq={message.seq}
      tabIndex={tabStop ? 0 : -1}
      onPointerEnter={() => setActive(true)}
      onPointerLeave={() => setActive(false)}
      onFocus={() => setActive(true)}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setActive(false)}
      {...press}
    >
      {message.replyTo && !deleted && <Quote roomId={message.roomId} id={message.replyTo} onJump={onQuote} />}
      <div className={styles.line}>
        <div className={styles.gutter}>
          {head ? (
            <button type="button" tabIndex={-1} onClick={(event) => onPerson(message.senderId, event.currentTarget)}>
              <span className="sr-only">{texts.members.card(name)}</span>
              <Avatar id={message.senderId} name={name} />
            </button>
          ) : (
            <time className={styles.sideTime} dateTime={message.createdAt} title={fullTime(message.createdAt)}>
              {clock(message.createdAt)}
            </time>
          )}
        </div>
        <div className={styles.content}>
          {head && (
            <header className={styles.by}>
              <button type="button" tabIndex={-1} className={styles.name} onClick={(event) => onPerson(message.senderId, event.currentTarget)}>
                <bdi>{name}</bdi>
              </button>
              <time className={styles.time} dateTime={message.createdAt} title={fullTime(message.createdAt)}>
                {clock(message.createdAt)}
              </time>
            </header>
          )}
          {editing ? (
            <EditBox message={message} onDone={onEdited} />
          ) : deleted ? (
            <p className={styles.tombstone}>{texts.message.deleted}</p>
          ) : (
            <MessageText text={message.text} mentions={message.mentions}>
              {message.editedAt && <Edited at={message.editedAt} />}
            </MessageText>
          )}
          {message.reactions.length > 0 && <Reactions reactions={message.reactions} onToggle={react} />}
        </div>
      </div>
      {(active || menu) && !deleted && !editing && (
        <MessageActions message={message} menu={menu} onMenu={setMenu} onWish={onWish} onReact={react} />
      )}
    </article>
  );
});

const Edited = memo(function Edited({ at }: { at: string }) {
  return (
    <span className={styles.edited} title={fullTime(at)}>
      {" "}
      {texts.message.edited}
    </span>
  );
});
