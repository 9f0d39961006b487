// Parts that show a state: each is given one and looked at as a person would.
import { act, fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { OutboxEntry } from "../client";
import { ME, OTHER, ROOM, message, said } from "../client/testing";
import { preferences, toggleMuted } from "../state/preferences";
import { room, scripted } from "../state/testing";
import { Avatar, hueOf, initials } from "./avatar/avatar";
import { ConnectionBanner } from "./banner/banner";
import { dayName } from "./format";
import { Message } from "./message/message";
import { PendingMessage } from "./message/pending";
import { RoomList } from "./room-list/room-list";
import { Announcer } from "./timeline/announcer";

const nothing = { onWish: vi.fn(), onEdited: vi.fn(), onQuote: vi.fn(), onPerson: vi.fn(), head: true, flash: false, editing: false, tabStop: true };

afterEach(() => {
  vi.useRealTimers();
  preferences.setState({ muted: {} });
});

describe("message", () => {
  it("shows who, what and that it was edited", () => {
    scripted().show(<Message {...nothing} message={message(1, { text: "hello", editedAt: "2026-01-01T00:00:00.000Z" })} />);
    const article = screen.getByRole("article", { name: /Jonas Lindqvist/ });
    expect(article).toHaveTextContent("hello");
    expect(article).toHaveTextContent("edited");
  });

  it("shows a tombstone in place of a deleted text, and no actions", async () => {
    scripted().show(<Message {...nothing} message={message(1, { text: "", deletedAt: "2026-01-01T00:00:00.000Z" })} />);
    await userEvent.hover(screen.getByRole("article"));
    expect(screen.getByText("This message was deleted")).toBeInTheDocument();
    expect(screen.queryByRole("toolbar")).not.toBeInTheDocument();
  });

  it("offers its actions on hover and on focus", async () => {
    scripted().show(<Message {...nothing} message={message(1)} />);
    expect(screen.queryByRole("toolbar")).not.toBeInTheDocument();
    act(() => screen.getByRole("article").focus());
    expect(screen.getByRole("toolbar", { name: "Message actions" })).toBeInTheDocument();
  });

  it("opens its menu under a finger that rests, and not under one that scrolls", async () => {
    vi.useFakeTimers();
    scripted().show(<Message {...nothing} message={message(1)} />);
    const article = screen.getByRole("article");
    const touch = (name: "pointerDown" | "pointerMove", y: number) => fireEvent[name](article, { pointerType: "touch", clientX: 5, clientY: y });
    touch("pointerDown", 5);
    touch("pointerMove", 60);
    act(() => void vi.advanceTimersByTime(1000));
    expect(screen.queryByRole("toolbar")).not.toBeInTheDocument();
    touch("pointerDown", 5);
    act(() => void vi.advanceTimersByTime(1000));
    expect(within(screen.getByRole("toolbar")).getByRole("button", { name: "More" })).toHaveAttribute("aria-expanded", "true");
  });

  it("tells my reactions from others', and takes mine back when pressed", async () => {
    const { client, show } = scripted();
    show(<Message {...nothing} message={message(1, { reactions: [{ emoji: "👍", count: 2, userIds: [ME, OTHER] }] })} />);
    const chip = screen.getByRole("button", { name: "👍, 2 reactions, yours among them" });
    expect(chip).toHaveAttribute("aria-pressed", "true");
    await userEvent.click(chip);
    expect(client.request).toHaveBeenCalledWith("reaction:remove", { roomId: ROOM, id: "msg_1", emoji: "👍" });
  });

  it("makes markup of nobody's text", () => {
    scripted().show(<Message {...nothing} message={message(1, { text: "<b>bold</b> <img src=x>" })} />);
    expect(screen.getByText("<b>bold</b> <img src=x>")).toBeInTheDocument();
  });

  it("lets a right-to-left text run its own way", () => {
    scripted().show(<Message {...nothing} message={message(1, { text: "مرحبا" })} />);
    expect(screen.getByText("مرحبا")).toHaveAttribute("dir", "auto");
  });
});

describe("a message on its way", () => {
  const entry = (change: Partial<OutboxEntry> = {}): OutboxEntry => ({ roomId: ROOM, clientId: "c1", text: "hi", userId: ME, order: 1, createdAt: Date.now(), state: "sending", owner: "t", ...change });

  it("says why it was refused, and offers to retry or discard", async () => {
    const { client, show } = scripted();
    show(<PendingMessage entry={entry({ state: "failed", code: "muted" })} head onQuote={vi.fn()} />);
    expect(screen.getByText("You’re muted in this room for now.")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Retry" }));
    expect(client.outbox.retry).toHaveBeenCalledWith("c1");
    await userEvent.click(screen.getByRole("button", { name: "Discard" }));
    expect(client.outbox.discard).toHaveBeenCalledWith("c1");
  });

  it("waits quietly for a connection", () => {
    const { show, say } = scripted();
    say({ type: "phase", phase: { kind: "offline" } });
    show(<PendingMessage entry={entry({ state: "queued" })} head onQuote={vi.fn()} />);
    expect(screen.getByText("Waiting for connection")).toBeInTheDocument();
  });
});

describe("connection banner", () => {
  it("is silent while all is well and in a blink of trouble", () => {
    vi.useFakeTimers();
    const { say, show } = scripted();
    show(<ConnectionBanner />);
    expect(screen.getByRole("status")).toBeEmptyDOMElement();
    act(() => say({ type: "phase", phase: { kind: "waiting", retryAt: Date.now() + 300 } }));
    act(() => void vi.advanceTimersByTime(300));
    act(() => say({ type: "phase", phase: { kind: "live" } }));
    act(() => void vi.advanceTimersByTime(5_000));
    expect(screen.getByRole("status")).toBeEmptyDOMElement();
  });

  it("counts the seconds, lets a person hurry, and says when all is well again", async () => {
    vi.useFakeTimers();
    const { say, show, client } = scripted();
    show(<ConnectionBanner />);
    act(() => say({ type: "phase", phase: { kind: "waiting", retryAt: Date.now() + 5_000 } }));
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByText(/Trying again in 4 s/)).toBeInTheDocument();
    fireEvent.click(screen.getByRole("button", { name: "Try now" }));
    expect(client.retryNow).toHaveBeenCalledOnce();
    act(() => say({ type: "phase", phase: { kind: "catching-up" } }));
    expect(screen.getByText("Catching up…")).toBeInTheDocument();
    act(() => say({ type: "phase", phase: { kind: "live" } }));
    expect(screen.getByText("Back online")).toBeInTheDocument();
    act(() => void vi.advanceTimersByTime(3_000));
    expect(screen.getByRole("status")).toBeEmptyDOMElement();
  });
});

describe("room list", () => {
  it("says in words what it shows: mentions, unread, muted", () => {
    toggleMuted("room_2");
    const { show } = scripted([room({ unread: 3, mentions: 1 }), room({ id: "room_2", name: "noise", unread: 9 })]);
    show(<RoomList openId={null} />);
    expect(screen.getByRole("link", { name: "launch 1 mention, 3 unread messages" })).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "noise Muted" })).toBeInTheDocument();
  });

  it("marks the open room and walks with the arrows", async () => {
    const { show } = scripted([room(), room({ id: "room_2", name: "zoo" })]);
    show(<RoomList openId={ROOM} />);
    const first = screen.getByRole("link", { name: "launch" });
    expect(first).toHaveAttribute("aria-current", "page");
    first.focus();
    await userEvent.keyboard("{ArrowDown}");
    expect(screen.getByRole("link", { name: "zoo" })).toHaveFocus();
  });

  it("names a conversation after the other person", () => {
    const { show } = scripted([room({ type: "dm", name: null, peerId: OTHER, lastMessage: message(1, { text: "see you" }) })]);
    show(<RoomList openId={null} />);
    expect(screen.getByRole("link", { name: "Jonas Lindqvist" })).toHaveTextContent("see you");
  });
});

