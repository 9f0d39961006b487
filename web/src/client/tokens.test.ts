import { beforeEach, describe, expect, it } from "vitest";
import { Http } from "./http";
import { NoAnswer, ProblemError } from "./problem";
import { AccessToken, SignedOut } from "./tokens";

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => new Response(JSON.stringify(body), { status, headers });

describe("tokens", () => {
  let calls: { path: string; token: string | null }[];
  let answer: (path: string) => Response | Promise<Response>;
  let clock: number;
  let tokens: AccessToken;
  let http: Http;
  let issued: number;

  beforeEach(() => {
    calls = [];
    clock = 0;
    issued = 0;
    answer = (path) => (path.endsWith("/token") ? json(200, { accessToken: `t${++issued}`, tokenType: "Bearer", expiresIn: 600 }) : json(200, { ok: true }));
    const ask = (async (url: string, init: RequestInit) => {
      calls.push({ path: url, token: new Headers(init.headers).get("authorization") });
      return answer(url);
    }) as typeof fetch;
    tokens = new AccessToken("", { fetch: ask, now: () => clock });
    http = new Http("", tokens, ask);
  });

  it("renews once for all who ask at the same time", async () => {
    const all = await Promise.all([tokens.fresh(), tokens.fresh(), http.ask("GET", "/a"), http.ask("GET", "/b")]);
    expect(all.slice(0, 2)).toEqual(["t1", "t1"]);
    expect(issued).toBe(1);
  });

  it("keeps a token while it is good, and renews it before it ends", async () => {
    await tokens.fresh();
    clock = 530_000;
    await tokens.fresh();
    expect(issued).toBe(1);
    clock = 541_000;
    expect(await tokens.fresh()).toBe("t2");
  });

  it("sends a request again, once, with a new token when the old one was refused", async () => {
    const good = answer;
    answer = (path) => (path === "/a" && issued < 2 ? json(401, { code: "token_expired" }) : good(path));
    await http.ask("GET", "/a");
    expect(calls.map((call) => call.path)).toEqual(["/v1/auth/token", "/a", "/v1/auth/token", "/a"]);
    expect(calls.at(-1)?.token).toBe("Bearer t2");
  });

  it("ends the session when the renewal is refused", async () => {
    answer = () => json(401, { code: "refresh_reused" });
    const ended = await tokens.fresh().catch((error: unknown) => error);
    expect(ended).toBeInstanceOf(SignedOut);
    expect((ended as SignedOut).code).toBe("refresh_reused");
    expect(tokens.current).toBeNull();
  });

  it("does not end the session when nobody answers or the server is down", async () => {
    answer = () => Promise.reject(new TypeError("network"));
    await expect(tokens.fresh()).rejects.toBeInstanceOf(NoAnswer);
    answer = () => json(503, { code: "unavailable" });
    await expect(tokens.fresh()).rejects.toBeInstanceOf(ProblemError);
  });

  it("reads the server's wait in seconds and hands it on in milliseconds", async () => {
    await tokens.fresh();
    answer = () => json(429, { code: "rate_limited", status: 429 }, { "retry-after": "3" });
    const refused = await http.ask("GET", "/a").catch((error: unknown) => error);
    expect((refused as ProblemError).problem.retryAfter).toBe(3000);
  });
});
