// A finger that rests on a message opens its actions; a mouse has hover for that.
import { type PointerEvent, useRef } from "react";

const HOLD_MS = 450;
/** A finger trembles; beyond this it scrolls. */
const SLOP_PX = 10;

export function useLongPress(onHold: () => void, enabled: boolean) {
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const from = useRef({ x: 0, y: 0 });
  const stop = () => {
    if (timer.current) clearTimeout(timer.current);
    timer.current = null;
  };
  return {
    onPointerDown: (event: PointerEvent) => {
      if (!enabled || event.pointerType !== "touch") return;
      from.current = { x: event.clientX, y: event.clientY };
      stop();
      timer.current = setTimeout(onHold, HOLD_MS);
    },
    onPointerMove: (event: PointerEvent) => {
      if (Math.hypot(event.clientX - from.current.x, event.clientY - from.current.y) > SLOP_PX) stop();
    },
    onPointerUp: stop,
    onPointerCancel: stop,
  };
}