describe("announcer", () => {
  it("speaks each new message of others once, and a burst as one sentence", () => {
    vi.useFakeTimers();
    const { show, timeline, say } = scripted();
    timeline([]);
    show(<Announcer roomId={ROOM} />);
    act(() => say({ type: "events", events: [said(1, { text: "hello" }), said(2, { text: "mine", senderId: ME })] }));
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByRole("status")).toHaveTextContent("Jonas Lindqvist: hello");
    expect(screen.getByRole("status")).not.toHaveTextContent("mine");
    act(() => say({ type: "events", events: [3, 4, 5, 6, 7].map((seq) => said(seq)) }));
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByRole("status")).toHaveTextContent("5 new messages");
  });
});

describe("small things", () => {
  it("gives a person the same colour everywhere, and initials that their script has", () => {
    expect(hueOf("usr_1")).toBe(hueOf("usr_1"));
    expect(["Maya Okafor", "北村 雪", "أميرة حداد", "Плюш Петров", "x"].map(initials)).toEqual(["MO", "北", "أ", "ПП", "X"]);
    scripted().show(<Avatar id="u" name="Maya Okafor" status="dnd" />);
    expect(screen.getByRole("img", { name: "Do not disturb" })).toBeInTheDocument();
  });
  it("names days as people do", () => {
    const now = new Date(2026, 5, 15, 12).getTime();
    expect(dayName(new Date(2026, 5, 15, 1).getTime(), now)).toBe("Today");
    expect(dayName(new Date(2026, 5, 14, 23).getTime(), now)).toBe("Yesterday");
    expect(dayName(new Date(2025, 5, 14).getTime(), now)).toContain("2025");
  });
});
