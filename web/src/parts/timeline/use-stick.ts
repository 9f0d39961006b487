// Who reads the end goes on reading the end: whatever grows above, below or around the list. Only the reader's own
// scrolling up lets go.
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Closer to the end than this counts as reading the end. */
export const END_PX = 60;
/** A scroll so soon after a gesture is the reader's, inertia included. */
const GESTURE_MS = 800;
const GESTURES = ["wheel", "touchmove", "pointerdown", "keydown"] as const;

export function useStick(scroller: RefObject<HTMLElement | null>, hasNewer: boolean) {
  const [atEnd, setAtEnd] = useState(true);
  const stuck = useRef(false);
  const last = useRef({ top: 0, height: 0 });
  const touchedAt = useRef(0);

  const hold = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    if (stuck.current && !hasNewer) box.scrollTop = box.scrollHeight;
    // Rows that shrank while they were measured may have brought the end here without a scroll.
    const near = distance(box) < END_PX;
    if (near) stuck.current = true;
    setAtEnd(near);
  }, [scroller, hasNewer]);

  const stick = useCallback(() => {
    stuck.current = true;
    hold();
  }, [hold]);

  const onScroll = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const near = distance(box) < END_PX;
    const { top, height } = last.current;
    // Rows that are measured smaller than guessed move the list up as well; that is not the reader's doing.
    const byReader = box.scrollHeight === height || performance.now() - touchedAt.current < GESTURE_MS;
    if (near) stuck.current = true;
    else if (box.scrollTop < top && byReader) stuck.current = false;
    last.current = { top: box.scrollTop, height: box.scrollHeight };
    setAtEnd(near);
  }, [scroller]);

  // After every render, before the eye sees it.
  useLayoutEffect(hold);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    // The composer grew, a banner came, a picture of the rows was measured.
    const watch = new ResizeObserver(hold);
    watch.observe(box);
    if (box.firstElementChild) watch.observe(box.firstElementChild);
    const touched = () => void (touchedAt.current = performance.now());
    for (const name of GESTURES) box.addEventListener(name, touched, { passive: true });
    return () => {
      watch.disconnect();
      for (const name of GESTURES) box.removeEventListener(name, touched);
    };
  }, [scroller, hold]);

  return { atEnd, onScroll, stick };
}

function distance(box: HTMLElement): number {
  return box.scrollHeight - box.scrollTop - box.clientHeight;
}
