// A dialog: focus goes in, stays in, and comes back to where it was. On a phone it rises from below.
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { closeDialog } from "../../state/ui";
import { texts } from "../../texts";
import { IconButton, cx } from "./controls";
import styles from "./dialog.module.css";

interface DialogProps {
  title: string;
  lead?: string;
  children: ReactNode;
  onClose?: () => void;
  /** The title is heard and not seen. */
  bare?: boolean;
  size?: "sm" | "md" | "lg";
}

export function Dialog({ title, lead, children, onClose = closeDialog, bare = false, size = "md" }: DialogProps) {
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={styles.scrim} />
        <Radix.Content className={cx(styles.dialog, styles[size], bare && styles.bare)} {...(lead ? {} : { "aria-describedby": undefined })}>
          {bare ? (
            <Radix.Title className="sr-only">{title}</Radix.Title>
          ) : (
            <header className={styles.header}>
              <div>
                <Radix.Title className={styles.title}>{title}</Radix.Title>
                {lead && <Radix.Description className={styles.lead}>{lead}</Radix.Description>}
              </div>
              <IconButton label={texts.common.close} onClick={onClose} className={styles.close}>
                <X size={18} />
              </IconButton>
            </header>
          )}
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function DialogBody({ children, flush = false }: { children: ReactNode; flush?: boolean }) {
  return <div className={cx(styles.body, flush && styles.flush)}>{children}</div>;
}

export function DialogFooter({ children }: { children: ReactNode }) {
  return <footer className={styles.footer}>{children}</footer>;
}
