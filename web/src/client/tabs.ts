// Telling living tabs from dead ones, by a lock that each tab holds for as long as it lives.

const PREFIX = "chatify-tab-";

/** Marks this tab as alive until it closes. */
export function holdTab(tab: string): void {
  // Never resolves: the browser lets go when the page is gone.
  void locks()?.request(PREFIX + tab, () => new Promise<never>(() => undefined));
}

/** A test of whether another tab lives. Where locks are missing all look dead: to send twice is safe, to not send is not. */
export async function livingTabs(): Promise<(tab: string) => boolean> {
  const held = (await locks()?.query())?.held ?? [];
  const names = new Set(held.map((lock) => lock.name));
  return (tab) => names.has(PREFIX + tab);
}

/** Runs `work` while no other tab runs the same. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const manager = locks();
  return manager ? await manager.request(name, work) : work();
}

function locks(): LockManager | undefined {
  return typeof navigator === "undefined" ? undefined : (navigator as { locks?: LockManager }).locks;
}
