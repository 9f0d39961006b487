// The one tooltip: whatever carries `data-tip` shows it on hover and on keyboard focus. It only repeats for eyes what the
// element's label says to ears, so it is hidden from screen readers.
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { Key } from "./controls";
import styles from "./tooltip.module.css";

const HOVER_MS = 450;
/** Going on to the next button shows its tip at once. */
const WARM_MS = 300;
const GAP_PX = 6;
const EDGE_PX = 8;

interface Tip {
  text: string;
  hint: string | undefined;
  box: DOMRect;
}

export function Tooltips() {
  const [tip, setTip] = useState<Tip | null>(null);
  const bubble = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let hiddenAt = 0;
    let on: HTMLElement | null = null;
    const hide = () => {
      if (timer) clearTimeout(timer);
      timer = null;
      if (on) hiddenAt = performance.now();
      on = null;
      setTip(null);
    };
    const show = (target: HTMLElement, wait: number) => {
      if (target === on) return;
      hide();
      on = target;
      timer = setTimeout(() => {
        const text = target.dataset.tip;
        if (text && target.isConnected && target.dataset.state !== "open") setTip({ text, hint: target.dataset.tipHint, box: target.getBoundingClientRect() });
      }, wait);
    };
    const carrier = (event: Event) => (event.target instanceof Element ? event.target.closest<HTMLElement>("[data-tip]") : null);
    const over = (event: PointerEvent) => {
      if (event.pointerType === "touch") return;
      const target = carrier(event);
      if (target) show(target, performance.now() - hiddenAt < WARM_MS ? 0 : HOVER_MS);
      else if (on) hide();
    };
    const focus = (event: FocusEvent) => {
      const target = carrier(event);
      if (target?.matches(":focus-visible")) show(target, HOVER_MS);
    };
    const key = (event: KeyboardEvent) => event.key === "Escape" && hide();
    document.addEventListener("pointerover", over);
    document.addEventListener("focusin", focus);
    for (const name of ["pointerdown", "focusout", "scroll"] as const) document.addEventListener(name, hide, true);
    document.addEventListener("keydown", key);
    return () => {
      hide();
      document.removeEventListener("pointerover", over);
      document.removeEventListener("focusin", focus);
      for (const name of ["pointerdown", "focusout", "scroll"] as const) document.removeEventListener(name, hide, true);
      document.removeEventListener("keydown", key);
    };
  }, []);
  useLayoutEffect(() => {
    const own = bubble.current;
    if (!own || !tip) return;
    const { width, height } = own.getBoundingClientRect();
    const left = Math.min(Math.max(EDGE_PX, tip.box.left + tip.box.width / 2 - width / 2), innerWidth - width - EDGE_PX);
    const above = tip.box.top - height - GAP_PX;
    own.style.left = `${left}px`;
    own.style.top = `${above < EDGE_PX ? tip.box.bottom + GAP_PX : above}px`;
  }, [tip]);
  if (!tip) return null;
  return (
    <div ref={bubble} className={styles.tip} aria-hidden="true">
      {tip.text}
      {tip.hint && <Key>{tip.hint}</Key>}
    </div>
  );
}
