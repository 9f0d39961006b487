// Completing @names while a person writes. Pure: text and caret in, text and caret out.

export interface MentionQuery {
  /** Where the @ stands. */
  from: number;
  query: string;
}

/** What is being typed after an @ that begins a word, if the caret is there. */
export function mentionAt(text: string, caret: number): MentionQuery | null {
  const match = /(^|[\s(])@([^\s@]{0,32}(?: [^\s@]{0,32})?)$/u.exec(text.slice(0, caret));
  if (!match) return null;
  const query = match[2] ?? "";
  return { from: caret - query.length - 1, query };
}

/** The text with the query replaced by the name, and where the caret goes. */
export function complete(text: string, caret: number, at: MentionQuery, name: string): { text: string; caret: number } {
  const before = `${text.slice(0, at.from)}@${name} `;
  return { text: before + text.slice(caret).replace(/^ /, ""), caret: before.length };
}

/** People whose name begins with the query in any of its words, best first. */
export function matches<T extends { name: string }>(people: T[], query: string, most = 6): T[] {
  const wanted = fold(query);
  const rank = ({ name }: T): number => {
    const folded = fold(name);
    if (folded.startsWith(wanted)) return 0;
    return folded.split(" ").some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return people.filter((one) => rank(one) < 2).sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)).slice(0, most);
}

/** Of the people chosen while writing, those whose name still stands in the text. */
export function stillNamed(text: string, chosen: { id: string; name: string }[]): string[] {
  return chosen.filter(({ name }) => text.includes(`@${name}`)).map(({ id }) => id);
}

/** Case and accents do not matter when looking for a name. */
export const fold = (text: string): string => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
