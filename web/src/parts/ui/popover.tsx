// A small window beside what opened it. Escape and a press outside close it; the focus goes back.
import { Popover } from "radix-ui";
import { type ReactNode, useRef } from "react";
import type { SurfaceProps } from "./menu-button";
import styles from "./menu.module.css";

/** Nothing fits beside anything there. */
const NARROW = "(max-width: 47.5rem)";

interface PopoverSurfaceProps extends SurfaceProps {
  label: string;
  side?: "top" | "right" | "bottom";
  align?: "start" | "end";
  children: ReactNode;
}

export function PopoverSurface({ anchor, onClose, label, side = "top", align = "start", children }: PopoverSurfaceProps) {
  const virtual = useRef(anchor);
  return (
    <Popover.Root open onOpenChange={(open) => !open && onClose()}>
      <Popover.Anchor virtualRef={virtual} />
      <Popover.Portal>
        <Popover.Content
          className={styles.popover}
          side={matchMedia(NARROW).matches ? "bottom" : side}
          align={align}
          sideOffset={8}
          collisionPadding={12}
          aria-label={label}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            if (document.activeElement === document.body || document.activeElement === null) anchor.focus();
          }}
        >
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
