// What a person can do. Each function is one wish: it asks the client and tells the store; screens call nothing else.
import { ChatClient, NoAnswer, type OutboxStore, SignedOut, openOutboxStore } from "../client";
import type { Listed, Me, MemberRow, Message, PresenceStatus, Room, RoomSummary, User } from "../contract";
import { ReadMarks } from "./read-marks";
import { type Draft, EMPTY_DRAFT, type Timeline } from "./model";
import { loadDrafts, rememberSignedIn, saveDrafts, wasSignedIn } from "./preferences";
import { Profiles } from "./profiles";
import { type Store, createChatStore } from "./store";
import type { Page } from "./timeline";

/** The most that the server gives at once: fewer pages, fewer moments of waiting at an edge. */
const PAGE = 100;
const TYPING_EVERY_MS = 3_000;
const DRAFT_SAVE_MS = 400;
/** Groups whose member lists are read only to name them, at one time. */
const GROUPS_NAMED = 20;

export class Chat {
  readonly store: Store = createChatStore();
  private readonly profiles: Profiles;
  private readonly marks: ReadMarks;
  private typingRoom: string | null = null;
  private typingAt = 0;
  private typingSweep: ReturnType<typeof setTimeout> | null = null;
  private draftTimer: ReturnType<typeof setTimeout> | null = null;
  private watched = "";

  constructor(readonly client: ChatClient) {
    this.profiles = new Profiles(client.http, (users) => this.store.dispatch({ type: "users", users }));
    this.marks = new ReadMarks(this.store, (roomId, seq) => client.request("receipt:read", { roomId, seq }));
    client.subscribe((change) => this.store.hear(change));
    this.store.subscribe((now, before) => {
      if (now.rooms !== before.rooms || now.timelines !== before.timelines) this.wantNames();
      if (now.rooms !== before.rooms || now.timelines !== before.timelines || now.attentive !== before.attentive || now.open !== before.open || now.phase !== before.phase) {
        this.marks.consider();
      }
      if (now.rooms !== before.rooms || now.members !== before.members || now.phase !== before.phase) this.watchPresence();
      if (now.typing !== before.typing) this.sweepTyping();
      if (now.drafts !== before.drafts) this.keepDrafts();
      if (now.phase.kind === "stopped" && before.phase.kind !== "stopped") rememberSignedIn(false);
    });
    // A reload right after the last word must not lose it.
    window.addEventListener("pagehide", this.saveDraftsNow);
  }

  static async create(): Promise<Chat> {
    const store: OutboxStore = await openOutboxStore();
    return new Chat(new ChatClient({ store }));
  }

  // ── coming and going ──

  /** Takes up an earlier visit. `false`: nobody is signed in. Fails with `NoAnswer` when the server cannot be reached. */
  async resume(): Promise<boolean> {
    if (!wasSignedIn()) return false;
    try {
      await this.enter(await this.client.resume());
      return true;
    } catch (error) {
      if (!(error instanceof SignedOut)) throw error;
      rememberSignedIn(false);
      return false;
    }
  }

  async enter(me: Me): Promise<void> {
    rememberSignedIn(true);
    this.store.dispatch({ type: "signed-in", me });
    const drafts = loadDrafts(me.id);
    if (typeof drafts === "object" && drafts !== null) this.store.dispatch({ type: "drafts", drafts: drafts as Record<string, Draft> });
    await this.client.start(me.id);
  }

  async signOut(): Promise<void> {
    rememberSignedIn(false);
    await this.client.signOut();
    this.store.dispatch({ type: "signed-out" });
  }

  async rename(displayName: string): Promise<void> {
    const me = await this.client.http.ask<Me>("PATCH", "/v1/users/me", { displayName });
    this.store.dispatch({ type: "me", me: { ...this.store.getState().me, ...me } });
  }

  async setStatus(status: PresenceStatus, text?: string | null): Promise<void> {
    await this.client.request("presence:set", { status, text: text || undefined });
    const me = this.store.getState().me;
    if (me) this.store.dispatch({ type: "presence", users: [{ userId: me.id, status, text }] });
  }

  // ── rooms ──

  open(roomId: string | null): void {
    if (this.store.getState().open?.roomId === roomId) return;
    this.stopTyping();
    this.store.dispatch({ type: "open", roomId });
    if (roomId && this.store.getState().rooms[roomId]) this.ensureTimeline(roomId);
  }

  /** Learns of a room that is not in the list. Fails with a problem when there is none for this person. */
  async learn(roomId: string): Promise<RoomSummary | Room> {
    return this.client.http.ask<RoomSummary | Room>("GET", `/v1/rooms/${roomId}`);
  }

  async createRoom(type: "public" | "private" | "group", name: string | null, memberIds: string[]): Promise<string> {
    const room = await this.client.http.ask<Room>("POST", "/v1/rooms", { type, ...(name ? { name } : {}), memberIds });
    return room.id;
  }

