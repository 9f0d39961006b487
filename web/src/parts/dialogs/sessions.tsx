// Where this person is signed in, and a way to end each.
import { Laptop, Smartphone } from "lucide-react";
import { useEffect, useState } from "react";
import type { Listed, Session } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat } from "../../state/context";
import { toast } from "../../state/ui";
import { texts } from "../../texts";
import { ago, longDate } from "../format";
import { Button, Skeleton } from "../ui/controls";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import styles from "./list.module.css";

export default function Sessions() {
  const chat = useChat();
  const [sessions, setSessions] = useState<Session[] | "failed" | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let stale = false;
    chat.client.http
      .ask<Listed<Session>>("GET", "/v1/auth/sessions")
      .then(({ data }) => !stale && setSessions(data.toSorted((a, b) => Number(b.current) - Number(a.current))))
      .catch(() => !stale && setSessions("failed"));
    return () => {
      stale = true;
    };
  }, [chat, round]);
  const again = () => setRound((n) => n + 1);
  const revoke = async (id: string) => {
    if (await attempt(() => chat.client.http.ask("DELETE", `/v1/auth/sessions/${id}`))) toast(texts.sessions.revoked);
    again();
  };
  const revokeOthers = async () => {
    if (await attempt(() => chat.client.http.ask("POST", "/v1/auth/sessions/revoke-others", {}))) toast(texts.sessions.revokedOthers);
    again();
  };
  const others = Array.isArray(sessions) ? sessions.filter((one) => !one.current).length : 0;
  return (
    <Dialog title={texts.sessions.title} lead={texts.sessions.lead}>
      <DialogBody flush>
        {sessions === null ? (
          <div className={styles.loading}>
            {["50%", "42%"].map((width) => (
              <Skeleton key={width} width={width} height="1.25rem" />
            ))}
          </div>
        ) : sessions === "failed" ? (
          <p className={styles.none}>
            {texts.sessions.failed} <Button onClick={again}>{texts.common.retry}</Button>
          </p>
        ) : (
          <ul>
            {sessions.map((one) => (
              <Device key={one.id} session={one} onRevoke={() => void revoke(one.id)} />
            ))}
          </ul>
        )}
      </DialogBody>
      {Array.isArray(sessions) && (
        <DialogFooter>
          {others > 0 ? (
            <Button tone="danger" onClick={() => void revokeOthers()}>
              {texts.sessions.revokeOthers}
            </Button>
          ) : (
            <p className={styles.lead}>{texts.sessions.only}</p>
          )}
        </DialogFooter>
      )}
    </Dialog>
  );
}

function Device({ session, onRevoke }: { session: Session; onRevoke: () => void }) {
  const phone = /phone|android|mobile/i.test(session.device ?? "");
  const Icon = phone ? Smartphone : Laptop;
  return (
    <li className={styles.row}>
      <span className={styles.glyph}>
        <Icon size={18} />
      </span>
      <span className={styles.body}>
        <span className={styles.title}>
          {session.device ?? texts.sessions.unnamed}
          {session.current && <span className={styles.here}>{texts.sessions.current}</span>}
        </span>
        <span className={styles.lead}>
          {texts.sessions.lastUsed(ago(session.lastUsedAt))} · {texts.sessions.since(longDate(session.createdAt))}
        </span>
      </span>
      {!session.current && (
        <Button onClick={onRevoke} aria-label={`${texts.sessions.revoke}: ${session.device ?? texts.sessions.unnamed}`}>
          {texts.sessions.revoke}
        </Button>
      )}
    </li>
  );
}
