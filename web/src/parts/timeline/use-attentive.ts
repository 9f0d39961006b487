// Whether the person is looking at the end of the room: only then are messages read, and only then may old ones go.
import { useEffect } from "react";
import { useChat } from "../../state/context";

export function useAttentive(roomId: string, atEnd: boolean): void {
  const chat = useChat();
  useEffect(() => {
    const tell = () => {
      const looks = atEnd && document.visibilityState === "visible" && document.hasFocus();
      chat.store.dispatch({ type: "attentive", roomId: looks ? roomId : null });
    };
    tell();
    window.addEventListener("focus", tell);
    window.addEventListener("blur", tell);
    document.addEventListener("visibilitychange", tell);
    return () => {
      window.removeEventListener("focus", tell);
      window.removeEventListener("blur", tell);
      document.removeEventListener("visibilitychange", tell);
      chat.store.dispatch({ type: "attentive", roomId: null });
    };
  }, [chat, roomId, atEnd]);
}
