// People found by what is typed; asks the server a moment after the last key, and forgets late answers.
import { useEffect, useState } from "react";
import type { User } from "../../contract";
import { useChat } from "../../state/context";

const PAUSE_MS = 180;

/** `null` while nothing was found out yet. */
export function usePeople(query: string): User[] | null {
  const chat = useChat();
  const [people, setPeople] = useState<User[] | null>(null);
  useEffect(() => {
    let stale = false;
    const wanted = query.trim();
    const timer = setTimeout(() => {
      if (wanted === "") return setPeople(null);
      chat
        .findPeople(wanted)
        .then((found) => !stale && setPeople(found))
        .catch(() => !stale && setPeople([]));
    }, PAUSE_MS);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [chat, query]);
  return people;
}
