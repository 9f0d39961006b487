// The one way to words: a second language is a second file of the same shape and a choice here.
import { en } from "./en";

export type Texts = typeof en;
export const texts: Texts = en;
export const locale = (): string => (typeof navigator === "undefined" ? "en" : navigator.language);
