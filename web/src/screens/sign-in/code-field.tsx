// Eight digits, shown four and four. One real field lies over the drawn cells, so that paste, autofill from the mail and
// screen readers meet what they know.
import { useId, useState } from "react";
import { cx } from "../../parts/ui/controls";
import styles from "./code-field.module.css";

interface CodeFieldProps {
  length: number;
  value: string;
  label: string;
  error: string | null;
  disabled: boolean;
  onChange: (digits: string) => void;
}

/** Digits only, of whatever script or grouping they were copied in. */
export function digitsOf(text: string, most: number): string {
  return text.normalize("NFKC").replaceAll(/\D/g, "").slice(0, most);
}

export function CodeField({ length, value, label, error, disabled, onChange }: CodeFieldProps) {
  const id = useId();
  const [focused, setFocused] = useState(false);
  const half = length % 2 === 0 && length > 4 ? length / 2 : length;
  return (
    <div>
      <label htmlFor={id} className="sr-only">
        {label}
      </label>
      <div className={styles.frame}>
        <div className={styles.cells} aria-hidden="true">
          {Array.from({ length }, (_, at) => (
            <span
              key={at}
              className={cx(styles.cell, at === half && styles.second, error && styles.wrong, focused && !disabled && at === Math.min(value.length, length - 1) && styles.here, disabled && styles.off)}
            >
              {value[at] ?? ""}
            </span>
          ))}
        </div>
        <input
          id={id}
          className={styles.input}
          type="text"
          inputMode="numeric"
          autoComplete="one-time-code"
          pattern="[0-9]*"
          // Room for a pasted "1234-5678"; what is no digit is dropped.
          maxLength={length * 3}
          autoFocus
          readOnly={disabled}
          value={value}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? `${id}-error` : undefined}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          onChange={(event) => onChange(digitsOf(event.target.value, length))}
          onSelect={(event) => event.currentTarget.setSelectionRange(value.length, value.length)}
        />
      </div>
      <p id={`${id}-error`} className={styles.error} role="alert">
        {error}
      </p>
    </div>
  );
}
