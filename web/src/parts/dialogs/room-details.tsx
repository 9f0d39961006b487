// A room's name and topic: to read for everyone, to change for those whose role allows it.
import { useState } from "react";
import type { RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { titleOf } from "../../state/select";
import { texts } from "../../texts";
import { Field } from "../ui/controls";
import { Dialog, DialogBody } from "../ui/dialog";
import { FormDialog } from "./form-dialog";
import styles from "./list.module.css";

const NAME_MAX = 80;
const TOPIC_MAX = 250;

export default function RoomDetails({ room }: { room: RoomSummary }) {
  const chat = useChat();
  const title = useChatState((state) => titleOf(state, room));
  const [name, setName] = useState(room.name ?? "");
  const [topic, setTopic] = useState(room.topic ?? "");
  const kind = room.type === "public" ? texts.room.public : texts.room.private;
  if (room.role !== "owner" && room.role !== "admin") {
    return (
      <Dialog title={title} lead={`${kind} · ${texts.room.members(room.memberCount)}`} size="sm">
        <DialogBody>
          <p className={styles.lead}>{room.topic ?? texts.room.startLead}</p>
        </DialogBody>
      </Dialog>
    );
  }
  const save = () => chat.updateRoom(room.id, { name: name.trim(), topic: topic.trim() || null });
  return (
    <FormDialog title={texts.room.details} lead={`${kind} · ${texts.room.members(room.memberCount)}`} verb={texts.common.save} disabled={name.trim() === ""} onSubmit={save}>
      <Field id="details-name" label={texts.room.name} value={name} maxLength={NAME_MAX} autoFocus autoComplete="off" onChange={(event) => setName(event.target.value)} />
      <Field id="details-topic" label={texts.room.topic} placeholder={texts.room.topicHint} value={topic} maxLength={TOPIC_MAX} autoComplete="off" onChange={(event) => setTopic(event.target.value)} />
    </FormDialog>
  );
}
