// A button that opens the emoji picker.
import type { ReactNode } from "react";
import styles from "../ui/controls.module.css";
import { MenuButton, surface } from "../ui/menu-button";

const picker = surface<{ onPick: (emoji: string) => void }>(() => import("./picker"));

export function EmojiButton({ label, onPick, children }: { label: string; onPick: (emoji: string) => void; children: ReactNode }) {
  return (
    <MenuButton opens={picker} with={{ onPick }} kind="dialog" className={styles.icon} aria-label={label} data-tip={label}>
      {children}
    </MenuButton>
  );
}
