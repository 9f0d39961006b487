// Bringing people into a room.
import { useState } from "react";
import type { RoomSummary, User } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { titleOf } from "../../state/select";
import { texts } from "../../texts";
import { FormDialog } from "./form-dialog";
import { PeoplePicker } from "./people-picker";

export default function AddPeople({ room }: { room: RoomSummary }) {
  const chat = useChat();
  const title = useChatState((state) => titleOf(state, room));
  const members = useChatState((state) => state.members[room.id]?.rows);
  const [people, setPeople] = useState<User[]>([]);
  const inside = new Set((members ?? []).map((row) => row.userId));
  return (
    <FormDialog title={texts.create.addTitle(title)} verb={texts.create.add} disabled={people.length === 0} onSubmit={() => chat.addPeople(room.id, people.map((user) => user.id))}>
      <PeoplePicker chosen={people} onChange={setPeople} without={inside} />
    </FormDialog>
  );
}