  async messagePerson(userId: string): Promise<string> {
    return (await this.client.http.ask<Room>("PUT", `/v1/dms/${userId}`)).id;
  }

  async join(roomId: string): Promise<void> {
    await this.client.http.ask("PUT", `/v1/rooms/${roomId}/members/me`, {});
  }

  async leave(roomId: string): Promise<void> {
    await this.client.http.ask("DELETE", `/v1/rooms/${roomId}/members/me`);
    this.store.dispatch({ type: "room-gone", roomId, reason: "left" });
  }

  async updateRoom(roomId: string, change: { name?: string; topic?: string | null }): Promise<void> {
    await this.client.http.ask("PATCH", `/v1/rooms/${roomId}`, change);
  }

  async addPeople(roomId: string, userIds: string[]): Promise<void> {
    for (const userId of userIds) await this.client.http.ask("PUT", `/v1/rooms/${roomId}/members/${userId}`, {});
  }

  async findPeople(query: string): Promise<User[]> {
    const { data } = await this.client.http.ask<Listed<User>>("GET", `/v1/users?q=${encodeURIComponent(query)}&limit=20`);
    this.store.dispatch({ type: "users", users: data });
    return data;
  }

  async directory(query: string, cursor?: string): Promise<Listed<Room>> {
    const more = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    return this.client.http.ask("GET", `/v1/directory?q=${encodeURIComponent(query)}&limit=50${more}`);
  }

  /** Reads the member list, or its next page. */
  async loadMembers(roomId: string, more = false): Promise<void> {
    const held = this.store.getState().members[roomId];
    if (held?.state === "loading" || (held?.state === "ready" && (!more || held.next === null))) return;
    this.store.dispatch({ type: "members-loading", roomId });
    try {
      const cursor = more && held?.next ? `&cursor=${encodeURIComponent(held.next)}` : "";
      const { data, page } = await this.client.http.ask<Listed<MemberRow>>("GET", `/v1/rooms/${roomId}/members?limit=100${cursor}`);
      const users = data.flatMap((row) => (row.user ? [row.user] : []));
      if (users.length > 0) this.store.dispatch({ type: "users", users });
      this.store.dispatch({ type: "members", roomId, rows: data, next: page?.next ?? null, first: !more });
      this.profiles.want(data.map((row) => row.userId), this.store.getState().users);
    } catch {
      this.store.dispatch({ type: "members-failed", roomId });
    }
  }

  // ── messages ──

  /** Makes sure that a room's newest messages are there or on their way. */
  ensureTimeline(roomId: string): void {
    const timeline = this.store.getState().timelines[roomId];
    if (!timeline || (timeline.messages.length === 0 && timeline.hasNewer && timeline.loading === "none")) void this.loadEnd(roomId);
  }

  async loadEnd(roomId: string): Promise<void> {
    await this.load(roomId, "all", async () => {
      const { messages, more } = await this.client.request("history", { roomId, limit: PAGE });
      this.store.dispatch({ type: "pages", roomId, page: { messages, hasOlder: more, hasNewer: false }, target: null });
    });
  }

  /** Shows a message that may be far away. */
  async jumpTo(roomId: string, seq: number): Promise<void> {
    await this.load(roomId, "all", async () => {
      const { messages } = await this.client.request("history", { roomId, around: seq, limit: PAGE });
      this.store.dispatch({ type: "pages", roomId, page: this.bounds(roomId, messages), target: seq });
    });
  }

  async loadOlder(roomId: string): Promise<void> {
    const first = this.store.getState().timelines[roomId]?.messages[0];
    if (!first || !this.idle(roomId)) return;
    await this.load(roomId, "older", async () => {
      const { messages, more } = await this.client.request("history", { roomId, before: first.seq, limit: PAGE });
      this.store.dispatch({ type: "page", roomId, page: { messages, hasOlder: more, hasNewer: false }, side: "older" });
    });
  }

  async loadNewer(roomId: string): Promise<void> {
    const last = this.store.getState().timelines[roomId]?.messages.at(-1);
    if (!last || !this.idle(roomId)) return;
    await this.load(roomId, "newer", async () => {
      const { messages, more } = await this.client.request("history", { roomId, after: last.seq, limit: PAGE });
      this.store.dispatch({ type: "page", roomId, page: { messages, hasOlder: false, hasNewer: more }, side: "newer" });
    });
  }

  async send(roomId: string, draft: Draft): Promise<void> {
    const { me } = this.store.getState();
    if (!me) return;
    this.stopTyping();
    this.store.dispatch({ type: "draft", roomId, draft: null });
    const { text, replyTo, mentions } = draft;
    await this.client.send(me.id, { roomId, text, replyTo, mentions });
  }

  async edit(message: Message, text: string): Promise<void> {
    const { roomId, id, version } = message;
    await this.client.request("message:edit", { roomId, id, text, version });
  }

  async remove(message: Message): Promise<void> {
    await this.client.request("message:delete", { roomId: message.roomId, id: message.id });
  }

