import { fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { ProblemError } from "../../client";
import type { Problem } from "../../contract";
import { me, scripted } from "../../state/testing";
import { digitsOf } from "./code-field";
import { SignIn } from "./sign-in";

const refusal = (code: string, more: Partial<Problem> = {}) => new ProblemError({ type: "", title: "", status: 400, detail: "", code: code as Problem["code"], ...more });
const code = () => screen.findByLabelText<HTMLInputElement>("8-digit code");

describe("sign-in", () => {
  const setup = async () => {
    const script = scripted();
    script.client.askForCode.mockResolvedValue({ challengeId: "otp_1", expiresIn: 300, resendAfter: 30, codeLength: 8 });
    script.client.signIn.mockResolvedValue({ user: me, session: { createdAt: "2026-03-01T00:00:00.000Z" } });
    script.show(<SignIn />);
    const user = userEvent.setup();
    const toCode = async () => {
      await user.type(screen.getByLabelText("Email address"), "maya@example.com");
      await user.click(screen.getByRole("button", { name: "Continue" }));
      await code();
    };
    return { ...script, user, toCode };
  };

  it("asks for an address before it asks the server", async () => {
    const { user, client } = await setup();
    await user.type(screen.getByLabelText("Email address"), "maya@{Enter}");
    expect(screen.getByRole("alert")).toHaveTextContent("doesn’t look like an email");
    expect(client.askForCode).not.toHaveBeenCalled();
  });

  it("takes a code however it was copied, and submits it by itself, once", async () => {
    const { client, toCode, chat } = await setup();
    const enter = vi.spyOn(chat, "enter").mockResolvedValue();
    await toCode();
    expect(await code()).toHaveAttribute("autocomplete", "one-time-code");
    fireEvent.change(await code(), { target: { value: "Your code: 1234-5678" } });
    await vi.waitFor(() => expect(enter).toHaveBeenCalledOnce());
    expect(client.signIn).toHaveBeenCalledExactlyOnceWith("otp_1", "12345678", expect.any(String));
  });

  it("reads digits of other scripts and drops all else", () => {
    expect(digitsOf("１２３４ 5678 90", 8)).toBe("12345678");
  });

  it("says that a code is wrong, how many tries are left, and empties the field for the next", async () => {
    const { client, user, toCode } = await setup();
    client.signIn.mockRejectedValueOnce(refusal("otp_invalid", { attemptsLeft: 1 }));
    await toCode();
    await user.type(await code(), "00000000");
    expect(await screen.findByText("That code isn’t right. 1 try left.")).toBeInTheDocument();
    expect(await code()).toHaveValue("");
  });

  it("takes no more codes after too many wrong ones", async () => {
    const { client, user, toCode } = await setup();
    client.signIn.mockRejectedValueOnce(refusal("otp_locked"));
    await toCode();
    await user.type(await code(), "00000000");
    expect(await screen.findByText("Too many wrong codes. Ask for a new one.")).toBeInTheDocument();
    expect(await code()).toHaveAttribute("readonly");
  });

  it("counts down to a new code", async () => {
    const { toCode } = await setup();
    await toCode();
    expect(screen.getByRole("button", { name: /New code in 0:\d\d/ })).toBeDisabled();
  });

  it("tells the way of the mail", async () => {
    const { client, toCode } = await setup();
    client.codeState.mockResolvedValue({ state: "failed", resendAfter: 30, attemptsLeft: 5 });
    await toCode();
    expect(await screen.findByText(/could not be sent/)).toBeInTheDocument();
  });

  it("keeps the address when a person goes back", async () => {
    const { user, toCode } = await setup();
    await toCode();
    await user.click(screen.getByRole("button", { name: "Use another address" }));
    expect(screen.getByLabelText("Email address")).toHaveValue("maya@example.com");
  });

  it("asks for a name the first time", async () => {
    const { client, user, toCode, chat } = await setup();
    const enter = vi.spyOn(chat, "enter").mockResolvedValue();
    client.signIn.mockResolvedValue({ user: { ...me, displayName: "maya" }, session: { createdAt: me.createdAt } });
    client.http.ask.mockResolvedValue({ ...me, displayName: "Nia" });
    await toCode();
    await user.type(await code(), "12345678");
    expect(await screen.findByLabelText("Your name")).toHaveValue("maya");
    await user.keyboard("Nia{Enter}");
    expect(client.http.ask).toHaveBeenCalledWith("PATCH", "/v1/users/me", { displayName: "Nia" });
    await vi.waitFor(() => expect(enter).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ displayName: "Nia" })));
  });

  it("says in words why a session ended, and shows no code for what it does not know", async () => {
    const { store } = await setup();
    const tell = async (why: string, words: RegExp) => {
      store.dispatch({ type: "phase", phase: { kind: "stopped", code: why } });
      expect(await screen.findByText(words)).toBeInTheDocument();
    };
    await tell("session_revoked", /signed out from another one/);
    await tell("something_new", /Your session has ended/);
    expect(document.body).not.toHaveTextContent("something_new");
  });
});
