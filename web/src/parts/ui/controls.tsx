// Buttons, fields and their kin: the smallest things, styled once.
import type { ComponentProps, ReactNode } from "react";
import styles from "./controls.module.css";

type Tone = "primary" | "plain" | "quiet" | "danger";

export const cx = (...names: (string | false | null | undefined)[]): string => names.filter(Boolean).join(" ");

export function Button({ tone = "plain", busy = false, wide = false, className, children, disabled, ...rest }: ComponentProps<"button"> & { tone?: Tone; busy?: boolean; wide?: boolean }) {
  return (
    <button type="button" className={cx(styles.button, styles[tone], wide && styles.wide, className)} aria-busy={busy || undefined} disabled={disabled || busy} {...rest}>
      {children}
    </button>
  );
}

/** A button that is only a picture: its label is heard, and seen on hover or focus. */
export function IconButton({ label, hint, children, className, ...rest }: ComponentProps<"button"> & { label: string; hint?: string }) {
  return (
    <button type="button" aria-label={label} data-tip={label} data-tip-hint={hint} className={cx(styles.icon, className)} {...rest}>
      {children}
    </button>
  );
}

export function Field({ label, error, id, hideLabel = false, ...rest }: ComponentProps<"input"> & { label: string; id: string; error?: string | null; hideLabel?: boolean }) {
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={hideLabel ? "sr-only" : styles.label}>
        {label}
      </label>
      <input id={id} className={styles.input} dir="auto" aria-invalid={error ? true : undefined} aria-describedby={error ? `${id}-error` : undefined} {...rest} />
      {error && (
        <p id={`${id}-error`} className={styles.error} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

export function Key({ children }: { children: ReactNode }) {
  return <kbd className={styles.key}>{children}</kbd>;
}

/** Grey bars in the place of what is still on its way. */
export function Skeleton({ width, height = "0.75rem" }: { width: string; height?: string }) {
  return <span className={styles.skeleton} style={{ width, height }} aria-hidden="true" />;
}
