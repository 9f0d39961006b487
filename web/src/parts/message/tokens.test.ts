import { describe, expect, it } from "vitest";
import { isJumbo, tokenise } from "./tokens";

const kinds = (text: string, people: { id: string; name: string }[] = []) => tokenise(text, people).map((token) => `${token.kind}:${token.text}`);

describe("text of a message", () => {
  it("finds links and leaves the sentence's own signs outside", () => {
    expect(kinds("see https://example.com/a?b=1, then (https://example.com/x_(y)).")).toEqual([
      "text:see ", "link:https://example.com/a?b=1", "text:, then (", "link:https://example.com/x_(y)", "text:).",
    ]);
  });
  it("makes links of http and https alone", () => {
    for (const text of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x"]) expect(kinds(text)).toEqual([`text:${text}`]);
  });
  it("keeps markup as text", () => {
    expect(kinds('<img src=x onerror="alert(1)">')).toEqual(['text:<img src=x onerror="alert(1)">']);
  });
  it("shows code as it was written, links and names inside included", () => {
    expect(kinds("run `https://a.b @Ann` now", [{ id: "1", name: "Ann" }])).toEqual(["text:run ", "code:https://a.b @Ann", "text: now"]);
    expect(kinds("```js\nlet x = `1`;\n```\nafter")).toEqual(["block:let x = `1`;", "text:after"]);
  });
  it("marks the longest name that was meant", () => {
    const people = [{ id: "1", name: "Ann" }, { id: "2", name: "Ann Lee" }];
    expect(tokenise("hi @Ann Lee and @Ann", people)).toEqual([
      { kind: "text", text: "hi " }, { kind: "mention", text: "@Ann Lee", userId: "2" }, { kind: "text", text: " and " }, { kind: "mention", text: "@Ann", userId: "1" },
    ]);
  });
  it("does not mark names that the message does not mention", () => {
    expect(kinds("@Ann")).toEqual(["text:@Ann"]);
  });
  it("shows up to three emoji large, whatever they are made of", () => {
    for (const text of ["🎉", "👨‍👩‍👧 👍🏽", "🇫🇮🇸🇪🇩🇰"]) expect(isJumbo(text)).toBe(true);
    for (const text of ["", "ok 🎉", "🎉🎉🎉🎉", "1"]) expect(isJumbo(text)).toBe(false);
  });
});
