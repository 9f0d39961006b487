// This person as others see them.
import { useState } from "react";
import { useChat, useChatState } from "../../state/context";
import { texts } from "../../texts";
import { Field } from "../ui/controls";
import { FormDialog } from "./form-dialog";

const NAME_MAX = 64;

export default function Profile() {
  const chat = useChat();
  const me = useChatState((state) => state.me);
  const [name, setName] = useState(me?.displayName ?? "");
  return (
    <FormDialog title={texts.me.profile} verb={texts.common.save} disabled={name.trim() === ""} onSubmit={() => chat.rename(name.trim())}>
      <Field id="display-name" label={texts.signIn.nameLabel} value={name} maxLength={NAME_MAX} autoComplete="name" autoFocus onChange={(event) => setName(event.target.value)} />
      <Field id="own-email" label={texts.me.email} value={me?.email ?? ""} readOnly />
    </FormDialog>
  );
}
