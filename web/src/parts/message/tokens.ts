// Cuts a message's text into what it is made of. Only text comes out: nothing here can become markup.

export type Token =
  | { kind: "text"; text: string }
  | { kind: "link"; text: string; href: string }
  | { kind: "code"; text: string }
  | { kind: "block"; text: string }
  | { kind: "mention"; text: string; userId: string };

const FENCE = /```(?:[a-z0-9+-]{1,16}\n)?\n?([\s\S]+?)\n?```/gi;
const INLINE = /`([^`\n]+)`|(https?:\/\/[^\s<>"'`]+)/gi;
/** What often follows a link in a sentence and seldom belongs to it. */
const TRAILING = /[.,;:!?…。、，！？）]+$/;

/** `people`: the message's mentions with the names they go by. */
export function tokenise(text: string, people: { id: string; name: string }[] = []): Token[] {
  const tokens: Token[] = [];
  let from = 0;
  for (const match of text.matchAll(FENCE)) {
    inline(text.slice(from, match.index).replace(/\n$/, ""), people, tokens);
    tokens.push({ kind: "block", text: match[1] ?? "" });
    from = match.index + match[0].length;
    if (text[from] === "\n") from += 1;
  }
  inline(text.slice(from), people, tokens);
  return tokens;
}

/** Up to three emoji and nothing else: shown large. */
export function isJumbo(text: string): boolean {
  const parts = [...new Intl.Segmenter().segment(text.trim())].filter(({ segment }) => segment.trim() !== "");
  return parts.length > 0 && parts.length <= 3 && parts.every(({ segment }) => /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(segment));
}

function inline(text: string, people: { id: string; name: string }[], out: Token[]): void {
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    mentions(text.slice(from, match.index), people, out);
    from = match.index + match[0].length;
    if (match[1] !== undefined) {
      out.push({ kind: "code", text: match[1] });
      continue;
    }
    const href = trimLink(match[0]);
    from -= match[0].length - href.length;
    if (URL.canParse(href)) out.push({ kind: "link", text: href, href });
    else out.push({ kind: "text", text: href });
  }
  mentions(text.slice(from), people, out);
}

function trimLink(link: string): string {
  let cut = link.replace(TRAILING, "");
  // A closing bracket belongs to the link only when it was opened there.
  while (cut.endsWith(")") && !balanced(cut)) cut = cut.slice(0, -1).replace(TRAILING, "");
  return cut;
}

function balanced(text: string): boolean {
  return text.split("(").length >= text.split(")").length;
}

function mentions(text: string, people: { id: string; name: string }[], out: Token[]): void {
  // Longest first, so that "@Ann Lee" is not taken for "@Ann".
  const sorted = [...people].sort((a, b) => b.name.length - a.name.length);
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const person = text[at] === "@" ? sorted.find(({ name }) => name !== "" && text.startsWith(name, at + 1)) : undefined;
    if (!person) {
      plain += text[at] ?? "";
      at += 1;
      continue;
    }
    if (plain) out.push({ kind: "text", text: plain });
    plain = "";
    out.push({ kind: "mention", text: `@${person.name}`, userId: person.id });
    at += person.name.length + 1;
  }
  if (plain) out.push({ kind: "text", text: plain });
}
