import { describe, expect, it } from "vitest";
import { backoffMs } from "./backoff";
import { uuidv7 } from "./uuid";

describe("backoff", () => {
  it("starts between half a second and one and a half, and never exceeds thirty seconds", () => {
    expect(backoffMs(0, () => 0)).toBe(500);
    expect(backoffMs(0, () => 1)).toBe(1500);
    for (let attempt = 0; attempt < 50; attempt++) expect(backoffMs(attempt, () => 1)).toBeLessThanOrEqual(30_000);
  });
});

describe("uuidv7", () => {
  it("is a UUID of version 7 that sorts by time", () => {
    const early = uuidv7(1_700_000_000_000);
    const late = uuidv7(1_700_000_000_001);
    expect(early).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(early < late).toBe(true);
    expect(Number.parseInt(early.replaceAll("-", "").slice(0, 12), 16)).toBe(1_700_000_000_000);
  });
  it("does not repeat", () => {
    expect(new Set(Array.from({ length: 1000 }, () => uuidv7(5))).size).toBe(1000);
  });
});
