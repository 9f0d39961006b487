// The text of a message on the screen, each piece in its own direction.
import { type ReactNode, memo } from "react";
import { useShallow } from "zustand/react/shallow";
import { useChatState } from "../../state/context";
import { nameOf } from "../../state/select";
import { cx } from "../ui/controls";
import styles from "./text.module.css";
import { isJumbo, tokenise } from "./tokens";

interface MessageTextProps {
  text: string;
  mentions?: string[];
  /** Stands behind the last word. */
  children?: ReactNode;
}

const NOBODY: string[] = [];

export const MessageText = memo(function MessageText({ text, mentions = NOBODY, children }: MessageTextProps) {
  const names = useChatState(useShallow((state) => mentions.map((id) => nameOf(state, id))));
  const me = useChatState((state) => state.me?.id);
  if (isJumbo(text)) {
    return (
      <p className={styles.jumbo}>
        {text}
        {children}
      </p>
    );
  }
  const people = mentions.map((id, at) => ({ id, name: names[at] ?? "" }));
  return (
    <div className={styles.text} dir="auto">
      {tokenise(text, people).map((token, at) => {
        switch (token.kind) {
          case "text":
            return token.text;
          case "code":
            return (
              <code key={at} className={styles.code}>
                {token.text}
              </code>
            );
          case "block":
            return (
              <pre key={at} className={styles.block} dir="ltr" tabIndex={0}>
                <code>{token.text}</code>
              </pre>
            );
          case "mention":
            return (
              <span key={at} className={cx(styles.mention, token.userId === me && styles.mine)}>
                <bdi>{token.text}</bdi>
              </span>
            );
          case "link":
            return (
              <a key={at} className={styles.link} href={token.href} target="_blank" rel="noopener noreferrer nofollow">
                {token.text}
              </a>
            );
        }
      })}
      {children}
    </div>
  );
});
