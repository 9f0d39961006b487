// The one line that tells how the connection is. Silent while all is well.
import { CloudOff, LoaderCircle, Wifi } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { Phase } from "../../client";
import { useChat, useChatState } from "../../state/context";
import { texts } from "../../texts";
import { cx } from "../ui/controls";
import styles from "./banner.module.css";

/** A blink of the network is nobody's business. */
const QUIET_MS = 700;
const BACK_MS = 2_500;

export function ConnectionBanner() {
  const chat = useChat();
  const phase = useChatState((state) => state.phase);
  const waiting = useChatState((state) => state.outbox.filter((entry) => entry.state !== "failed").length);
  const shown = useShown(phase);
  const seconds = useCountdown(phase.kind === "waiting" ? phase.retryAt : null);
  const tone = shown === "trouble" ? styles.trouble : shown === "back" ? styles.back : styles.hidden;
  return (
    <div className={cx(styles.banner, tone)} role="status" aria-live="polite">
      {shown === "back" && (
        <>
          <Wifi size={15} /> {texts.connection.back}
        </>
      )}
      {shown === "trouble" && (
        <>
          {phase.kind === "offline" || phase.kind === "waiting" ? <CloudOff size={15} /> : <LoaderCircle size={15} className={styles.turn} />}
          <span>{sentence(phase, seconds)}</span>
          {waiting > 0 && <span className={styles.count}>{texts.connection.waitingCount(waiting)}</span>}
          {(phase.kind === "waiting" || phase.kind === "offline") && (
            <button type="button" className={styles.now} onClick={() => chat.client.retryNow()}>
              {texts.connection.now}
            </button>
          )}
        </>
      )}
    </div>
  );
}

function sentence(phase: Phase, seconds: number): string {
  switch (phase.kind) {
    case "offline":
      return texts.connection.offline;
    case "waiting":
      return phase.code === "too_many_connections" ? texts.connection.full(seconds) : texts.connection.waiting(seconds);
    case "catching-up":
      return texts.connection.catchingUp;
    case "connecting":
      return phase.first ? texts.connection.connecting : texts.connection.reconnecting;
    default:
      return "";
  }
}

/** Trouble after a moment of it; "back" for a moment after shown trouble; else nothing. */
function useShown(phase: Phase): "nothing" | "trouble" | "back" {
  const [shown, setShown] = useState<"nothing" | "trouble" | "back">("nothing");
  const now = useRef(shown);
  now.current = shown;
  const well = phase.kind === "live" || phase.kind === "idle" || phase.kind === "stopped";
  useEffect(() => {
    if (well && now.current === "nothing") return;
    if (well) {
      setShown("back");
      const timer = setTimeout(() => setShown("nothing"), BACK_MS);
      return () => clearTimeout(timer);
    }
    const timer = setTimeout(() => setShown("trouble"), QUIET_MS);
    return () => clearTimeout(timer);
  }, [well]);
  return shown;
}

function useCountdown(until: number | null): number {
  const [, tick] = useState(0);
  useEffect(() => {
    if (until === null) return;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? 0 : Math.ceil((until - Date.now()) / 1000);
}
