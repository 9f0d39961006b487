// What is open on the screen: at most one dialog, the members panel. Not data; gone with the page.
import { createStore } from "zustand/vanilla";
import { useStore } from "zustand";

export type DialogName =
  | { name: "switcher" }
  | { name: "create" }
  | { name: "directory" }
  | { name: "sessions" }
  | { name: "profile" }
  | { name: "status" }
  | { name: "room"; roomId: string }
  | { name: "add-people"; roomId: string }
  | { name: "leave"; roomId: string };

interface Ui {
  dialog: DialogName | null;
  panel: boolean;
  toasts: { id: number; text: string; tone: "plain" | "bad" }[];
}

const TOAST_MS = 5_000;
let nextToast = 1;

export const ui = createStore<Ui>(() => ({ dialog: null, panel: false, toasts: [] }));

export const useUi = <T>(select: (state: Ui) => T): T => useStore(ui, select);
export const openDialog = (dialog: DialogName): void => ui.setState({ dialog });
export const closeDialog = (): void => ui.setState({ dialog: null });
export const togglePanel = (open?: boolean): void => ui.setState((now) => ({ panel: open ?? !now.panel }));

/** Tells what became of something that the person did. Never for what happened by itself. */
export function toast(text: string, tone: "plain" | "bad" = "plain"): void {
  const id = nextToast++;
  ui.setState((now) => ({ toasts: [...now.toasts.slice(-2), { id, text, tone }] }));
  setTimeout(() => dismissToast(id), TOAST_MS);
}

export const dismissToast = (id: number): void => ui.setState((now) => ({ toasts: now.toasts.filter((one) => one.id !== id) }));
