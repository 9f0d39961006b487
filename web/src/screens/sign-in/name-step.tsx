// The first time: a name. The server proposes one, made from the address; writing replaces it.
import { type SubmitEvent, useState } from "react";
import type { Me } from "../../contract";
import { Button, Field } from "../../parts/ui/controls";
import { explain } from "../../state/attempt";
import { useChat } from "../../state/context";
import { texts } from "../../texts";
import styles from "./sign-in.module.css";

const NAME_MAX = 64;

export function NameStep({ suggested, onNamed }: { suggested: string; onNamed: (me: Me) => void }) {
  const chat = useChat();
  const [name, setName] = useState(suggested);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (name.trim() === "") return;
    setBusy(true);
    try {
      onNamed(await chat.client.http.ask<Me>("PATCH", "/v1/users/me", { displayName: name.trim() }));
    } catch (failure) {
      setError(explain(failure));
      setBusy(false);
    }
  };
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)}>
      <div>
        <h1 className={styles.title}>{texts.signIn.nameTitle}</h1>
        <p className={styles.lead}>{texts.signIn.nameLead}</p>
      </div>
      <Field
        id="name"
        label={texts.signIn.nameLabel}
        placeholder={texts.signIn.nameHint}
        autoComplete="name"
        maxLength={NAME_MAX}
        autoFocus
        onFocus={(event) => event.target.select()}
        value={name}
        error={error}
        onChange={(event) => {
          setName(event.target.value);
          setError(null);
        }}
      />
      <Button type="submit" tone="primary" wide busy={busy} disabled={name.trim() === ""}>
        {texts.signIn.nameSave}
      </Button>
    </form>
  );
}
