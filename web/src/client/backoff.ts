// How long to wait before trying again. Chance is an argument, so tests can repeat themselves.

const FIRST_MS = 1_000;
/** Nobody should wait longer than this for a server that is back. */
const LONGEST_MS = 20_000;

/** Delay before try number `attempt` (from 0), spread over half to one and a half so that a crowd does not return at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(base * (0.5 + random()));
}
