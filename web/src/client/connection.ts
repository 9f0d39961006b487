// One socket and its whole life: connect with a fresh token and the positions, say when it is live, come back after
// every loss with a spread delay, stop for good when the server says so. It reorders nothing and keeps no messages.
import { type Socket, io } from "socket.io-client";
import type { ClientEvents, DurableEvent, PassingEvent, Problem, SessionReady } from "../contract";
import { DURABLE_EVENTS, PASSING_EVENTS } from "../contract";
import { backoffMs } from "./backoff";
import type { Position } from "./feeds";
import { NoAnswer, ProblemError, asProblem } from "./problem";
import { type AccessToken, SignedOut } from "./tokens";

/** An ack that takes longer counts as lost; the request may still have taken effect. */
const ACK_TIMEOUT_MS = 10_000;
/** A server that accepts a socket and then stays silent is as good as gone. */
const READY_TIMEOUT_MS = 15_000;
/** A network that swallows everything must not hold a try for longer. */
const CONNECT_TIMEOUT_MS = 10_000;

export type Phase =
  | { kind: "idle" }
  | { kind: "connecting"; first: boolean }
  | { kind: "offline" }
  | { kind: "waiting"; retryAt: number; code?: string }
  | { kind: "catching-up" }
  | { kind: "live" }
  | { kind: "stopped"; code: string };

export interface ConnectionPorts {
  tokens: AccessToken;
  positions: () => Record<string, Position>;
  onPhase: (phase: Phase) => void;
  onReady: (ready: SessionReady) => void;
  onDurable: (event: DurableEvent) => void;
  onPassing: (event: PassingEvent) => void;
  onGap: (roomId: string, headSeq: number) => void;
  now: () => number;
  random?: () => number;
  /** Whether the device believes that it has a network. */
  online?: () => boolean;
}

type Ack<T> = { ok: true; data: T } | { ok: false; error: Problem };

export class Connection {
  private readonly socket: Socket;
  private phase: Phase = { kind: "idle" };
  private attempt = 0;
  private everLive = false;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private readyWatch: ReturnType<typeof setTimeout> | null = null;
  private renewal: ReturnType<typeof setTimeout> | null = null;
  /** The server asked to be met again after so long. */
  private drainMs: number | null = null;
  private stopCode: string | null = null;
  /** A refused token was already renewed since the last success: a second refusal is not cured by a third token. */
  private renewedAfterRefusal = false;

  constructor(
    url: string,
    private readonly ports: ConnectionPorts,
  ) {
    this.socket = io(url, {
      autoConnect: false,
      // We reconnect ourselves: the banner counts the seconds, and refusals need a fresh token first.
      reconnection: false,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      timeout: CONNECT_TIMEOUT_MS,
      auth: (give: (auth: object) => void) => {
        give({ token: this.ports.tokens.current, resume: { cursors: this.ports.positions() } });
      },
    });
    this.listen();
  }

  /** Connects and stays connected until `stop` or until the server ends the session. */
  start(): void {
    this.stopCode = null;
    this.attempt = 0;
    void this.connect();
  }

  /** Ends it. `code` tells why. */
  stop(code = "stopped"): void {
    this.stopCode = code;
    this.clearTimers();
    this.socket.disconnect();
    this.enter({ kind: "stopped", code });
  }

  /** Does not wait for the countdown. */
  retryNow(): void {
    if (this.phase.kind !== "waiting" && this.phase.kind !== "offline") return;
    this.attempt = 0;
    void this.connect();
  }

  /** The device lost or found its network. */
  networkChanged(online: boolean): void {
    if (online) this.retryNow();
    else if (this.phase.kind === "waiting" || this.phase.kind === "connecting") this.enter({ kind: "offline" });
  }

  /** All rooms are up to date. */
  caughtUp(): void {
    if (this.phase.kind === "catching-up") this.enter({ kind: "live" });
  }

