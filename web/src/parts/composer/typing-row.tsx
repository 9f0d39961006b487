// Who is writing. The row is always there, so that nothing moves when somebody begins.
import { useShallow } from "zustand/react/shallow";
import { useChatState } from "../../state/context";
import { nameOf, typists } from "../../state/select";
import { texts } from "../../texts";
import styles from "./typing-row.module.css";

export function TypingRow({ roomId }: { roomId: string }) {
  const names = useChatState(useShallow((state) => typists(state, roomId).map((id) => nameOf(state, id))));
  return (
    <div className={styles.row} aria-live="off">
      {names.length > 0 && (
        <>
          <span className={styles.dots} aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <bdi className={styles.names}>{texts.typing(names)}</bdi>
        </>
      )}
    </div>
  );
}
