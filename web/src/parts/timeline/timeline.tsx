// A room's messages: only what is near the screen is in the page, the reader's place holds while messages come and go.
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useShallow } from "zustand/react/shallow";
import type { Message as MessageData, RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import type { Timeline as TimelineData } from "../../state/model";
import { type Row, rowsOf } from "../../state/rows";
import { pendingIn, titleOf } from "../../state/select";
import { texts } from "../../texts";
import type { MessageWish } from "../message/actions";
import { Button } from "../ui/controls";
import { TimelineRow } from "./row";
import styles from "./timeline.module.css";
import { useAttentive } from "./use-attentive";
import { END_PX, useStick } from "./use-stick";

/** Rows from an edge of what is loaded at which more is asked for. */
const NEAR_EDGE = 12;
const FLASH_MS = 2_000;

interface TimelineProps {
  room: RoomSummary;
  timeline: TimelineData;
  editing: string | null;
  onWish: (wish: MessageWish, message: MessageData) => void;
  onEdited: () => void;
  onPerson: (userId: string, anchor: HTMLElement) => void;
}

export function Timeline({ room, timeline, editing, onWish, onEdited, onPerson }: TimelineProps) {
  const chat = useChat();
  const me = useChatState((state) => state.me?.id ?? "");
  const title = useChatState((state) => titleOf(state, room));
  const newAfter = useChatState((state) => state.open?.newAfter ?? null);
  const pending = useChatState(useShallow((state) => pendingIn(state.outbox, room.id)));
  const scroller = useRef<HTMLDivElement>(null);
  const [flash, setFlash] = useState<string | null>(null);
  const [focused, setFocused] = useState<string | null>(null);

  const { messages, hasOlder, hasNewer } = timeline;
  const rows = useMemo(
    () => rowsOf({ messages, fromStart: !hasOlder, pending: hasNewer ? [] : pending, newAfter, me }),
    [messages, hasOlder, hasNewer, pending, newAfter, me],
  );

  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: useCallback((at: number) => estimate(rows[at]), [rows]),
    getItemKey: useCallback((at: number) => rows[at]?.key ?? at, [rows]),
    overscan: 6,
    anchorTo: "end",
    scrollEndThreshold: END_PX,
    paddingEnd: 8,
  });
  const items = virtualizer.getVirtualItems();
  const firstAt = items[0]?.index ?? 0;
  const lastAt = items.at(-1)?.index ?? 0;

  const { atEnd, onScroll, stick } = useStick(scroller, hasNewer);

  // Where to begin: at a jump's target, at the first new message, else at the end.
  useLayoutEffect(() => {
    const target = timeline.target === null ? -1 : rows.findIndex((row) => row.kind === "message" && row.message.seq >= (timeline.target ?? 0));
    const line = rows.findIndex((row) => row.kind === "new");
    if (target >= 0) {
      virtualizer.scrollToIndex(target, { align: "center" });
      const row = rows[target];
      if (row?.kind === "message") setFlash(row.message.id);
    } else if (line >= 0) virtualizer.scrollToIndex(line, { align: "start" });
    else stick();
    // Only when the timeline was replaced, not whenever a row came.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [timeline.generation, room.id]);

  useEffect(() => {
    if (!flash) return;
    const timer = setTimeout(() => setFlash(null), FLASH_MS);
    return () => clearTimeout(timer);
  }, [flash]);

  // What this person sends is what they want to see, wherever they were.
  const said = pending.length;
  useEffect(() => {
    if (said === 0) return;
    if (hasNewer) void chat.loadEnd(room.id);
    else stick();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [said]);

  useEffect(() => {
    if (timeline.loading !== "none" || timeline.failed || items.length === 0) return;
    if (hasOlder && firstAt < NEAR_EDGE) void chat.loadOlder(room.id);
    else if (hasNewer && lastAt > rows.length - NEAR_EDGE) void chat.loadNewer(room.id);
  }, [chat, room.id, timeline.loading, timeline.failed, hasOlder, hasNewer, firstAt, lastAt, rows.length, items.length]);

  useAttentive(room.id, atEnd && !hasNewer);

  const toEnd = () => {
    if (hasNewer) void chat.loadEnd(room.id);
    else stick();
  };
  const shownRows = useRef(rows);
  useEffect(() => {
    shownRows.current = rows;
  }, [rows]);
  const jump = useCallback(
    (id: string) => {
      const at = shownRows.current.findIndex((row) => idOf(row) === id);
      if (at >= 0) {
        virtualizer.scrollToIndex(at, { align: "center" });
        setFlash(id);
        return;
      }
      const quoted = chat.store.getState().quotes[id];
      if (quoted) void chat.jumpTo(room.id, quoted.seq);
    },
    [chat, room.id, virtualizer],
  );

  const lastMessage = messages.at(-1)?.id;
  const stop = focused !== null && rows.some((row) => row.kind === "message" && row.message.id === focused) ? focused : lastMessage;
  const walk = (event: KeyboardEvent) => {
    const on = event.target as HTMLElement;
    if (on.dataset.message === undefined || !["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const ids = rows.flatMap((row, at) => (row.kind === "message" ? [{ id: row.message.id, at }] : []));
    const here = ids.findIndex(({ id }) => id === on.dataset.message);
    const next = event.key === "Home" ? ids[0] : event.key === "End" ? ids.at(-1) : ids[here + (event.key === "ArrowUp" ? -1 : 1)];
    if (!next) return;
    setFocused(next.id);
    virtualizer.scrollToIndex(next.at, { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-message="${next.id}"]`)?.focus());
  };

  const lineShown = newAfter === null || rows.some((row) => row.kind === "new");
  const missedAbove = !lineShown && hasOlder && room.unread > 0;
  return (
    <div className={styles.frame}>
      {missedAbove && (
        <Button className={styles.pillTop} onClick={() => void chat.jumpTo(room.id, room.readSeq)}>
          <ArrowUp size={15} /> {texts.message.jumpNew(room.unread)}
        </Button>
      )}
      <div ref={scroller} className={styles.scroller} role="log" aria-live="off" aria-label={texts.message.log(title)} tabIndex={-1} onScroll={onScroll} onKeyDown={walk}>
        <div className={styles.fill}>
          {timeline.failed && hasOlder && (
            <p className={styles.failed}>
              {texts.room.loadFailed} <Button onClick={() => void chat.loadOlder(room.id)}>{texts.common.retry}</Button>
            </p>
          )}
          <div className={styles.sizer} style={{ height: virtualizer.getTotalSize() }}>
            <div className={styles.window} style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
              {items.map((item) => {
                const row = rows[item.index];
                return (
                  row && (
                    <div key={item.key} data-index={item.index} ref={virtualizer.measureElement} className={styles.row}>
                      <TimelineRow
                        row={row}
                        roomId={room.id}
                        flash={flash !== null && idOf(row) === flash}
                        editing={editing !== null && idOf(row) === editing}
                        tabStop={idOf(row) === stop}
                        onWish={onWish}
                        onEdited={onEdited}
                        onQuote={jump}
                        onPerson={onPerson}
                      />
                    </div>
                  )
                );
              })}
            </div>
          </div>
        </div>
      </div>
      {(!atEnd || hasNewer) && (
        <Button tone={room.unread > 0 ? "primary" : "plain"} className={styles.pill} onClick={toEnd}>
          <ArrowDown size={15} /> {room.unread > 0 ? texts.message.jumpNew(room.unread) : texts.message.jumpEnd}
        </Button>
      )}
    </div>
  );
}

function idOf(row: Row): string | undefined {
  return row.kind === "message" ? row.message.id : undefined;
}

/** A first guess at a row's height; the real one is measured when the row is shown. */
function estimate(row: Row | undefined): number {
  if (!row) return 40;
  if (row.kind === "start") return 150;
  if (row.kind === "day" || row.kind === "new") return 40;
  const text = row.kind === "message" ? row.message.text : row.entry.text;
  const lines = text.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 90), 0);
  return lines * 22 + (row.head ? 34 : 4);
}
