// How a component reaches the chat: by context, so that a test can bring its own.
import { createContext, useContext } from "react";
import { useStore } from "zustand";
import type { Chat } from "./chat";
import type { State } from "./model";
import { type Preferences, preferences } from "./preferences";

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error("no ChatContext around this component");
  return chat;
}

/** One piece of the state; the component renders again when that piece changes. Select plain parts, or wrap in `useShallow`. */
export function useChatState<T>(select: (state: State) => T): T {
  return useStore(useChat().store, select);
}

export function usePreferences<T>(select: (all: Preferences) => T): T {
  return useStore(preferences, select);
}
