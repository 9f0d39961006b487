import { describe, expect, it } from "vitest";
import { complete, matches, mentionAt, stillNamed } from "./mentions";

describe("names while writing", () => {
  it("asks for a name after an @ that begins a word, and not within an address", () => {
    expect(mentionAt("hi @An", 6)).toEqual({ from: 3, query: "An" });
    expect(mentionAt("@", 1)).toEqual({ from: 0, query: "" });
    expect(mentionAt("me@example", 10)).toBeNull();
    expect(mentionAt("hi @An over there", 17)).toBeNull();
  });
  it("puts the name in the place of what was typed and the caret behind it", () => {
    expect(complete("hi @An, ok", 6, { from: 3, query: "An" }, "Ann Lee")).toEqual({ text: "hi @Ann Lee , ok", caret: 12 });
  });
  it("finds people by any word of their name, without regard to accents", () => {
    const people = ["Tomás Herrera", "Ana Souza", "Sofia Tomasi"].map((name) => ({ name }));
    expect(matches(people, "tomas").map((one) => one.name)).toEqual(["Tomás Herrera", "Sofia Tomasi"]);
  });
  it("forgets a person whose name was deleted again", () => {
    expect(stillNamed("hi @Ann", [{ id: "1", name: "Ann" }, { id: "2", name: "Bob" }])).toEqual(["1"]);
  });
});
