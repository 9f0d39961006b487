// Lets a screen reader hear each new message of the open room once, and a burst as one sentence.
import { useEffect, useRef, useState } from "react";
import { useChat } from "../../state/context";
import { nameOf } from "../../state/select";
import { texts } from "../../texts";

/** Messages that come within so long are one announcement. */
const GATHER_MS = 700;
const ONE_BY_ONE_MAX = 3;

export function Announcer({ roomId }: { roomId: string }) {
  const chat = useChat();
  const [said, setSaid] = useState("");
  const heard = useRef(0);
  useEffect(() => {
    const head = () => chat.store.getState().rooms[roomId]?.headN ?? 0;
    heard.current = head();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const speak = () => {
      timer = null;
      const state = chat.store.getState();
      const fresh = (state.timelines[roomId]?.messages ?? []).filter((one) => one.n > heard.current && one.senderId !== state.me?.id && !one.deletedAt);
      heard.current = head();
      if (fresh.length === 0) return;
      setSaid(fresh.length > ONE_BY_ONE_MAX ? texts.message.heardMany(fresh.length) : fresh.map((one) => texts.message.heard(nameOf(state, one.senderId), one.text)).join(". "));
    };
    const stop = chat.store.subscribe(() => {
      if (head() > heard.current) timer ??= setTimeout(speak, GATHER_MS);
    });
    return () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }, [chat, roomId]);
  return (
    <div className="sr-only" role="status" aria-live="polite" aria-atomic="true">
      {said}
    </div>
  );
}
