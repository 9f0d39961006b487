// The look and keys of menus: one surface, and the kinds of rows that it may hold.
import { Check } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import { type ReactNode, useLayoutEffect, useState } from "react";
import { createPortal } from "react-dom";
import { cx } from "./controls";
import type { SurfaceProps } from "./menu-button";
import styles from "./menu.module.css";

interface MenuSurfaceProps extends SurfaceProps {
  children: ReactNode;
  side?: "top" | "bottom";
  align?: "start" | "end";
}

export function MenuSurface({ anchor, onClose, children, side = "bottom", align = "end" }: MenuSurfaceProps) {
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()} modal={false}>
      <Anchor to={anchor} />
      <Radix.Portal>
        <Radix.Content
          className={styles.menu}
          side={side}
          align={align}
          sideOffset={6}
          collisionPadding={8}
          aria-label={anchor.getAttribute("aria-label") ?? undefined}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            // Another surface may have taken the focus meanwhile: a dialog that a row opened.
            if (document.activeElement === document.body || document.activeElement === null) anchor.focus();
          }}
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Lies exactly over the button, for the surface to stand beside. */
function Anchor({ to }: { to: HTMLElement }) {
  const [box, setBox] = useState(() => to.getBoundingClientRect());
  useLayoutEffect(() => setBox(to.getBoundingClientRect()), [to]);
  return createPortal(
    <Radix.Trigger asChild>
      <span aria-hidden="true" className={styles.anchor} style={{ left: box.left, top: box.top, width: box.width, height: box.height }} />
    </Radix.Trigger>,
    document.body,
  );
}

export function MenuItem({ icon, danger = false, disabled, onSelect, children }: { icon?: ReactNode; danger?: boolean; disabled?: boolean; onSelect: () => void; children: ReactNode }) {
  return (
    <Radix.Item className={cx(styles.item, danger && styles.danger)} disabled={disabled} onSelect={onSelect}>
      <span className={styles.icon}>{icon}</span>
      {children}
    </Radix.Item>
  );
}

export function MenuCheck({ icon, checked, onChange, children }: { icon?: ReactNode; checked: boolean; onChange: (checked: boolean) => void; children: ReactNode }) {
  return (
    <Radix.CheckboxItem className={styles.item} checked={checked} onCheckedChange={onChange}>
      <span className={styles.icon}>{icon}</span>
      {children}
      <Mark />
    </Radix.CheckboxItem>
  );
}

interface MenuChoiceProps<T extends string> {
  value: T;
  options: { value: T; label: string; icon?: ReactNode }[];
  disabled?: boolean;
  /** The menu stays, so that the choice is seen to take effect. */
  stay?: boolean;
  onChange: (value: T) => void;
}

export function MenuChoice<T extends string>({ value, options, disabled, stay = false, onChange }: MenuChoiceProps<T>) {
  return (
    <Radix.RadioGroup value={value} onValueChange={(next) => onChange(next as T)}>
      {options.map((one) => (
        <Radix.RadioItem key={one.value} value={one.value} className={styles.item} disabled={disabled} onSelect={(event) => stay && event.preventDefault()}>
          <span className={styles.icon}>{one.icon}</span>
          {one.label}
          <Mark />
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}

function Mark() {
  return (
    <Radix.ItemIndicator className={styles.mark}>
      <Check size={15} />
    </Radix.ItemIndicator>
  );
}

export function MenuLine() {
  return <Radix.Separator className={styles.separator} />;
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <Radix.Label className={styles.label}>{children}</Radix.Label>;
}

/** Pictures side by side, each an item of its own. */
export function MenuRow({ options, onPick }: { options: { value: string; label: string }[]; onPick: (value: string) => void }) {
  return (
    <div className={styles.row}>
      {options.map((one) => (
        <Radix.Item key={one.value} className={styles.quick} aria-label={one.label} onSelect={() => onPick(one.value)}>
          {one.value}
        </Radix.Item>
      ))}
    </div>
  );
}
