// What other code may use of the client.
export { ChatClient, type Change, type ClientOptions } from "./client";
export type { Phase } from "./connection";
export type { OutboxEntry, OutboxStore } from "./outbox";
export { openOutboxStore } from "./outbox-store";
export { NoAnswer, ProblemError, codeOf } from "./problem";
export { SignedOut } from "./tokens";
