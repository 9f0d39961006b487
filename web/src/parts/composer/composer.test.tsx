import { act, fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { ME, OTHER, ROOM, message } from "../../client/testing";
import { room, scripted } from "../../state/testing";
import { Composer } from "./composer";

const box = () => screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Message launch" });

describe("composer", () => {
  const setup = () => {
    const script = scripted();
    const onEditLast = vi.fn();
    script.show(<Composer room={room()} onEditLast={onEditLast} />);
    return { ...script, onEditLast, user: userEvent.setup() };
  };

  it("sends with Enter and breaks the line with Shift and Enter", async () => {
    const { user, client } = setup();
    await user.type(box(), "one{Shift>}{Enter}{/Shift}two{Enter}");
    expect(client.send).toHaveBeenCalledExactlyOnceWith(ME, { roomId: ROOM, text: "one\ntwo", replyTo: null, mentions: [] });
    expect(box()).toHaveValue("");
  });

  it("does not send the Enter that ends a composition of Chinese, Japanese or Korean", () => {
    const { client } = setup();
    fireEvent.change(box(), { target: { value: "にほん" } });
    fireEvent.keyDown(box(), { key: "Enter", isComposing: true });
    fireEvent.keyDown(box(), { key: "Enter", keyCode: 229 });
    expect(client.send).not.toHaveBeenCalled();
    fireEvent.keyDown(box(), { key: "Enter" });
    expect(client.send).toHaveBeenCalledOnce();
  });

  it("sends nothing that is empty or only spaces", async () => {
    const { user, client } = setup();
    await user.type(box(), "   {Enter}");
    expect(client.send).not.toHaveBeenCalled();
    expect(screen.getByRole("button", { name: "Send" })).toBeDisabled();
  });

  it("completes a name and sends whom it means", async () => {
    const { user, client } = setup();
    await user.type(box(), "hi @jon");
    expect(screen.getByRole("option", { name: /Jonas Lindqvist/ })).toHaveAttribute("aria-selected", "true");
    await user.keyboard("{Enter}");
    expect(box()).toHaveValue("hi @Jonas Lindqvist ");
    await user.keyboard("{Enter}");
    expect(client.send).toHaveBeenCalledExactlyOnceWith(ME, { roomId: ROOM, text: "hi @Jonas Lindqvist", replyTo: null, mentions: [OTHER] });
  });

  it("says what is left of the limit near it, counts signs and not code units, and refuses beyond", () => {
    setup();
    fireEvent.change(box(), { target: { value: "🎉".repeat(3_990) } });
    expect(screen.getByText("10 left")).toBeInTheDocument();
    fireEvent.change(box(), { target: { value: "x".repeat(4_005) } });
    expect(screen.getByText("5 too many")).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Send" })).toBeDisabled();
  });

  it("keeps a draft for each room", async () => {
    const { user, store } = setup();
    await user.type(box(), "later");
    expect(store.getState().drafts[ROOM]?.text).toBe("later");
  });

  it("edits my last message with the arrow up when it is empty, and only then", async () => {
    const { user, onEditLast } = setup();
    await user.type(box(), "x{ArrowUp}");
    expect(onEditLast).not.toHaveBeenCalled();
    await user.clear(box());
    await user.keyboard("{ArrowUp}");
    expect(onEditLast).toHaveBeenCalledOnce();
  });

  it("shows what is answered and lets go of it with Escape", async () => {
    const { user, chat, timeline } = setup();
    act(() => {
      timeline([message(1, { text: "the question" })]);
      chat.reply(ROOM, "msg_1");
    });
    expect(screen.getByText(/Replying to Jonas Lindqvist/)).toBeInTheDocument();
    await user.type(box(), "{Escape}");
    expect(screen.queryByText(/Replying to/)).not.toBeInTheDocument();
  });

  it("tells the room at most once in three seconds that somebody is typing, and when they stopped", async () => {
    const { user, client } = setup();
    await user.type(box(), "hello");
    expect(client.hint.mock.calls).toEqual([["typing:start", { roomId: ROOM }]]);
    await user.clear(box());
    expect(client.hint).toHaveBeenLastCalledWith("typing:stop", { roomId: ROOM });
  });
});
