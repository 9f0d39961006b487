// A message that the server has not confirmed: on its way, waiting for a connection, or refused.
import { AlertCircle, Clock3 } from "lucide-react";
import type { OutboxEntry } from "../../client";
import { useChat, useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { clock } from "../format";
import { cx } from "../ui/controls";
import styles from "./message.module.css";
import { Quote } from "./quote";
import { MessageText } from "./text";

/** Most messages are confirmed sooner; a word before that would only flicker. */
const SAY_SENDING_AFTER_MS = 1_500;

export function PendingMessage({ entry, head, onQuote }: { entry: OutboxEntry; head: boolean; onQuote: (id: string) => void }) {
  const chat = useChat();
  const name = useChatState((state) => nameOf(state, entry.userId));
  const live = useChatState((state) => state.phase.kind === "live");
  const failed = entry.state === "failed";
  const slow = Date.now() - entry.createdAt > SAY_SENDING_AFTER_MS;
  return (
    <article className={cx(styles.message, head && styles.head)} aria-label={`${name}, ${failed ? texts.message.failed : texts.message.sending}`} data-pending={entry.clientId}>
      {entry.replyTo && <Quote roomId={entry.roomId} id={entry.replyTo} onJump={onQuote} />}
      <div className={styles.line}>
        <div className={styles.gutter}>{head && <Avatar id={entry.userId} name={name} />}</div>
        <div className={styles.content}>
          {head && (
            <header className={styles.by}>
              <span className={styles.name}>{name}</span>
              <time className={styles.time}>{clock(entry.createdAt)}</time>
            </header>
          )}
          <div className={cx(!failed && styles.waiting)}>
            <MessageText text={entry.text} mentions={entry.mentions} />
          </div>
          {failed ? (
            <p className={styles.state} role="status">
              <AlertCircle size={14} color="var(--danger)" />
              <span className={styles.failed}>{texts.message.failed}</span>
              <span>{texts.problems[entry.code ?? "other"] ?? texts.problems.other}</span>
              <button type="button" onClick={() => void chat.client.outbox.retry(entry.clientId)}>
                {texts.message.retry}
              </button>
              <button type="button" onClick={() => void chat.client.outbox.discard(entry.clientId)}>
                {texts.message.discard}
              </button>
            </p>
          ) : !live || slow ? (
            <p className={styles.state}>
              <Clock3 size={13} />
              {live ? texts.message.sending : texts.message.queued}
            </p>
          ) : null}
        </div>
      </div>
    </article>
  );
}
