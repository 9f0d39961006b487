// Which key means what while a person writes. Input methods (Chinese, Japanese, Korean) confirm with Enter too.
import type { KeyboardEvent } from "react";

/** Whether this key is part of composing a character and not ours to read. Safari says 229 after composition ended. */
export function composing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only sign of it that Safari gives
  return event.nativeEvent.isComposing || event.keyCode === 229;
}

/** Whether this Enter sends. On a touch keyboard it makes a line; there is a button for sending. */
export function submits(event: KeyboardEvent): boolean {
  return event.key === "Enter" && !event.shiftKey && !composing(event) && !coarse();
}

function coarse(): boolean {
  return typeof matchMedia === "function" && matchMedia("(pointer: coarse) and (hover: none)").matches;
}
