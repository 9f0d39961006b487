// @vitest-environment node
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

/** The declarations of the first block after `start`. */
function block(start: string): Record<string, string> {
  const from = css.indexOf("{", css.indexOf(start)) + 1;
  const body = css.slice(from, css.indexOf("}", from));
  return Object.fromEntries([...body.matchAll(/(--[\w-]+|color-scheme):\s*([^;]+);/g)].map((match) => [match[1], match[2]?.trim()])) as Record<string, string>;
}

const light = block(":root {");
const dark = block(':root[data-theme="dark"]');

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

describe("theme", () => {
  it("is the same dark whether chosen or the system's", () => {
    expect(block(':root:not([data-theme="light"])')).toEqual(dark);
  });

  const pairs = [
    ["--fg", "--bg"], ["--fg-2", "--bg"], ["--fg-3", "--bg"], ["--fg", "--bg-side"], ["--fg-2", "--bg-side"], ["--fg-3", "--bg-side"], ["--fg-3", "--bg-raised"], ["--fg-3", "--bg-sunken"],
    ["--accent-fg", "--accent"], ["--accent-fg", "--accent-hover"], ["--accent-text", "--bg"], ["--accent-text", "--accent-soft"], ["--badge-fg", "--badge"],
    ["--danger", "--bg"], ["--danger", "--bg-raised"], ["--danger", "--danger-soft"], ["--warn-fg", "--warn-bg"], ["--ok-fg", "--ok-bg"], ["--mention-fg", "--mention-bg"], ["--fg", "--mention-bg"],
  ] as const;
  it.each(pairs)("%s can be read on %s in light and dark", (front, back) => {
    for (const theme of [light, { ...light, ...dark }]) expect(contrast(theme[front] ?? "", theme[back] ?? "")).toBeGreaterThanOrEqual(4.5);
  });
});
