// What stands in the middle when there is no conversation to show, each with a way on.
import { Compass, DoorClosed, Hash, MessagesSquare, Plus } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { Button } from "../../parts/ui/controls";
import { TimelineSkeleton } from "../../parts/timeline/skeleton";
import type { LeaveReason, Room } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat, useChatState } from "../../state/context";
import { go } from "../../state/route";
import { openDialog } from "../../state/ui";
import { texts } from "../../texts";
import styles from "./placeholders.module.css";

export function Placeholder({ icon, title, lead, children }: { icon: ReactNode; title: string; lead: string; children?: ReactNode }) {
  return (
    <div className={styles.place}>
      <span className={styles.icon}>{icon}</span>
      <h2 className={styles.title}>{title}</h2>
      <p className={styles.lead}>{lead}</p>
      {children && <div className={styles.ways}>{children}</div>}
    </div>
  );
}

export function Welcome() {
  const ready = useChatState((state) => state.ready);
  const empty = useChatState((state) => state.ready && Object.keys(state.rooms).length === 0);
  if (!ready) return <div className={styles.place} aria-busy="true" />;
  return (
    <Placeholder
      icon={<MessagesSquare size={26} />}
      title={empty ? texts.rooms.emptyTitle : texts.rooms.pickTitle}
      lead={empty ? texts.rooms.emptyLead : texts.rooms.pickLead}
    >
      <Button tone={empty ? "primary" : "plain"} onClick={() => openDialog({ name: "create" })}>
        <Plus size={16} /> {texts.rooms.create}
      </Button>
      <Button onClick={() => openDialog({ name: "directory" })}>
        <Compass size={16} /> {texts.rooms.browse}
      </Button>
    </Placeholder>
  );
}

export function Gone({ roomId, reason }: { roomId: string; reason: LeaveReason }) {
  const chat = useChat();
  const back = () => void attempt(() => chat.join(roomId));
  return (
    <Placeholder icon={<DoorClosed size={26} />} title={texts.room.goneTitle[reason]} lead={texts.room.goneLead}>
      {reason === "left" && <Button onClick={back}>{texts.room.join}</Button>}
      <Button tone="primary" onClick={() => go(null, true)}>
        {texts.room.toList}
      </Button>
    </Placeholder>
  );
}

/** An address of a room that is not in the list: public ones can be joined, all others say the same. */
export function Missing({ roomId }: { roomId: string }) {
  const chat = useChat();
  const [room, setRoom] = useState<Room | "missing" | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let stale = false;
    chat
      .learn(roomId)
      .then((found) => !stale && setRoom(found))
      .catch(() => !stale && setRoom("missing"));
    return () => {
      stale = true;
    };
  }, [chat, roomId]);
  if (room === null) return <TimelineSkeleton />;
  if (room === "missing" || room.type !== "public") {
    return (
      <Placeholder icon={<DoorClosed size={26} />} title={texts.room.missingTitle} lead={texts.room.missingLead}>
        <Button tone="primary" onClick={() => go(null, true)}>
          {texts.room.toList}
        </Button>
      </Placeholder>
    );
  }
  const join = async () => {
    setBusy(true);
    await attempt(() => chat.join(roomId));
    setBusy(false);
  };
  return (
    <Placeholder icon={<Hash size={26} />} title={texts.room.joinTitle(room.name ?? "")} lead={room.topic ?? texts.room.members(room.memberCount)}>
      <Button tone="primary" busy={busy} onClick={() => void join()}>
        {texts.room.join}
      </Button>
    </Placeholder>
  );
}
