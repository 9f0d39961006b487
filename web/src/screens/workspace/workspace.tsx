// The house: conversations on the left, the open one in the middle. On a phone one at a time.
import { useEffect } from "react";
import { ConnectionBanner } from "../../parts/banner/banner";
import { Dialogs } from "../../parts/dialogs";
import { Toasts } from "../../parts/toast/toasts";
import { cx } from "../../parts/ui/controls";
import { useChat } from "../../state/context";
import { useRoute } from "../../state/route";
import { openDialog, togglePanel, ui } from "../../state/ui";
import { Conversation } from "./conversation";
import { Welcome } from "./placeholders";
import { Sidebar } from "./sidebar";
import { useAttention } from "./use-attention";
import styles from "./workspace.module.css";

export function Workspace() {
  const chat = useChat();
  const roomId = useRoute();
  useEffect(() => {
    chat.open(roomId);
    return () => chat.open(null);
  }, [chat, roomId]);
  useNetwork();
  useShortcuts();
  useAttention(roomId);
  return (
    <div className={cx(styles.workspace, roomId && styles.inRoom)}>
      <ConnectionBanner />
      <div className={styles.panes}>
        <Sidebar openId={roomId} />
        <main className={styles.main}>{roomId ? <Conversation key={roomId} roomId={roomId} /> : <Welcome />}</main>
      </div>
      <Dialogs />
      <Toasts />
    </div>
  );
}

function useNetwork(): void {
  const chat = useChat();
  useEffect(() => {
    const tell = () => chat.client.networkChanged(navigator.onLine);
    window.addEventListener("online", tell);
    window.addEventListener("offline", tell);
    return () => {
      window.removeEventListener("online", tell);
      window.removeEventListener("offline", tell);
    };
  }, [chat]);
}

function useShortcuts(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openDialog({ name: "switcher" });
      } else if (event.key === "Escape" && ui.getState().panel && !ui.getState().dialog && matchMedia("(max-width: 62rem)").matches) togglePanel(false);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
