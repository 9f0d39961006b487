// A line of one's own beside the name.
import { useState } from "react";
import { useChat, useChatState } from "../../state/context";
import { statusOf } from "../../state/select";
import { texts } from "../../texts";
import { Field } from "../ui/controls";
import { FormDialog } from "./form-dialog";

const LINE_MAX = 80;

export default function Status() {
  const chat = useChat();
  const me = useChatState((state) => state.me?.id ?? "");
  const held = useChatState((state) => state.presence[me]?.text ?? "");
  const status = useChatState((state) => statusOf(state, me));
  const [line, setLine] = useState(held);
  const kept = status === "away" || status === "dnd" ? status : "online";
  return (
    <FormDialog title={texts.me.setStatus} verb={texts.common.save} onSubmit={() => chat.setStatus(kept, line.trim() || undefined)}>
      <Field id="status-line" label={texts.me.statusText} value={line} maxLength={LINE_MAX} autoFocus autoComplete="off" onChange={(event) => setLine(event.target.value)} />
    </FormDialog>
  );
}
