// The one store. Actions of people apply at once; what the network says is applied once a frame, however much it is.
import { createStore } from "zustand/vanilla";
import type { Change } from "../client";
import { type State, initialState } from "./model";
import { type Action, reduce } from "./reduce";

/** Hidden pages get no frames; this bounds how long news wait there. */
const HIDDEN_FLUSH_MS = 100;

export type Store = ReturnType<typeof createChatStore>;

export function createChatStore(now: () => number = Date.now) {
  const store = createStore<State>(initialState);
  let queue: Change[] = [];
  let scheduled = false;

  const dispatch = (action: Action): void => {
    flush();
    store.setState(reduce(store.getState(), action, now()), true);
  };
  const flush = (): void => {
    if (queue.length === 0) return;
    const changes = queue;
    queue = [];
    const at = now();
    store.setState(changes.reduce((state: State, change) => reduce(state, change, at), store.getState()), true);
  };
  const hear = (change: Change): void => {
    queue.push(change);
    if (scheduled) return;
    scheduled = true;
    onceAFrame(() => {
      scheduled = false;
      flush();
    });
  };
  return { ...store, dispatch, hear, flush };
}

function onceAFrame(work: () => void): void {
  if (typeof requestAnimationFrame === "undefined" || document.hidden) {
    setTimeout(work, HIDDEN_FLUSH_MS);
    return;
  }
  // A page that is hidden between now and the next frame would wait for as long as it is hidden.
  let done = false;
  const once = (): void => {
    if (!done) work();
    done = true;
  };
  requestAnimationFrame(once);
  setTimeout(once, HIDDEN_FLUSH_MS);
}
