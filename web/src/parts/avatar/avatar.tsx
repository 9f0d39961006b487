// A person's sign: their initials on a colour of their own, and whether they are there.
import type { PresenceStatus } from "../../contract";
import { texts } from "../../texts";
import { cx } from "../ui/controls";
import styles from "./avatar.module.css";

const HUES = [8, 28, 44, 92, 142, 168, 190, 208, 228, 256, 284, 316, 338];

/** The first letters of the first and last word; one for scripts that need no second. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return /^[a-zà-ɏ\u0400-\u04ff\u0370-\u03ff]/i.test(first) ? (first + last).toUpperCase() : first;
}

/** The same person has the same colour everywhere. */
export function hueOf(id: string): number {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
  return HUES[hash % HUES.length] ?? 190;
}

interface AvatarProps {
  id: string;
  name: string;
  size?: "xs" | "sm" | "md" | "lg" | "xl";
  status?: PresenceStatus;
}

export function Avatar({ id, name, size = "md", status }: AvatarProps) {
  return (
    <span className={cx(styles.avatar, styles[size])} style={{ "--hue": hueOf(id) } as React.CSSProperties}>
      <span aria-hidden="true">{initials(name)}</span>
      {status && <Dot status={status} className={styles.dot} />}
    </span>
  );
}

export function Dot({ status, className }: { status: PresenceStatus; className?: string }) {
  return <span className={cx(styles.presence, styles[status], className)} role="img" aria-label={texts.people.status[status]} />;
}
