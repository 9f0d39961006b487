// Whether the person is looking at the end of the room: only then are messages read, and only then may old ones go.
import { useEffect } from "react";
import { useChat } from "../../state/context";

export function useAttentive(atEnd: boolean): void {
  const chat = useChat();
  useEffect(() => {
    const tell = () => chat.store.dispatch({ type: "attentive", attentive: atEnd && document.visibilityState === "visible" && document.hasFocus() });
    tell();
    window.addEventListener("focus", tell);
    window.addEventListener("blur", tell);
    document.addEventListener("visibilitychange", tell);
    return () => {
      window.removeEventListener("focus", tell);
      window.removeEventListener("blur", tell);
      document.removeEventListener("visibilitychange", tell);
    };
  }, [chat, atEnd]);
}
