// The line above an answer that shows what it answers. Jumps there.
import { CornerUpLeft } from "lucide-react";
import { useEffect } from "react";
import { useChat, useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import styles from "./quote.module.css";

export function Quote({ roomId, id, onJump }: { roomId: string; id: string; onJump: (id: string) => void }) {
  const chat = useChat();
  const message = useChatState((state) => state.timelines[roomId]?.messages.find((one) => one.id === id) ?? state.quotes[id] ?? null);
  const name = useChatState((state) => (message ? nameOf(state, message.senderId) : ""));
  useEffect(() => {
    if (!message) chat.wantQuote(roomId, id);
  }, [chat, message, roomId, id]);
  return (
    <button type="button" className={styles.quote} onClick={() => onJump(id)} aria-label={name ? texts.message.inReply(name) : texts.message.quoteMissing}>
      <CornerUpLeft size={14} className={styles.hook} />
      {message ? (
        <>
          <Avatar id={message.senderId} name={name} size="xs" />
          <bdi className={styles.name}>{name}</bdi>
          <span className={styles.text} dir="auto">
            {message.deletedAt ? texts.message.deleted : message.text.replaceAll(/\s+/g, " ")}
          </span>
        </>
      ) : (
        <span className={styles.text}>{texts.message.quoteMissing}</span>
      )}
    </button>
  );
}
