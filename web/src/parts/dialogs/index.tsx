// The dialog that is open, if any. Each is fetched when it is first wanted.
import { Suspense, lazy } from "react";
import { useChatState } from "../../state/context";
import { type DialogName, useUi } from "../../state/ui";

const Switcher = lazy(() => import("./switcher"));
const Create = lazy(() => import("./create"));
const Directory = lazy(() => import("./directory"));
const Sessions = lazy(() => import("./sessions"));
const Profile = lazy(() => import("./profile"));
const Status = lazy(() => import("./status"));
const RoomDetails = lazy(() => import("./room-details"));
const AddPeople = lazy(() => import("./add-people"));
const Leave = lazy(() => import("./leave"));

export function Dialogs() {
  const dialog = useUi((state) => state.dialog);
  return <Suspense fallback={null}>{dialog && <Opened dialog={dialog} />}</Suspense>;
}

function Opened({ dialog }: { dialog: DialogName }) {
  const room = useChatState((state) => ("roomId" in dialog ? state.rooms[dialog.roomId] : undefined));
  switch (dialog.name) {
    case "switcher":
      return <Switcher />;
    case "create":
      return <Create />;
    case "directory":
      return <Directory />;
    case "sessions":
      return <Sessions />;
    case "profile":
      return <Profile />;
    case "status":
      return <Status />;
    case "room":
      return room ? <RoomDetails room={room} /> : null;
    case "add-people":
      return room ? <AddPeople room={room} /> : null;
    case "leave":
      return room ? <Leave room={room} /> : null;
  }
}
