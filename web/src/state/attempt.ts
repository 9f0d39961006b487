// Runs what a person asked for; a failure becomes a sentence, never a code.
import { codeOf } from "../client";
import { texts } from "../texts";
import { toast } from "./ui";

/** The sentence for a failure. */
export function explain(error: unknown): string {
  return texts.problems[codeOf(error)] ?? texts.problems.other ?? "";
}

/** Runs `work`; on failure tells the person. Resolves with whether it worked. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    toast(explain(error), "bad");
    return false;
  }
}
