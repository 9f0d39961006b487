// Public rooms that anyone may join.
import { Hash, Search } from "lucide-react";
import { useEffect, useState } from "react";
import type { Room } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat, useChatState } from "../../state/context";
import { go } from "../../state/route";
import { closeDialog } from "../../state/ui";
import { texts } from "../../texts";
import { Button, Skeleton } from "../ui/controls";
import { Dialog, DialogBody } from "../ui/dialog";
import styles from "./list.module.css";

const PAUSE_MS = 180;

export default function Directory() {
  const chat = useChat();
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<{ rooms: Room[]; next: string | null } | "failed" | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(() => {
      chat
        .directory(query.trim())
        .then(({ data, page }) => !stale && setFound({ rooms: data, next: page?.next ?? null }))
        .catch(() => !stale && setFound("failed"));
    }, query ? PAUSE_MS : 0);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [chat, query, round]);
  const more = (cursor: string) =>
    void attempt(async () => {
      const { data, page } = await chat.directory(query.trim(), cursor);
      setFound((now) => (now === null || now === "failed" ? now : { rooms: [...now.rooms, ...data], next: page?.next ?? null }));
    });
  return (
    <Dialog title={texts.directory.title} lead={texts.directory.lead} size="lg">
      <div className={styles.search}>
        <Search size={16} />
        <input type="search" aria-label={texts.directory.search} placeholder={texts.directory.search} value={query} autoFocus onChange={(event) => setQuery(event.target.value)} />
      </div>
      <DialogBody flush>
        {found === null ? (
          <div className={styles.loading}>
            {["40%", "55%", "34%"].map((width) => (
              <Skeleton key={width} width={width} height="1.25rem" />
            ))}
          </div>
        ) : found === "failed" ? (
          <p className={styles.none}>
            {texts.directory.failed} <Button onClick={() => setRound(round + 1)}>{texts.common.retry}</Button>
          </p>
        ) : found.rooms.length === 0 ? (
          <p className={styles.none}>{query ? texts.directory.none : texts.directory.empty}</p>
        ) : (
          <ul className={styles.list}>
            {found.rooms.map((room) => (
              <Entry key={room.id} room={room} />
            ))}
          </ul>
        )}
        {found !== null && found !== "failed" && found.next && (
          <Button tone="quiet" wide onClick={() => more(found.next ?? "")}>
            {texts.members.more}
          </Button>
        )}
      </DialogBody>
    </Dialog>
  );
}

function Entry({ room }: { room: Room }) {
  const chat = useChat();
  const member = useChatState((state) => room.id in state.rooms);
  const [busy, setBusy] = useState(false);
  const name = room.name ?? "";
  const open = async () => {
    setBusy(true);
    const done = member || (await attempt(() => chat.join(room.id)));
    setBusy(false);
    if (!done) return;
    closeDialog();
    go(room.id);
  };
  return (
    <li className={styles.row}>
      <span className={styles.glyph}>
        <Hash size={17} />
      </span>
      <span className={styles.body}>
        <bdi className={styles.title}>{name}</bdi>
        <span className={styles.lead}>
          {texts.room.members(room.memberCount)}
          {room.topic ? ` · ${room.topic}` : ""}
        </span>
      </span>
      <Button tone={member ? "quiet" : "plain"} busy={busy} aria-label={member ? texts.directory.openRoom(name) : texts.directory.joinRoom(name)} onClick={() => void open()}>
        {member ? texts.directory.open : texts.directory.join}
      </Button>
    </li>
  );
}
