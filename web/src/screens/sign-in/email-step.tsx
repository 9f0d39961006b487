// The address. It stays when a person comes back from the code.
import { type SubmitEvent, useState } from "react";
import { ProblemError } from "../../client";
import type { Challenge } from "../../contract";
import { explain } from "../../state/attempt";
import { useChat } from "../../state/context";
import { texts } from "../../texts";
import { Button, Field } from "../../parts/ui/controls";
import styles from "./sign-in.module.css";

interface EmailStepProps {
  email: string;
  onEmail: (email: string) => void;
  onChallenge: (challenge: Challenge) => void;
}

export function EmailStep({ email, onEmail, onChallenge }: EmailStepProps) {
  const chat = useChat();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const address = email.trim();
    if (!/^\S+@\S+\.\S+$|^\S+@localhost$/.test(address)) { setError(texts.signIn.emailInvalid); return; }
    setBusy(true);
    setError(null);
    try {
      onChallenge(await chat.client.askForCode(address));
    } catch (failure) {
      const badAddress = failure instanceof ProblemError && failure.problem.errors?.some((one) => one.pointer === "/email");
      setError(badAddress ? texts.signIn.emailInvalid : explain(failure));
      setBusy(false);
    }
  };
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
      <div>
        <h1 className={styles.title}>{texts.signIn.title}</h1>
        <p className={styles.lead}>{texts.signIn.lead}</p>
      </div>
      <Field
        id="email"
        type="email"
        label={texts.signIn.email}
        placeholder={texts.signIn.emailHint}
        autoComplete="email"
        inputMode="email"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        value={email}
        error={error}
        onChange={(event) => {
          onEmail(event.target.value);
          setError(null);
        }}
      />
      <Button type="submit" tone="primary" wide busy={busy}>
        {busy ? texts.signIn.sending : texts.signIn.send}
      </Button>
    </form>
  );
}
