// The REST half: JSON in, JSON out, problems as `ProblemError`, one silent renewal when the token has just expired.
import { NoAnswer, ProblemError, asProblem } from "./problem";
import type { AccessToken } from "./tokens";

/** A request that takes longer is lost: phones change networks. */
const TIMEOUT_MS = 15_000;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export class Http {
  constructor(
    private readonly base: string,
    private readonly tokens: AccessToken,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** Asks as the signed-in person. Fails with `ProblemError`, `NoAnswer` or `SignedOut`. */
  async ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
    try {
      return await this.send<T>(method, path, body, await this.tokens.fresh());
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.status !== 401) throw error;
      return this.send<T>(method, path, body, await this.tokens.renew());
    }
  }

  /** Asks without a token: sign-in and public facts. */
  anonymously<T>(method: Method, path: string, body?: unknown): Promise<T> {
    return this.send<T>(method, path, body, null);
  }

  private async send<T>(method: Method, path: string, body: unknown, token: string | null): Promise<T> {
    const headers: Record<string, string> = { accept: "application/json", "x-chatify-client": "web" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (token !== null) headers.authorization = `Bearer ${token}`;
    let response: Response;
    let text: string;
    try {
      response = await this.fetch(`${this.base}${path}`, {
        method,
        headers,
        credentials: "same-origin",
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch {
      throw new NoAnswer(path);
    }
    const reply = parse(text);
    if (response.ok) return reply as T;
    const problem = asProblem(reply, response.status);
    // REST speaks seconds, sockets milliseconds; callers of this client meet milliseconds alone.
    const seconds = problem.retryAfter ?? Number(response.headers.get("retry-after") ?? Number.NaN);
    throw new ProblemError({ ...problem, status: response.status, retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined });
  }
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
