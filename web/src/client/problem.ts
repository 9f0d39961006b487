// Refusals of the server, and what a program should do about each. Nothing here shows text to a person.
import type { Problem } from "../contract";

/** The server said no. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.code);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

/** Nobody answered: no network, no socket, or no ack in time. Whether the request took effect is unknown. */
export class NoAnswer extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NoAnswer";
  }
}

// After these the same request may succeed later, and repeating it is safe because a send carries its clientId.
const PASSING = new Set([
  "unavailable",
  "outcome_unknown",
  "overloaded",
  "draining",
  "rate_limited",
  "internal",
  "token_expired",
  "token_missing",
  "token_invalid",
]);

/** `retry`: send the same again, unchanged. `give up`: the answer will not change by itself. */
export function verdict(error: unknown): "retry" | "give up" {
  if (error instanceof ProblemError) return PASSING.has(error.problem.code) ? "retry" : "give up";
  return "retry";
}

/** Milliseconds after which the server asked to be tried again, if it did. Sockets speak milliseconds. */
export function retryAfterMs(error: unknown): number | undefined {
  return error instanceof ProblemError ? (error.problem.retryAfter ?? undefined) : undefined;
}

/** The problem's code, or what stands in for it when nobody answered. */
export function codeOf(error: unknown): string {
  if (error instanceof ProblemError) return error.problem.code;
  return error instanceof NoAnswer ? "no_answer" : "internal";
}

/** Makes a problem of anything that arrived in a problem's place. */
export function asProblem(value: unknown, status = 500): Problem {
  if (typeof value === "object" && value !== null && "code" in value && typeof value.code === "string") return value as Problem;
  return { type: "about:blank", title: "", status, detail: "", code: status === 429 ? "rate_limited" : "internal" };
}
