// What the tests use of the stand-in server.
import type { Server as HttpServer } from "node:http";
import type { Server } from "socket.io";
import type { DurableEvent, Member, Message, Room } from "../src/contract";

export interface FakeRoom extends Room {
  epoch: number;
  members: Map<string, Member>;
  log: DurableEvent[];
  messages: Message[];
  read: Map<string, { readSeq: number; readN: number }>;
}
export interface World {
  users: Map<string, object>;
  rooms: Map<string, FakeRoom>;
  sessions: Map<string, object[]>;
  presence: Map<string, object>;
}
export interface Fake {
  url: string;
  port: number;
  io: Server;
  http: HttpServer;
  world: World;
  faults: { dropAcks: number; dropEvents: number; refuseSends: string | null; noReplay: boolean; slowHistoryMs: number };
  fullHouse?: boolean;
  sends: { roomId: string; clientId: string; text: string }[];
  refreshes: number;
  tokens: Map<string, string>;
  cookies: Map<string, string>;
  tokenFor(userId: string): string;
  publish(event: DurableEvent): void;
  cut(): void;
  close(): Promise<void>;
}
export function startFake(options?: { port?: number; world?: World; tokenSeconds?: number; replayMax?: number }): Promise<Fake>;
export function emptyWorld(): World;
export function makeRoom(options: { type: Room["type"]; name?: string | null; topic?: string | null; createdBy: string; epoch?: number }): FakeRoom;
export function addMember(room: FakeRoom, userId: string, role?: Member["role"]): DurableEvent;
export function say(room: FakeRoom, senderId: string, text: string, options?: { clientId?: string; mentions?: string[] }): Message;
export function append(room: FakeRoom, name: DurableEvent["name"], data: object): DurableEvent;
