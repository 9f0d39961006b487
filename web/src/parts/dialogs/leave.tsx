// Leaving a room is asked once more: a private one cannot be entered again alone.
import type { RoomSummary } from "../../contract";
import { useChat, useChatState } from "../../state/context";
import { go } from "../../state/route";
import { titleOf } from "../../state/select";
import { texts } from "../../texts";
import { FormDialog } from "./form-dialog";

export default function Leave({ room }: { room: RoomSummary }) {
  const chat = useChat();
  const title = useChatState((state) => titleOf(state, room));
  const leave = async () => {
    await chat.leave(room.id);
    go(null, true);
  };
  return <FormDialog title={texts.room.leaveTitle(title)} lead={texts.room.leaveLead} verb={texts.room.leaveYes} tone="danger" onSubmit={leave} />;
}
