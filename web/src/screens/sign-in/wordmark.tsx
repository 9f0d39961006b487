// The name and its sign.
import { texts } from "../../texts";
import styles from "./wordmark.module.css";

export function Sign({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className={styles.sign}>
      <rect width="32" height="32" rx="8" className={styles.ground} />
      <path d="M9 8.5h14a3 3 0 0 1 3 3v7a3 3 0 0 1-3 3h-6.2L11.5 26v-4.5H9a3 3 0 0 1-3-3v-7a3 3 0 0 1 3-3z" fill="#fff" />
      <path d="M11 15.2l3.4 3 6.6-6.2" fill="none" strokeWidth="2.4" strokeLinecap="round" strokeLinejoin="round" className={styles.tick} />
    </svg>
  );
}

export function Wordmark() {
  return (
    <div className={styles.mark}>
      <Sign />
      <span>{texts.app.name}</span>
    </div>
  );
}
