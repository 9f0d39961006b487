// The emoji that people use most, searchable by name; arrows walk the grid.
import { type KeyboardEvent, useRef, useState } from "react";
import { texts } from "../../texts";
import type { SurfaceProps } from "../ui/menu-button";
import { PopoverSurface } from "../ui/popover";
import { EMOJI } from "./list";
import styles from "./picker.module.css";

const COLUMNS = 8;

export default function Picker({ onPick, anchor, onClose }: SurfaceProps & { onPick: (emoji: string) => void }) {
  const pick = (emoji: string) => {
    onClose();
    onPick(emoji);
  };
  return (
    <PopoverSurface anchor={anchor} onClose={onClose} label={texts.emoji.title} align="end">
      <EmojiGrid onPick={pick} />
    </PopoverSurface>
  );
}

export function EmojiGrid({ onPick }: { onPick: (emoji: string) => void }) {
  const [query, setQuery] = useState("");
  const grid = useRef<HTMLDivElement>(null);
  const found = EMOJI.filter(([, name]) => name.includes(query.trim().toLowerCase()));
  const focus = (at: number) => {
    const cells = grid.current?.querySelectorAll("button");
    cells?.[Math.max(0, Math.min(at, cells.length - 1))]?.focus();
  };
  const walk = (event: KeyboardEvent) => {
    const cells = [...(grid.current?.querySelectorAll("button") ?? [])];
    const at = cells.indexOf(event.target as HTMLButtonElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    if (at + step < 0) grid.current?.parentElement?.querySelector("input")?.focus();
    else focus(at + step);
  };
  return (
    <div className={styles.picker}>
      <input
        className={styles.search}
        aria-label={texts.emoji.search}
        placeholder={texts.emoji.search}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") {
            event.preventDefault();
            focus(0);
          }
          if (event.key === "Enter" && found[0]) onPick(found[0][0]);
        }}
      />
      {found.length === 0 && <p className={styles.none}>{texts.emoji.none}</p>}
      <div ref={grid} className={styles.grid} onKeyDown={walk} role="group" aria-label={texts.emoji.title}>
        {found.map(([emoji, name]) => (
          <button key={emoji} type="button" className={styles.cell} title={name} aria-label={name} onClick={() => onPick(emoji)}>
            {emoji}
          </button>
        ))}
      </div>
    </div>
  );
}
