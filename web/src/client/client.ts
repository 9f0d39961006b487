// chatify as a program sees it: sign in, hear an ordered stream of changes, send what will arrive exactly once.
// It puts tokens, connection, feeds and outbox together and knows nothing of who shows it.
import type {
  Challenge, ChallengeState, ClientEvents, DurableEvent, Me, Message, PassingEvent, SendMessage, SessionReady, SignedIn,
} from "../contract";
import { Connection, type Phase } from "./connection";
import { Feeds } from "./feeds";
import { Http } from "./http";
import { Outbox, type OutboxEntry, type OutboxStore } from "./outbox";
import { inMemory } from "./outbox-store";
import { exclusively, holdTab, livingTabs } from "./tabs";
import { AccessToken } from "./tokens";
import { uuidv7 } from "./uuid";

/** Everything that a listener can hear. Durable events of a room come in the order of their seq, each once. */
export type Change =
  | { type: "phase"; phase: Phase }
  | { type: "ready"; ready: SessionReady }
  | { type: "events"; events: DurableEvent[] }
  | { type: "passing"; event: PassingEvent }
  | { type: "reset"; roomId: string }
  | { type: "outbox"; entries: OutboxEntry[] }
  | { type: "delivered"; message: Message };

export interface ClientOptions {
  /** Where the server is; empty for the page's own origin. */
  url?: string;
  store?: OutboxStore;
  fetch?: typeof fetch;
  now?: () => number;
  random?: () => number;
}

export class ChatClient {
  readonly tokens: AccessToken;
  readonly http: Http;
  readonly outbox: Outbox;
  private readonly feeds: Feeds;
  private readonly connection: Connection;
  private readonly listeners = new Set<(change: Change) => void>();

  constructor(options: ClientOptions = {}) {
    const url = options.url ?? "";
    const now = options.now ?? Date.now;
    const ask = options.fetch ?? fetch.bind(globalThis);
    const tab = uuidv7();
    holdTab(tab);
    this.tokens = new AccessToken(url, { fetch: ask, now, exclusively });
    this.http = new Http(url, this.tokens, ask);
    this.feeds = new Feeds({
      apply: (events) => this.tell({ type: "events", events }),
      sync: (rooms) => this.request("sync", { rooms }),
      reset: (roomId) => this.tell({ type: "reset", roomId }),
      caughtUp: () => this.connection.caughtUp(),
    });
    this.connection = new Connection(url || origin(), {
      tokens: this.tokens,
      positions: () => this.feeds.positions(),
      now,
      random: options.random,
      online: () => typeof navigator === "undefined" || navigator.onLine,
      onPhase: (phase) => this.onPhase(phase),
      onReady: (ready) => {
        this.tell({ type: "ready", ready });
        this.feeds.ready(ready.rooms);
      },
      onDurable: (event) => this.feeds.offer(event),
      onPassing: (event) => this.onPassing(event),
      onGap: (roomId, headSeq) => this.feeds.gap(roomId, headSeq),
    });
    this.outbox = new Outbox(tab, {
      store: options.store ?? inMemory(),
      send: async (message) => (await this.request("message:send", message)).message,
      delivered: (message) => this.tell({ type: "delivered", message }),
      changed: (entries) => this.tell({ type: "outbox", entries }),
      newId: () => uuidv7(now()),
      now,
      random: options.random,
    });
  }

  /** Hears every change until the returned function is called. */
  subscribe(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Connects as this person and takes up what an earlier visit left unsent. */
  async start(userId: string): Promise<void> {
    this.connection.start();
    await this.outbox.load(userId, await livingTabs());
  }

  stop(): void {
    this.connection.stop("signed_out");
    this.outbox.clear();
    for (const roomId of Object.keys(this.feeds.positions())) this.feeds.close(roomId);
  }

  retryNow(): void {
    this.connection.retryNow();
  }

  networkChanged(online: boolean): void {
    this.connection.networkChanged(online);
  }

  /** Asks over the socket and waits for the answer. */
  request<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]["payload"]): Promise<ClientEvents[E]["data"]> {
    return this.connection.request(event, payload);
  }

  /** Says something that may be lost: typing, presence. */
  hint<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]["payload"]): void {
    this.connection.hint(event, payload);
  }

  /** Says something in a room; it will arrive once, after what was said there before, even over a reload. */
  send(userId: string, message: Omit<SendMessage, "clientId">): Promise<OutboxEntry> {
    return this.outbox.add(userId, message);
  }

  /** Asks for a code by mail. */
  askForCode(email: string): Promise<Challenge> {
    return this.http.anonymously("POST", "/v1/auth/otp", { email, intent: "login" });
  }

  askForAnotherCode(challengeId: string): Promise<Challenge> {
    return this.http.anonymously("POST", `/v1/auth/otp/${challengeId}/resend`, {});
  }

  codeState(challengeId: string): Promise<ChallengeState> {
    return this.http.anonymously("GET", `/v1/auth/otp/${challengeId}`);
  }

  /** Signs in; the browser keeps the refresh cookie, this object the access token. */
  async signIn(challengeId: string, code: string, device?: string): Promise<SignedIn> {
    const reply = await this.http.anonymously<SignedIn>("POST", `/v1/auth/otp/${challengeId}/verify`, { code, device });
    this.tokens.take(reply.accessToken, reply.expiresIn);
    return reply;
  }

  /** Takes up the session of an earlier visit. Fails with `SignedOut` when there is none. */
  async resume(): Promise<Me> {
    await this.tokens.renew();
    return this.http.ask<Me>("GET", "/v1/users/me");
  }

  /** Ends the session here and at the server, as far as it can be reached. */
  async signOut(): Promise<void> {
    await this.http.ask("POST", "/v1/auth/logout", {}).catch(() => undefined);
    this.tokens.drop();
    this.stop();
  }

  private onPhase(phase: Phase): void {
    const serves = phase.kind === "live" || phase.kind === "catching-up";
    if (!serves) this.feeds.disconnected();
    this.tell({ type: "phase", phase });
    // Only when live: what was missed is shown before what is sent.
    this.outbox.setOpen(phase.kind === "live");
  }

  private onPassing(event: PassingEvent): void {
    if (event.name === "room:added") this.feeds.open(event.data.room);
    if (event.name === "room:removed") this.feeds.close(event.data.roomId);
    this.tell({ type: "passing", event });
  }

  private tell(change: Change): void {
    for (const listener of this.listeners) listener(change);
  }
}

function origin(): string {
  return typeof location === "undefined" ? "" : location.origin;
}
