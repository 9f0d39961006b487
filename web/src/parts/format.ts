// Times and sizes for people, by Intl and the browser's language. Formatters are made once: making one is slow.
import { locale, texts } from "../texts";

const time = new Intl.DateTimeFormat(locale(), { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(locale(), { dateStyle: "full", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(locale(), { weekday: "long", day: "numeric", month: "long" });
const dated = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });

const DAY_MS = 86_400_000;

export const clock = (at: string | number): string => time.format(new Date(at));
export const fullTime = (at: string | number): string => full.format(new Date(at));
export const longDate = (at: string | number): string => dated.format(new Date(at));

/** "Today", "Yesterday", a weekday with its date, and the year when it is another one. */
export function dayName(at: number, now: number = Date.now()): string {
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  if (days === 0) return texts.message.today;
  if (days === 1) return texts.message.yesterday;
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? weekday.format(at) : dated.format(at);
}

/** As short as a list allows: a time today, a date before. */
export function brief(at: string, now: number = Date.now()): string {
  const when = Date.parse(at);
  return midnight(when) === midnight(now) ? time.format(when) : short.format(when);
}

/** "3 hours ago". */
export function ago(at: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  for (const [unit, size] of steps) if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  return relative.format(0, "minute");
}

/** Minutes and seconds of a countdown: 4:07. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);
