// Deleting is asked once more: there is no way back.
import { useState } from "react";
import { Button } from "../../parts/ui/controls";
import { Dialog, DialogBody, DialogFooter } from "../../parts/ui/dialog";
import type { Message } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat } from "../../state/context";
import { texts } from "../../texts";
import styles from "./remove-message.module.css";

export default function RemoveMessage({ message, onClose }: { message: Message; onClose: () => void }) {
  const chat = useChat();
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    const done = await attempt(() => chat.remove(message));
    if (done) onClose();
    else setBusy(false);
  };
  return (
    <Dialog title={texts.message.removeTitle} lead={texts.message.removeLead} size="sm" onClose={onClose}>
      <DialogBody>
        <blockquote className={styles.quote} dir="auto">
          {message.text}
        </blockquote>
      </DialogBody>
      <DialogFooter>
        <Button tone="quiet" onClick={onClose}>
          {texts.common.cancel}
        </Button>
        <Button tone="danger" busy={busy} autoFocus onClick={() => void remove()}>
          {texts.message.removeYes}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}
