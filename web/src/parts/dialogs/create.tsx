// Starting a conversation: with people, or a room with a name.
import { Hash, Lock } from "lucide-react";
import { useState } from "react";
import type { User } from "../../contract";
import { explain } from "../../state/attempt";
import { useChat } from "../../state/context";
import { go } from "../../state/route";
import { closeDialog } from "../../state/ui";
import { texts } from "../../texts";
import { Button, Field, cx } from "../ui/controls";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import styles from "./create.module.css";
import { PeoplePicker } from "./people-picker";

const NAME_MAX = 80;

export default function Create() {
  const chat = useChat();
  const [kind, setKind] = useState<"message" | "room">("message");
  const [people, setPeople] = useState<User[]>([]);
  const [name, setName] = useState("");
  const [type, setType] = useState<"public" | "private">("public");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const ready = kind === "message" ? people.length > 0 : name.trim() !== "";

  const start = async (): Promise<string> => {
    const ids = people.map((user) => user.id);
    if (kind === "room") return chat.createRoom(type, name.trim(), []);
    return ids.length === 1 && ids[0] ? chat.messagePerson(ids[0]) : chat.createRoom("group", null, ids);
  };
  const submit = async () => {
    if (!ready || busy) return;
    setBusy(true);
    setError(null);
    try {
      const id = await start();
      closeDialog();
      go(id);
    } catch (failure) {
      setError(explain(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={texts.create.title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <DialogBody>
          <div className={styles.tabs} role="tablist" aria-label={texts.create.tabs}>
            {(["message", "room"] as const).map((one) => (
              <button key={one} type="button" role="tab" id={`tab-${one}`} aria-selected={kind === one} aria-controls="create-panel" className={styles.tab} onClick={() => setKind(one)}>
                {texts.create[one]}
              </button>
            ))}
          </div>
          <div id="create-panel" role="tabpanel" aria-labelledby={`tab-${kind}`} className={styles.panel}>
            {kind === "message" ? (
              <PeoplePicker chosen={people} onChange={setPeople} />
            ) : (
              <>
                <Field id="room-name" label={texts.create.name} placeholder={texts.create.nameHint} value={name} maxLength={NAME_MAX} autoFocus autoComplete="off" onChange={(event) => setName(event.target.value)} />
                <fieldset className={styles.kinds}>
                  <legend className="sr-only">{texts.create.tabs}</legend>
                  <Kind value="public" now={type} onPick={setType} title={texts.create.public} lead={texts.create.publicLead} />
                  <Kind value="private" now={type} onPick={setType} title={texts.create.private} lead={texts.create.privateLead} />
                </fieldset>
              </>
            )}
            {error && (
              <p className={styles.error} role="alert">
                {error}
              </p>
            )}
          </div>
        </DialogBody>
        <DialogFooter>
          <Button tone="quiet" onClick={closeDialog}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" tone="primary" busy={busy} disabled={!ready}>
            {kind === "message" ? texts.create.start : texts.create.make}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}

interface KindProps {
  value: "public" | "private";
  now: string;
  onPick: (value: "public" | "private") => void;
  title: string;
  lead: string;
}

function Kind({ value, now, onPick, title, lead }: KindProps) {
  const Icon = value === "public" ? Hash : Lock;
  return (
    <label className={cx(styles.kind, now === value && styles.picked)}>
      <input type="radio" name="room-kind" className="sr-only" checked={now === value} onChange={() => onPick(value)} />
      <Icon size={18} />
      <span>
        <strong>{title}</strong>
        <span className={styles.lead}>{lead}</span>
      </span>
    </label>
  );
}
