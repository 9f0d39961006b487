// Signing in: an address, the code that came by mail, and the first time a name.
import { useEffect, useState } from "react";
import type { Challenge, Me } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { texts } from "../../texts";
import { CodeStep } from "./code-step";
import { EmailStep } from "./email-step";
import { NameStep } from "./name-step";
import styles from "./sign-in.module.css";
import { Wordmark } from "./wordmark";

type Step = { at: "email" } | { at: "code"; challenge: Challenge } | { at: "name"; me: Me };

/** Ended sessions say why, once, above the first step. */
export function SignIn() {
  const chat = useChat();
  const phase = useChatState((state) => state.phase);
  const [step, setStep] = useState<Step>({ at: "email" });
  const [email, setEmail] = useState("");
  const devMailbox = useDevMailbox();
  const ended = phase.kind === "stopped" && phase.code !== "stopped" ? phase.code : null;

  const signedIn = (me: Me, first: boolean) => {
    if (first || me.displayName.trim() === "") setStep({ at: "name", me });
    else void chat.enter(me);
  };
  return (
    <main className={styles.screen}>
      <div className={styles.column}>
        <Wordmark />
        <div className={styles.card}>
          {ended && step.at === "email" && (
            <p className={styles.ended} role="status">
              {(texts.signIn.ended as Record<string, string>)[ended] ?? texts.signIn.ended.other}
            </p>
          )}
          {step.at === "email" && <EmailStep email={email} onEmail={setEmail} onChallenge={(challenge) => setStep({ at: "code", challenge })} />}
          {step.at === "code" && <CodeStep email={email} challenge={step.challenge} onBack={() => setStep({ at: "email" })} onSignedIn={signedIn} />}
          {step.at === "name" && <NameStep suggested={step.me.displayName} onNamed={(me) => void chat.enter({ ...step.me, ...me })} />}
        </div>
        {devMailbox && (
          <p className={styles.hint}>
            {texts.signIn.devMailbox}{" "}
            <a href="/dev/mail" target="_blank" rel="noreferrer">
              {texts.signIn.devMailboxLink}
            </a>
            .
          </p>
        )}
        <p className={styles.tagline}>{texts.app.tagline}</p>
      </div>
    </main>
  );
}

/** Whether this server keeps its mail in a page of its own. */
function useDevMailbox(): boolean {
  const chat = useChat();
  const [has, setHas] = useState(false);
  useEffect(() => {
    chat.client.http
      .anonymously<{ devMailbox?: boolean }>("GET", "/v1/limits")
      .then((limits) => setHas(limits.devMailbox === true))
      // Unknown is as good as no: the hint is a convenience.
      .catch(() => setHas(false));
  }, [chat]);
  return has;
}
