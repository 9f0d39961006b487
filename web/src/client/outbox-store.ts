// The outbox on disk: IndexedDB, one row a message. Where the browser forbids it, memory takes its place.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { OutboxEntry, OutboxStore } from "./outbox";

interface Schema extends DBSchema {
  outbox: { key: string; value: OutboxEntry; indexes: { user: string } };
}

/** Opens the store; falls back to memory when IndexedDB is missing or refuses. */
export async function openOutboxStore(name = "chatify"): Promise<OutboxStore> {
  try {
    const db = await openDB<Schema>(name, 1, {
      upgrade(database) {
        database.createObjectStore("outbox", { keyPath: "clientId" }).createIndex("user", "userId");
      },
    });
    return onDisk(db);
  } catch {
    return inMemory();
  }
}

function onDisk(db: IDBPDatabase<Schema>): OutboxStore {
  return {
    all: (userId) => db.getAllFromIndex("outbox", "user", userId),
    put: async (entry) => {
      await db.put("outbox", entry);
    },
    remove: (clientId) => db.delete("outbox", clientId),
  };
}

/** The same without a disk; also what tests use. */
export function inMemory(rows: OutboxEntry[] = []): OutboxStore {
  const kept = new Map(rows.map((entry) => [entry.clientId, entry]));
  return {
    all: (userId) => Promise.resolve([...kept.values()].filter((entry) => entry.userId === userId)),
    put: (entry) => {
      kept.set(entry.clientId, entry);
      return Promise.resolve();
    },
    remove: (clientId) => {
      kept.delete(clientId);
      return Promise.resolve();
    },
  };
}
