// The emoji under a message, with who chose each.
import { useShallow } from "zustand/react/shallow";
import type { Reaction } from "../../contract";
import { useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { texts } from "../../texts";
import { cx } from "../ui/controls";
import styles from "./reactions.module.css";

/** Names in a tooltip; a crowd is a number. */
const NAMES_MAX = 8;

export function Reactions({ reactions, onToggle }: { reactions: Reaction[]; onToggle: (emoji: string) => void }) {
  return (
    <ul className={styles.list}>
      {reactions.map((one) => (
        <li key={one.emoji}>
          <Chip reaction={one} onToggle={onToggle} />
        </li>
      ))}
    </ul>
  );
}

function Chip({ reaction, onToggle }: { reaction: Reaction; onToggle: (emoji: string) => void }) {
  const me = useChatState((state) => state.me?.id);
  const mine = me !== undefined && reaction.userIds.includes(me);
  const names = useChatState(useShallow((state) => reaction.userIds.slice(0, NAMES_MAX).map((id) => (id === me ? texts.common.you : nameOf(state, id)))));
  const rest = reaction.count - names.length;
  const everyone = rest > 0 ? [...names, texts.message.andMore(rest)] : names;
  return (
    <button
      type="button"
      className={cx(styles.chip, mine && styles.mine)}
      aria-pressed={mine}
      aria-label={texts.message.reactionLabel(reaction.emoji, reaction.count, mine)}
      data-tip={texts.message.reactedBy(everyone, reaction.emoji)}
      onClick={() => onToggle(reaction.emoji)}
    >
      <span className={styles.emoji}>{reaction.emoji}</span>
      <span className={styles.count}>{reaction.count}</span>
    </button>
  );
}
