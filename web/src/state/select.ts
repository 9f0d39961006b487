// Questions that screens ask of the state. Each is pure; what is costly is remembered by its inputs.
import type { OutboxEntry } from "../client";
import type { PresenceStatus, RoomSummary } from "../contract";
import { texts } from "../texts";
import type { State } from "./model";

// Made once: localeCompare makes one at every call.
const byName = new Intl.Collator(undefined, { numeric: true });

export function nameOf(state: Pick<State, "users">, userId: string): string {
  return state.users[userId]?.displayName ?? texts.people.unknown;
}

/** What a room is called for this person: its name, the other's name in a DM, the names of a group's members. */
export function titleOf(state: Pick<State, "users" | "members" | "me">, room: RoomSummary): string {
  if (room.type === "dm" && room.peerId) return nameOf(state, room.peerId);
  if (room.name) return room.name;
  const others = (state.members[room.id]?.rows ?? []).filter((row) => row.userId !== state.me?.id).slice(0, 4);
  if (others.length > 0) return others.map((row) => firstWord(nameOf(state, row.userId))).join(", ");
  return room.type === "dm" ? texts.people.unknown : texts.rooms.unnamedGroup;
}

export function statusOf(state: Pick<State, "presence">, userId: string | null | undefined): PresenceStatus {
  return (userId ? state.presence[userId]?.status : undefined) ?? "offline";
}

/** The list on the left: named rooms by name, conversations by their latest message. */
export function sections(state: Pick<State, "rooms" | "users" | "members" | "me">): { rooms: RoomSummary[]; talks: RoomSummary[] } {
  const all = Object.values(state.rooms);
  const named = all.filter((room) => room.type === "public" || room.type === "private");
  const talks = all.filter((room) => room.type === "dm" || room.type === "group");
  return {
    rooms: named.sort((a, b) => byName.compare(titleOf(state, a), titleOf(state, b))),
    talks: talks.sort((a, b) => activity(b) - activity(a)),
  };
}

/** What title, favicon and the phone's back button show. Muted rooms count only when they name this person. */
export function unreadTotal(rooms: Record<string, RoomSummary>, muted: Record<string, true>): { unread: number; mentions: number } {
  let unread = 0;
  let mentions = 0;
  for (const room of Object.values(rooms)) {
    mentions += room.mentions;
    unread += muted[room.id] ? room.mentions : room.unread;
  }
  return { unread, mentions };
}

/** People who are writing in a room now. */
export function typists(state: Pick<State, "typing">, roomId: string): string[] {
  return Object.keys(state.typing[roomId] ?? {});
}

/** What waits or failed in a room. */
export function pendingIn(outbox: OutboxEntry[], roomId: string): OutboxEntry[] {
  return outbox.filter((entry) => entry.roomId === roomId);
}

function activity(room: RoomSummary): number {
  return Date.parse(room.lastMessage?.createdAt ?? room.createdAt);
}

function firstWord(name: string): string {
  return name.split(" ")[0] ?? name;
}
