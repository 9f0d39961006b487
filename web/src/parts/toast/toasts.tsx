// Short answers to what a person did. Politely announced, gone by themselves.
import { X } from "lucide-react";
import { dismissToast, useUi } from "../../state/ui";
import { texts } from "../../texts";
import { cx } from "../ui/controls";
import styles from "./toasts.module.css";

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <div className={styles.region} role="status" aria-live="polite">
      {toasts.map((one) => (
        <div key={one.id} className={cx(styles.toast, one.tone === "bad" && styles.bad)}>
          <span>{one.text}</span>
          <button type="button" aria-label={texts.common.close} className={styles.close} onClick={() => dismissToast(one.id)}>
            <X size={15} />
          </button>
        </div>
      ))}
    </div>
  );
}
