// What a person chose on this device: theme, muted rooms, notifications. Kept in localStorage, shared over tabs.
import { createStore } from "zustand/vanilla";

export type Theme = "system" | "light" | "dark";

export interface Preferences {
  theme: Theme;
  muted: Record<string, true>;
  notify: boolean;
}

const KEY = "chatify.preferences";
const THEME_KEY = "chatify.theme";
const DRAFTS_KEY = "chatify.drafts";
const HINT_KEY = "chatify.signed-in";

export const preferences = createStore<Preferences>(() => ({ theme: "system", muted: {}, notify: false, ...load() }));

preferences.subscribe((now) => {
  write(KEY, JSON.stringify({ muted: now.muted, notify: now.notify }));
  // theme.js reads this before the first paint.
  if (now.theme === "system") forget(THEME_KEY);
  else write(THEME_KEY, now.theme);
  applyTheme(now.theme);
});

/** Puts the theme on the page; without a choice the system's holds. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function setTheme(theme: Theme): void {
  preferences.setState({ theme });
}

export function toggleMuted(roomId: string): void {
  const { [roomId]: was, ...muted } = preferences.getState().muted;
  preferences.setState({ muted: was ? muted : { ...muted, [roomId]: true } });
}

export const loadDrafts = (userId: string): unknown => parse(read(`${DRAFTS_KEY}.${userId}`));
export const saveDrafts = (userId: string, drafts: unknown): void => write(`${DRAFTS_KEY}.${userId}`, JSON.stringify(drafts));

/** Whether somebody was signed in here: spares a first visitor a refused request. */
export const wasSignedIn = (): boolean => read(HINT_KEY) === "1";
export const rememberSignedIn = (is: boolean): void => (is ? write(HINT_KEY, "1") : forget(HINT_KEY));

function load(): Partial<Preferences> {
  const theme = read(THEME_KEY);
  const kept = parse(read(KEY));
  return { ...(typeof kept === "object" ? kept : {}), theme: theme === "light" || theme === "dark" ? theme : "system" };
}

// Storage may be closed to us; then choices hold for this visit.
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Full or forbidden: the choice holds for this visit.
  }
}

function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

function parse(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
