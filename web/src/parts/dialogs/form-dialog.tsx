// A dialog that asks one thing and does it: fields above, Cancel and a verb below, a failure said in place.
import { type ReactNode, useState } from "react";
import { explain } from "../../state/attempt";
import { closeDialog } from "../../state/ui";
import { texts } from "../../texts";
import { Button } from "../ui/controls";
import { Dialog, DialogBody, DialogFooter } from "../ui/dialog";
import styles from "./create.module.css";

interface FormDialogProps {
  title: string;
  lead?: string;
  verb: string;
  tone?: "primary" | "danger";
  disabled?: boolean;
  children?: ReactNode;
  onSubmit: () => Promise<unknown>;
}

export function FormDialog({ title, lead, verb, tone = "primary", disabled = false, children, onSubmit }: FormDialogProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await onSubmit();
      closeDialog();
    } catch (failure) {
      setError(explain(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} lead={lead} size="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled && !busy) void submit();
        }}
      >
        {(children || error) && (
          <DialogBody>
            {children}
            {error && (
              <p className={styles.error} role="alert">
                {error}
              </p>
            )}
          </DialogBody>
        )}
        <DialogFooter>
          <Button tone="quiet" onClick={closeDialog}>
            {texts.common.cancel}
          </Button>
          <Button type="submit" tone={tone} busy={busy} disabled={disabled}>
            {verb}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}
