// From the first request to the workspace, and what to say when something stands between.
import { Component, type ReactNode, useEffect, useState } from "react";
import { Placeholder } from "./screens/workspace/placeholders";
import { SignIn } from "./screens/sign-in/sign-in";
import { Workspace } from "./screens/workspace/workspace";
import { Button } from "./parts/ui/controls";
import { Tooltips } from "./parts/ui/tooltip";
import { Splash } from "./screens/splash";
import type { Chat } from "./state/chat";
import { ChatContext, useChat, useChatState } from "./state/context";
import { texts } from "./texts";
import { RefreshCw } from "lucide-react";

/** While the server cannot be reached at the first load: how long between tries. */
const AGAIN_MS = 3_000;

export function App({ chat }: { chat: Chat }) {
  return (
    <Guard>
      <ChatContext value={chat}>
        <Screens />
        <Tooltips />
      </ChatContext>
    </Guard>
  );
}

function Screens() {
  const chat = useChat();
  const me = useChatState((state) => state.me);
  const stopped = useChatState((state) => state.phase.kind === "stopped");
  const start = useStart(chat);
  const tooOld = useTooOld();
  if (tooOld) return <TooOld />;
  if (me && !stopped) return <Workspace />;
  if (start === "trying" || start === "unreachable") return <Splash unreachable={start === "unreachable"} />;
  return <SignIn />;
}

/** Takes up an earlier visit; keeps trying while the server cannot be reached. */
function useStart(chat: Chat): "trying" | "unreachable" | "done" {
  const [start, setStart] = useState<"trying" | "unreachable" | "done">("trying");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const attempt = () => {
      chat
        .resume()
        .then(() => setStart("done"))
        .catch(() => {
          setStart("unreachable");
          timer = setTimeout(attempt, AGAIN_MS);
        });
    };
    attempt();
    return () => {
      if (timer) clearTimeout(timer);
    };
  }, [chat]);
  return start;
}

/** The server has a newer build: files of this one that were not fetched yet are gone. */
function useTooOld(): boolean {
  const [old, setOld] = useState(false);
  useEffect(() => {
    const missing = (event: Event) => {
      event.preventDefault();
      // Without a network every file is missing; that is no sign of age.
      if (navigator.onLine) setOld(true);
    };
    window.addEventListener("vite:preloadError", missing);
    return () => window.removeEventListener("vite:preloadError", missing);
  }, []);
  return old;
}

function TooOld() {
  return (
    <Placeholder icon={<RefreshCw size={26} />} title={texts.connection.tooOldTitle} lead={texts.connection.tooOldLead}>
      <Button tone="primary" onClick={() => location.reload()}>
        {texts.connection.reload}
      </Button>
    </Placeholder>
  );
}

/** The last net: a fault in a component, or a file of an older build that is gone from the server. */
class Guard extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };
  static getDerivedStateFromError() {
    return { broken: true };
  }
  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <Placeholder icon={<RefreshCw size={26} />} title={texts.connection.brokenTitle} lead={texts.connection.brokenLead}>
        <Button tone="primary" onClick={() => location.reload()}>
          {texts.connection.reload}
        </Button>
      </Placeholder>
    );
  }
}
