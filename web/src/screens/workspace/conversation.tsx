// One room, open: its head, its messages, who is typing, and where to write.
import { Suspense, lazy, useCallback, useEffect, useState } from "react";
import { Composer } from "../../parts/composer/composer";
import { TypingRow } from "../../parts/composer/typing-row";
import type { MessageWish } from "../../parts/message/actions";
import { Announcer } from "../../parts/timeline/announcer";
import { TimelineSkeleton } from "../../parts/timeline/skeleton";
import { Timeline } from "../../parts/timeline/timeline";
import type { Message, RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { useUi } from "../../state/ui";
import { texts } from "../../texts";
import styles from "./conversation.module.css";
import { Header } from "./header";
import { Gone, Missing } from "./placeholders";
import { SeenLine } from "./seen-line";

const MembersPanel = lazy(() => import("../../parts/members/members-panel"));
const PersonCard = lazy(() => import("../../parts/members/person-card"));
const RemoveMessage = lazy(() => import("./remove-message"));

export function Conversation({ roomId }: { roomId: string }) {
  const room = useChatState((state) => state.rooms[roomId]);
  const reason = useChatState((state) => state.gone[roomId]);
  const ready = useChatState((state) => state.ready);
  if (room) return <Open room={room} />;
  if (reason) return <Gone roomId={roomId} reason={reason} />;
  if (ready) return <Missing roomId={roomId} />;
  return (
    <div className={styles.conversation}>
      <TimelineSkeleton />
    </div>
  );
}

function Open({ room }: { room: RoomSummary }) {
  const chat = useChat();
  const timeline = useChatState((state) => state.timelines[room.id]);
  const serves = useChatState((state) => state.phase.kind === "live" || state.phase.kind === "catching-up");
  const panel = useUi((state) => state.panel);
  const [editing, setEditing] = useState<string | null>(null);
  const [removing, setRemoving] = useState<Message | null>(null);
  const [person, setPerson] = useState<{ userId: string; anchor: HTMLElement } | null>(null);
  const generation = timeline?.generation;

  // Names for mentions and titles; the newest messages whenever there are none and somebody to ask.
  useEffect(() => {
    if (!serves) return;
    chat.ensureTimeline(room.id);
    void chat.loadMembers(room.id);
  }, [chat, room.id, serves, generation]);

  const onWish = useCallback(
    (wish: MessageWish, message: Message) => {
      if (wish === "reply") chat.reply(message.roomId, message.id);
      else if (wish === "edit") setEditing(message.id);
      else setRemoving(message);
    },
    [chat],
  );
  const onEdited = useCallback(() => {
    setEditing(null);
    document.querySelector<HTMLElement>("form textarea")?.focus();
  }, []);
  const onPerson = useCallback((userId: string, anchor: HTMLElement) => setPerson({ userId, anchor }), []);
  const editLast = () => {
    const { me, timelines } = chat.store.getState();
    const mine = timelines[room.id]?.messages.findLast((one) => one.senderId === me?.id && !one.deletedAt);
    if (mine) setEditing(mine.id);
  };

  const loaded = timeline && (timeline.messages.length > 0 || !timeline.hasNewer);
  return (
    <>
      <section className={styles.conversation} aria-label={texts.room.conversation}>
        <Header room={room} />
        {loaded ? (
          <Timeline room={room} timeline={timeline} editing={editing} onWish={onWish} onEdited={onEdited} onPerson={onPerson} />
        ) : timeline?.failed && serves ? (
          <Failed onRetry={() => chat.ensureTimeline(room.id)} />
        ) : serves ? (
          <TimelineSkeleton />
        ) : (
          <p className={styles.note}>{texts.room.offlineEmpty}</p>
        )}
        <SeenLine room={room} />
        <Composer room={room} onEditLast={editLast} />
        <TypingRow roomId={room.id} />
        <Announcer roomId={room.id} />
      </section>
      <Suspense fallback={null}>
        {panel && <MembersPanel room={room} onPerson={onPerson} />}
        {person && <PersonCard key={person.userId} roomId={room.id} {...person} onClose={() => setPerson(null)} />}
        {removing && <RemoveMessage message={removing} onClose={() => setRemoving(null)} />}
      </Suspense>
    </>
  );
}

function Failed({ onRetry }: { onRetry: () => void }) {
  return (
    <div className={styles.note}>
      <p>{texts.room.loadFailed}</p>
      <button type="button" className={styles.retry} onClick={onRetry}>
        {texts.common.retry}
      </button>
    </div>
  );
}
