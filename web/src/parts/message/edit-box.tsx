// Editing in place: Enter saves, Escape leaves it as it was, an empty text changes nothing.
import { useEffect, useRef, useState } from "react";
import { codeOf } from "../../client";
import type { Message } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { explain } from "../../state/attempt";
import { toast } from "../../state/ui";
import { texts } from "../../texts";
import { submits } from "../composer/keys";
import { useGrow } from "../composer/use-grow";
import { Button } from "../ui/controls";
import styles from "./edit-box.module.css";

export function EditBox({ message, onDone }: { message: Message; onDone: () => void }) {
  const chat = useChat();
  const most = useChatState((state) => state.textChars);
  const [text, setText] = useState(message.text);
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  useGrow(box, text);
  useEffect(() => {
    const area = box.current;
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
  }, []);

  const clean = text.trim();
  const fits = clean !== "" && [...clean].length <= most;
  const save = async () => {
    if (!fits) return;
    if (clean === message.text) { onDone(); return; }
    setBusy(true);
    try {
      await chat.edit(message, clean);
      onDone();
    } catch (error) {
      toast(explain(error), "bad");
      setBusy(false);
      if (codeOf(error) === "message_not_found") onDone();
    }
  };

  return (
    <div className={styles.box}>
      <textarea
        ref={box}
        className={styles.area}
        aria-label={texts.message.editLabel}
        dir="auto"
        rows={1}
        value={text}
        readOnly={busy}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            onDone();
          } else if (submits(event)) {
            event.preventDefault();
            void save();
          }
        }}
      />
      <div className={styles.foot}>
        <span className={styles.help}>{texts.message.editHelp}</span>
        <Button tone="quiet" onClick={onDone}>
          {texts.common.cancel}
        </Button>
        <Button tone="primary" busy={busy} disabled={!fits} onClick={() => void save()}>
          {texts.common.save}
        </Button>
      </div>
    </div>
  );
}
