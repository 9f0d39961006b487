// What the screens show, and nothing else: plain data, replaced and never changed in place.
import type { Phase, OutboxEntry } from "../client";
import type { DurableEvent, LeaveReason, Me, Member, Message, Presence, RoomSummary, User } from "../contract";

/** A contiguous piece of a room's messages, in the order of their seq. */
export interface Timeline {
  messages: Message[];
  /** Whether the server has more before the first, or after the last. */
  hasOlder: boolean;
  hasNewer: boolean;
  loading: "none" | "older" | "newer" | "all";
  /** Events that came while a page was on its way; applied again to the page, which may be older than they are. */
  meanwhile: DurableEvent[] | null;
  /** The last page could not be had. */
  failed: boolean;
  /** Counts whole replacements, so that a view knows when to forget where it was. */
  generation: number;
  /** The seq to show first after a replacement; null means the end. */
  target: number | null;
}

export interface Draft {
  text: string;
  replyTo: string | null;
  /** People chosen from the list of names while writing. */
  mentions: string[];
}

export interface MemberList {
  rows: Member[];
  /** null: the end was reached. */
  next: string | null;
  state: "loading" | "ready" | "failed";
}

export interface State {
  me: Me | null;
  phase: Phase;
  /** The list of rooms has arrived at least once. */
  ready: boolean;
  textChars: number;
  rooms: Record<string, RoomSummary>;
  /** Rooms that were left, removed or deleted during this visit, with the reason. */
  gone: Record<string, LeaveReason>;
  timelines: Record<string, Timeline>;
  members: Record<string, MemberList>;
  users: Record<string, User>;
  presence: Record<string, Presence>;
  /** Room → person → when the notice ends by itself (ms). */
  typing: Record<string, Record<string, number>>;
  /** Room → person → `n` of the last message read. */
  receipts: Record<string, Record<string, number>>;
  /** Answered messages that are not in the timeline; null when they cannot be had. */
  quotes: Record<string, Message | null>;
  outbox: OutboxEntry[];
  drafts: Record<string, Draft>;
  /** The room that is open, and the `n` above which its messages were new when it was opened. */
  open: { roomId: string; newAfter: number | null } | null;
  /** The room whose end the person is looking at: page visible and focused, list at its end. */
  attentive: string | null;
}

export const EMPTY_DRAFT: Draft = { text: "", replyTo: null, mentions: [] };

export function initialState(): State {
  return {
    me: null,
    phase: { kind: "idle" },
    ready: false,
    textChars: 4000,
    rooms: {},
    gone: {},
    timelines: {},
    members: {},
    users: {},
    presence: {},
    typing: {},
    receipts: {},
    quotes: {},
    outbox: [],
    drafts: {},
    open: null,
    attentive: null,
  };
}
