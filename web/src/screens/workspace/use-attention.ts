// What reaches a person who looks elsewhere: the tab's title and sign carry the count, and notifications if they asked.
import { useEffect } from "react";
import { useChat, useChatState, usePreferences } from "../../state/context";
import { preferences } from "../../state/preferences";
import { go } from "../../state/route";
import { nameOf, titleOf, unreadTotal } from "../../state/select";
import { texts } from "../../texts";

export function useAttention(roomId: string | null): void {
  const rooms = useChatState((state) => state.rooms);
  const muted = usePreferences((all) => all.muted);
  const title = useChatState((state) => {
    const room = roomId ? state.rooms[roomId] : undefined;
    return room ? titleOf(state, room) : null;
  });
  const { unread } = unreadTotal(rooms, muted);
  useEffect(() => {
    document.title = texts.title(unread, title);
    const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    icon?.setAttribute("href", `/favicon/${unread > 9 ? "more" : unread}.svg`);
  }, [unread, title]);
  useNotifications();
}

/** Mentions and direct messages, while the page is not looked at. */
function useNotifications(): void {
  const chat = useChat();
  useEffect(
    () =>
      chat.client.subscribe((change) => {
        const { notify, muted } = preferences.getState();
        if (change.type !== "events" || !notify || document.hasFocus() || typeof Notification === "undefined" || Notification.permission !== "granted") return;
        const state = chat.store.getState();
        for (const event of change.events) {
          if (event.name !== "message:new") continue;
          const { message, roomId } = event.data;
          const room = state.rooms[roomId];
          const me = state.me?.id ?? "";
          if (!room || message.senderId === me || muted[roomId]) continue;
          const direct = room.type === "dm" || room.type === "group";
          // A replay after a night offline is not news of this moment.
          if ((!direct && !message.mentions.includes(me)) || Date.now() - Date.parse(message.createdAt) > 60_000) continue;
          const who = nameOf(state, message.senderId);
          const shown = new Notification(room.type === "dm" ? who : texts.notification.mention(who, titleOf(state, room)), { body: message.text.slice(0, 160), tag: roomId, icon: "/favicon/0.svg" });
          shown.onclick = () => {
            window.focus();
            go(roomId);
          };
        }
      }),
    [chat],
  );
}
