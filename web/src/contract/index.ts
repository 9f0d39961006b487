// The one door to the wire types: everything else imports names from here, so that a regenerated contract touches one file.
import type { components } from "./rest";
import type { ClientEvents, ServerEvents } from "./events";

export type { ClientEvents, ServerEvents };
export type {
  LeaveReason,
  Member,
  Message,
  Presence,
  PresenceStatus,
  Reaction,
  Role,
  Room,
  RoomSummary,
  RoomType,
} from "./events";

type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];
export type User = Schemas["User"];
export type Me = Schemas["Me"];
export type Session = Schemas["Session"];
export type Challenge = Schemas["Challenge"];
export type ChallengeState = Schemas["ChallengeState"];
export type MemberRow = Schemas["MemberRow"];
export type SignedIn = Schemas["SignedIn"];
export type Tokens = Schemas["Tokens"];
export type CreateRoom = Schemas["CreateRoom"];

export type SessionReady = ServerEvents["session:ready"];
export type SendMessage = ClientEvents["message:send"]["payload"];

/** Names of the events that change a room for good; each carries `roomId` and the next `seq` of that room. */
export const DURABLE_EVENTS = [
  "message:new",
  "message:updated",
  "message:deleted",
  "reaction:updated",
  "room:updated",
  "room:deleted",
  "member:joined",
  "member:left",
  "member:updated",
] as const;

/** Names of the events that are true now and not kept. */
export const PASSING_EVENTS = [
  "receipt:updated",
  "unread:updated",
  "room:added",
  "room:removed",
  "typing",
  "presence:changed",
] as const;

export type DurableName = (typeof DURABLE_EVENTS)[number];
export type PassingName = (typeof PASSING_EVENTS)[number];
export type DurableEvent = { [N in DurableName]: { name: N; data: ServerEvents[N] } }[DurableName];
export type PassingEvent = { [N in PassingName]: { name: N; data: ServerEvents[N] } }[PassingName];
/** One page of a list. */
export interface Listed<T> {
  data: T[];
  page?: { next?: string | null };
}
