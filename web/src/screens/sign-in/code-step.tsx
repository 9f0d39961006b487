// The code: submits itself when it is whole, tells how many tries are left, watches the mail, counts down to a new code.
import { ArrowLeft, Check, LoaderCircle, MailWarning } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { ProblemError, codeOf } from "../../client";
import type { Challenge, ChallengeState, Me, Session } from "../../contract";
import { countdown } from "../../parts/format";
import { Button } from "../../parts/ui/controls";
import { explain } from "../../state/attempt";
import { useChat } from "../../state/context";
import { texts } from "../../texts";
import { CodeField } from "./code-field";
import { deviceName } from "./device";
import styles from "./sign-in.module.css";

/** How often the mail's way is asked for, until it is sent or failed. */
const WATCH_MS = 2_000;
/** Far more than making an account takes, far less than coming back to it. */
const FIRST_MS = 2_000;

interface CodeStepProps {
  email: string;
  challenge: Challenge;
  onBack: () => void;
  onSignedIn: (me: Me, first: boolean) => void;
}

export function CodeStep({ email, challenge: first, onBack, onSignedIn }: CodeStepProps) {
  const chat = useChat();
  const [challenge, setChallenge] = useState(first);
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [notice, setNotice] = useState<string | null>(null);
  const [closed, setClosed] = useState(false);
  const mail = useMailState(challenge.challengeId, first !== challenge);
  const [resendAt, setResendAt] = useState(() => Date.now() + first.resendAfter * 1000);
  const [endsAt, setEndsAt] = useState(() => Date.now() + first.expiresIn * 1000);
  const now = useNow();
  const wait = Math.ceil((resendAt - now) / 1000);
  const left = Math.ceil((endsAt - now) / 1000);
  const expired = left <= 0;
  const tried = useRef("");

  const verify = async (digits: string) => {
    tried.current = digits;
    setBusy(true);
    setError(null);
    setNotice(null);
    try {
      const { user, session } = await chat.client.signIn(challenge.challengeId, digits, deviceName());
      onSignedIn(user, madeTogether(user, session));
    } catch (failure) {
      const kind = codeOf(failure);
      const tries = failure instanceof ProblemError ? (failure.problem.attemptsLeft ?? undefined) : undefined;
      setBusy(false);
      setCode("");
      setClosed(kind === "otp_locked" || kind === "otp_expired" || tries === 0);
      if (kind === "otp_invalid") setError(texts.signIn.wrong(tries));
      else if (kind === "otp_locked") setError(texts.signIn.locked);
      else if (kind === "otp_expired" || kind === "challenge_not_found") setError(texts.signIn.expired);
      else setError(explain(failure));
    }
  };
  const write = (digits: string) => {
    setCode(digits);
    if (digits.length < challenge.codeLength) return;
    if (!busy && digits !== tried.current) void verify(digits);
  };
  const resend = async () => {
    setError(null);
    try {
      const next = await chat.client.askForAnotherCode(challenge.challengeId);
      setChallenge(next);
      setResendAt(Date.now() + next.resendAfter * 1000);
      setEndsAt(Date.now() + next.expiresIn * 1000);
      setClosed(false);
      setCode("");
      tried.current = "";
      setNotice(texts.signIn.resent);
    } catch (failure) {
      if (failure instanceof ProblemError && failure.problem.retryAfter) setResendAt(Date.now() + failure.problem.retryAfter);
      setError(explain(failure));
    }
  };

  return (
    <div className={styles.form}>
      <div>
        <h1 className={styles.title}>{texts.signIn.codeTitle}</h1>
        <p className={styles.lead}>
          <bdi>{texts.signIn.codeLead(email.trim())}</bdi>
        </p>
      </div>
      <CodeField
        length={challenge.codeLength}
        value={code}
        label={texts.signIn.codeLabel(challenge.codeLength)}
        error={error ?? (expired ? texts.signIn.expired : null)}
        disabled={busy || closed || expired}
        onChange={write}
      />
      <MailLine state={mail} busy={busy} notice={notice} left={left} />
      <div className={styles.foot}>
        <Button tone="quiet" className={styles.back} onClick={onBack}>
          <ArrowLeft size={16} /> {texts.signIn.change}
        </Button>
        <Button tone={closed || expired ? "primary" : "plain"} disabled={wait > 0} onClick={() => void resend()}>
          {wait > 0 ? texts.signIn.resendIn(countdown(wait)) : texts.signIn.resend}
        </Button>
      </div>
    </div>
  );
}

/** An account that is as young as its session was made by this sign-in. Both times are the server's. */
function madeTogether(user: Me, session: Session): boolean {
  return Math.abs(Date.parse(session.createdAt) - Date.parse(user.createdAt)) < FIRST_MS;
}

function MailLine({ state, busy, notice, left }: { state: ChallengeState["state"]; busy: boolean; notice: string | null; left: number }) {
  const line = busy ? texts.signIn.verifying : (notice ?? texts.signIn[state]);
  const Icon = busy || state === "queued" ? LoaderCircle : state === "failed" ? MailWarning : Check;
  return (
    <p className={styles.mail} data-state={state} role="status">
      <Icon size={15} className={busy || state === "queued" ? styles.turn : undefined} />
      <span>
        {line} {!busy && state === "sent" && left > 0 && left < 120 && texts.signIn.expires(countdown(left))}
      </span>
    </p>
  );
}

function useMailState(challengeId: string, again: boolean): ChallengeState["state"] {
  const chat = useChat();
  const [state, setState] = useState<ChallengeState["state"]>("queued");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let stale = false;
    setState("queued");
    const ask = async () => {
      let next: ChallengeState["state"] = "queued";
      try {
        next = (await chat.client.codeState(challengeId)).state;
      } catch {
        // Not knowing is shown as "on its way"; the code may arrive all the same.
      }
      if (stale) return;
      setState(next);
      if (next === "queued") timer = setTimeout(() => void ask(), WATCH_MS);
    };
    void ask();
    return () => {
      stale = true;
      if (timer) clearTimeout(timer);
    };
  }, [chat, challengeId, again]);
  return state;
}

function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return now;
}