  async react(message: Message, emoji: string): Promise<void> {
    const { me } = this.store.getState();
    const mine = message.reactions.some((one) => one.emoji === emoji && me && one.userIds.includes(me.id));
    await this.client.request(mine ? "reaction:remove" : "reaction:add", { roomId: message.roomId, id: message.id, emoji });
  }

  /** The message that another one answers, wherever it is. */
  wantQuote(roomId: string, id: string): void {
    const { quotes } = this.store.getState();
    if (id in quotes) return;
    this.store.dispatch({ type: "quote", id, message: null });
    this.client.http
      .ask<Message>("GET", `/v1/rooms/${roomId}/messages/${id}`)
      .then((message) => this.store.dispatch({ type: "quote", id, message }))
      .catch(() => undefined);
  }

  setDraft(roomId: string, draft: Draft): void {
    const empty = draft.text.trim() === "" && draft.replyTo === null;
    this.store.dispatch({ type: "draft", roomId, draft: empty ? null : draft });
  }

  reply(roomId: string, messageId: string | null): void {
    this.setDraft(roomId, { ...(this.store.getState().drafts[roomId] ?? EMPTY_DRAFT), replyTo: messageId });
  }

  /** The person pressed a key in a composer. */
  typing(roomId: string): void {
    const now = Date.now();
    if (this.typingRoom === roomId && now - this.typingAt < TYPING_EVERY_MS) return;
    this.typingRoom = roomId;
    this.typingAt = now;
    this.client.hint("typing:start", { roomId });
  }

  stopTyping(): void {
    if (this.typingRoom) this.client.hint("typing:stop", { roomId: this.typingRoom });
    this.typingRoom = null;
  }

  // ── underneath ──

  private idle(roomId: string): boolean {
    const timeline = this.store.getState().timelines[roomId];
    return timeline?.loading === "none";
  }

  private async load(roomId: string, what: Timeline["loading"], work: () => Promise<void>): Promise<void> {
    this.store.dispatch({ type: "loading", roomId, what });
    try {
      await work();
    } catch (error) {
      this.store.dispatch({ type: "load-failed", roomId });
      // No answer: the conversation loads again when the connection is back. Anything else is shown there.
      if (!(error instanceof NoAnswer)) return;
    }
  }

  private bounds(roomId: string, messages: Message[]): Page {
    const headN = this.store.getState().rooms[roomId]?.headN ?? 0;
    return { messages, hasOlder: (messages[0]?.n ?? 1) > 1, hasNewer: (messages.at(-1)?.n ?? headN) < headN };
  }

  private wantNames(): void {
    const { rooms, timelines, users, open } = this.store.getState();
    const ids = new Set<string>();
    for (const room of Object.values(rooms)) {
      if (room.peerId) ids.add(room.peerId);
      if (room.lastMessage) ids.add(room.lastMessage.senderId);
    }
    // A group without a name goes by its members.
    const nameless = Object.values(rooms).filter((room) => room.type === "group" && !room.name && !this.store.getState().members[room.id]);
    for (const room of nameless.slice(0, GROUPS_NAMED)) void this.loadMembers(room.id);
    for (const message of (open && timelines[open.roomId]?.messages) || []) ids.add(message.senderId);
    this.profiles.want(ids, users);
  }

  /** Follows whom the screen shows: everyone in DMs, and the members of the open room. */
  private watchPresence(): void {
    const { rooms, members, open, phase, me } = this.store.getState();
    if (phase.kind !== "live") {
      this.watched = "";
      return;
    }
    const ids = new Set(me ? [me.id] : []);
    for (const room of Object.values(rooms)) if (room.peerId) ids.add(room.peerId);
    for (const row of (open && members[open.roomId]?.rows) || []) ids.add(row.userId);
    const userIds = [...ids].slice(0, 200).sort();
    const key = userIds.join();
    if (key === this.watched || userIds.length === 0) return;
    this.watched = key;
    this.client
      .request("presence:watch", { userIds })
      .then((reply) => this.store.dispatch({ type: "presence", users: "users" in reply ? reply.users : reply.sample }))
      .catch(() => (this.watched = ""));
  }

  private sweepTyping(): void {
    if (this.typingSweep) return;
    const ends = Object.values(this.store.getState().typing).flatMap((people) => Object.values(people));
    if (ends.length === 0) return;
    this.typingSweep = setTimeout(() => {
      this.typingSweep = null;
      this.store.dispatch({ type: "typing-expired", now: Date.now() });
      this.sweepTyping();
    }, Math.max(100, Math.min(...ends) - Date.now()));
  }

  private keepDrafts(): void {
    if (this.draftTimer) clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(this.saveDraftsNow, DRAFT_SAVE_MS);
  }

  private saveDraftsNow = (): void => {
    if (this.draftTimer === null) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = null;
    const { me, drafts } = this.store.getState();
    if (me) saveDrafts(me.id, drafts);
  };
}
