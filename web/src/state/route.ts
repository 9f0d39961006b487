// Which room the address names: `#/room_…`. The phone's back button is the browser's.
import { useSyncExternalStore } from "react";

export function currentRoom(): string | null {
  const match = /^#\/(room_[0-9a-f-]{36})$/.exec(location.hash);
  return match?.[1] ?? null;
}

/** Shows a room, or the list. `replace` leaves no step to go back to. */
export function go(roomId: string | null, replace = false): void {
  const hash = roomId ? `#/${roomId}` : "#/";
  if (replace) {
    history.replaceState(null, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}

export function useRoute(): string | null {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("hashchange", changed);
      return () => window.removeEventListener("hashchange", changed);
    },
    currentRoom,
    () => null,
  );
}