  /** Emits and waits for the ack. Fails with `ProblemError` or `NoAnswer`. */
  async request<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]["payload"]): Promise<ClientEvents[E]["data"]> {
    if (!this.socket.connected || !this.serves()) throw new NoAnswer("not connected");
    let ack: Ack<ClientEvents[E]["data"]>;
    try {
      ack = (await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, payload)) as Ack<ClientEvents[E]["data"]>;
    } catch {
      throw new NoAnswer(event);
    }
    if (ack.ok) return ack.data;
    throw new ProblemError(asProblem(ack.error));
  }

  /** Emits what may be lost. */
  hint<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]["payload"]): void {
    if (this.socket.connected && this.serves()) this.socket.emit(event, payload);
  }

  private serves(): boolean {
    return this.phase.kind === "live" || this.phase.kind === "catching-up";
  }

  private listen(): void {
    const { socket, ports } = this;
    socket.on("connect", () => {
      this.readyWatch = setTimeout(() => this.socket.io.engine.close(), READY_TIMEOUT_MS);
    });
    socket.on("connect_error", (error: Error & { data?: unknown }) => void this.refused(error));
    socket.on("disconnect", () => this.lost());
    socket.on("session:ready", (ready: SessionReady) => {
      if (this.readyWatch) clearTimeout(this.readyWatch);
      this.attempt = 0;
      this.everLive = true;
      this.renewedAfterRefusal = false;
      this.drainMs = null;
      this.renewEarly();
      this.enter({ kind: "catching-up" });
      ports.onReady(ready);
    });
    for (const name of DURABLE_EVENTS) socket.on(name, (data: unknown) => ports.onDurable({ name, data } as DurableEvent));
    for (const name of PASSING_EVENTS) socket.on(name, (data: unknown) => ports.onPassing({ name, data } as PassingEvent));
    socket.on("stream:gap", (gap: { roomId: string; headSeq: number }) => ports.onGap(gap.roomId, gap.headSeq));
    socket.on("auth:expiring", () => void this.renewAuth());
    socket.on("session:revoked", (end: { reason: string }) => {
      // A token that merely ran out is not the end: the next connect brings a new one.
      if (end.reason !== "token_expired") this.stopCode = end.reason === "logout" ? "signed_out" : "session_revoked";
    });
    socket.on("server:draining", (drain: { reconnectInMs: number }) => (this.drainMs = drain.reconnectInMs));
  }

  private async connect(): Promise<void> {
    this.clearTimers();
    if (this.ports.online?.() === false) {
      this.enter({ kind: "offline" });
      return;
    }
    this.enter({ kind: "connecting", first: !this.everLive });
    try {
      await this.ports.tokens.fresh();
    } catch (error) {
      this.unfit(error);
      return;
    }
    if (this.stopCode === null) this.socket.connect();
  }

  /** No token, no connection: either the session is over or the server cannot be reached. */
  private unfit(error: unknown): void {
    if (this.stopCode !== null) return;
    if (error instanceof SignedOut) this.stop(error.code);
    else this.wait(backoffMs(this.attempt++, this.ports.random));
  }

  private async refused(error: Error & { data?: unknown }): Promise<void> {
    this.clearTimers();
    if (this.stopCode !== null) return;
    if (error.data === undefined || error.data === null) {
      this.wait(this.drainMs ?? backoffMs(this.attempt++, this.ports.random));
      return;
    }
    const problem = asProblem(error.data);
    if (problem.code === "session_revoked") {
      this.stop(problem.code);
      return;
    }
    if (problem.code.startsWith("token_") && !this.renewedAfterRefusal) {
      this.renewedAfterRefusal = true;
      try {
        await this.ports.tokens.renew();
        this.wait(0);
      } catch (failure) {
        this.unfit(failure);
      }
      return;
    }
    this.wait(Math.max(problem.retryAfter ?? 0, backoffMs(this.attempt++, this.ports.random)), problem.code);
  }

  private lost(): void {
    this.clearTimers();
    if (this.phase.kind === "stopped") return;
    if (this.stopCode !== null) {
      this.enter({ kind: "stopped", code: this.stopCode });
      return;
    }
    this.wait(this.drainMs ?? backoffMs(this.attempt++, this.ports.random));
  }

  private wait(ms: number, code?: string): void {
    if (this.ports.online?.() === false) {
      this.enter({ kind: "offline" });
      return;
    }
    this.enter({ kind: "waiting", retryAt: this.ports.now() + ms, code });
    this.retry = setTimeout(() => void this.connect(), ms);
  }

  private renewEarly(): void {
    if (this.renewal) clearTimeout(this.renewal);
    this.renewal = setTimeout(() => void this.renewAuth(), Math.max(1_000, this.ports.tokens.renewInMs));
  }

  /** Gives the live socket a new token, so that it outlives the old one. */
  private async renewAuth(): Promise<void> {
    try {
      const token = await this.ports.tokens.renew();
      await this.request("auth:refresh", { token });
      this.renewEarly();
    } catch (error) {
      if (error instanceof SignedOut) this.stop(error.code);
      // Anything else: the server closes the socket when the token ends, and the next connect renews it.
    }
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    this.ports.onPhase(phase);
  }

  private clearTimers(): void {
    for (const timer of [this.retry, this.readyWatch, this.renewal]) if (timer) clearTimeout(timer);
    this.retry = this.readyWatch = this.renewal = null;
  }
}
