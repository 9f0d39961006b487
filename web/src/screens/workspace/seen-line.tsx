// In small conversations: who has read the last message that this person sent.
import { useShallow } from "zustand/react/shallow";
import type { RoomSummary } from "../../contract";
import { useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { texts } from "../../texts";
import styles from "./seen-line.module.css";

export function SeenLine({ room }: { room: RoomSummary }) {
  const small = room.type === "dm" || room.type === "group";
  const names = useChatState(
    useShallow((state) => {
      const last = state.timelines[room.id]?.messages.at(-1);
      if (!small || !last || last.senderId !== state.me?.id) return [];
      return Object.entries(state.receipts[room.id] ?? {}).filter(([id, n]) => id !== state.me?.id && n >= last.n).map(([id]) => nameOf(state, id));
    }),
  );
  if (names.length === 0) return null;
  return <p className={styles.line}>{room.type === "dm" ? texts.message.seen : texts.message.seenBy(names)}</p>;
}
