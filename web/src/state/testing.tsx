// A chat whose connection is a script: tests say what the server says and see what is asked of it.
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import type { Change, ChatClient } from "../client";
import { ME, OTHER, ROOM } from "../client/testing";
import type { Me, Member, Message, RoomSummary, SessionReady } from "../contract";
import { Chat } from "./chat";
import { ChatContext } from "./context";

export const me: Me = { id: ME, displayName: "Maya Okafor", email: "maya@example.com", createdAt: "2026-01-01T00:00:00.000Z" };
export const other = { id: OTHER, displayName: "Jonas Lindqvist", createdAt: "2026-01-01T00:00:00.000Z" };

export function room(change: Partial<RoomSummary> = {}): RoomSummary {
  return {
    id: ROOM, type: "public", name: "launch", topic: null, createdBy: ME, createdAt: "2026-01-01T00:00:00.000Z", memberCount: 2, role: "member", epoch: 1,
    headSeq: 0, headN: 0, readSeq: 0, readN: 0, unread: 0, mentions: 0, peerId: null, lastMessage: null, ...change,
  };
}

export const member = (userId: string, role: Member["role"] = "member"): Member => ({ userId, role, joinedAt: "2026-01-01T00:00:00.000Z", mutedUntil: null });

export function scripted(rooms: RoomSummary[] = [room()]) {
  const client = {
    subscribe: vi.fn(() => () => undefined),
    start: vi.fn(() => Promise.resolve()),
    request: vi.fn((event: string): Promise<unknown> => Promise.resolve(event === "history" ? { messages: [], more: false } : { users: [] })),
    hint: vi.fn(),
    send: vi.fn(() => Promise.resolve()),
    retryNow: vi.fn(),
    networkChanged: vi.fn(),
    askForCode: vi.fn(),
    askForAnotherCode: vi.fn(),
    codeState: vi.fn(() => Promise.resolve({ state: "sent", resendAfter: 30, attemptsLeft: 5 })),
    signIn: vi.fn(),
    http: { ask: vi.fn((): Promise<unknown> => Promise.resolve({ data: [] })), anonymously: vi.fn((): Promise<unknown> => Promise.resolve({})) },
    outbox: { retry: vi.fn(() => Promise.resolve()), discard: vi.fn(() => Promise.resolve()) },
  };
  const chat = new Chat(client as unknown as ChatClient);
  const { store } = chat;
  store.dispatch({ type: "signed-in", me });
  store.dispatch({ type: "users", users: [other] });
  store.dispatch({ type: "ready", ready: { rooms, limits: { textChars: 4000 } } as unknown as SessionReady });
  store.dispatch({ type: "phase", phase: { kind: "live" } });
  for (const one of rooms) store.dispatch({ type: "members", roomId: one.id, rows: [member(ME), member(OTHER)], next: null, first: true });
  const say = (change: Change) => store.dispatch(change);
  const show = (element: ReactNode) => render(<ChatContext value={chat}>{element}</ChatContext>);
  const timeline = (messages: Message[]) => {
    store.dispatch({ type: "loading", roomId: ROOM, what: "all" });
    store.dispatch({ type: "pages", roomId: ROOM, page: { messages, hasOlder: false, hasNewer: false }, target: null });
  };
  return { chat, client, store, say, show, timeline };
}
