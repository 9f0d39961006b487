// The access token: held in memory alone, renewed by the refresh cookie, one renewal at a time.
// A renewal rotates the cookie; two at once would look like theft to the server, so tabs take turns by a lock.
import type { Tokens as TokenReply } from "../contract";
import { NoAnswer, ProblemError, asProblem } from "./problem";

/** Renew this long before the end, so that a request in flight never meets an expired token. */
const EARLY_MS = 60_000;
const LOCK = "chatify-refresh";

/** The session is over; only a new sign-in helps. `code` is the server's. */
export class SignedOut extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.name = "SignedOut";
    this.code = code;
  }
}

export interface TokenPorts {
  fetch: typeof fetch;
  now: () => number;
  /** Runs `work` while no other tab does. */
  exclusively?: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}

export class AccessToken {
  private token: string | null = null;
  private expiresAt = 0;
  private renewing: Promise<string> | null = null;
  private renewed = new Set<(token: string) => void>();

  constructor(
    private readonly base: string,
    private readonly ports: TokenPorts,
  ) {}

  /** The token as it is now, perhaps expired; null before the first sign-in. */
  get current(): string | null {
    return this.token;
  }

  /** Milliseconds until it should be renewed; 0 or less means now. */
  get renewInMs(): number {
    return this.token === null ? 0 : this.expiresAt - EARLY_MS - this.ports.now();
  }

  /** Takes the token of a fresh sign-in. `expiresIn` is in seconds. */
  take(token: string, expiresIn: number): void {
    this.token = token;
    this.expiresAt = this.ports.now() + expiresIn * 1000;
  }

  /** Forgets the token; the cookie is the server's to clear. */
  drop(): void {
    this.token = null;
    this.expiresAt = 0;
  }

  /** Hears of every renewal. Returns how to stop. */
  onRenewed(listener: (token: string) => void): () => void {
    this.renewed.add(listener);
    return () => this.renewed.delete(listener);
  }

  /** A token that is good for a while. Fails with `SignedOut` or `NoAnswer`. */
  async fresh(): Promise<string> {
    return this.token !== null && this.renewInMs > 0 ? this.token : this.renew();
  }

  /** Renews now; callers at the same time share one renewal. */
  renew(): Promise<string> {
    this.renewing ??= this.exchange().finally(() => (this.renewing = null));
    return this.renewing;
  }

  private async exchange(): Promise<string> {
    const exclusively = this.ports.exclusively ?? ((_: string, work: () => Promise<TokenReply>) => work());
    const reply = await exclusively(LOCK, () => this.ask());
    this.take(reply.accessToken, reply.expiresIn);
    for (const listener of this.renewed) listener(reply.accessToken);
    return reply.accessToken;
  }

  private async ask(): Promise<TokenReply> {
    let response: Response;
    try {
      response = await this.ports.fetch(`${this.base}/v1/auth/token`, {
        method: "POST",
        credentials: "same-origin",
        headers: { "content-type": "application/json", "x-chatify-client": "web" },
        body: JSON.stringify({ grantType: "refresh_token" }),
      });
    } catch {
      throw new NoAnswer("token");
    }
    if (response.ok) return (await response.json()) as TokenReply;
    const problem = asProblem(await response.json().catch(() => null), response.status);
    if (response.status === 429 || response.status >= 500) throw new ProblemError({ ...problem, code: "unavailable" });
    this.drop();
    throw new SignedOut(problem.code);
  }
}
