// What can be done with a conversation.
import { Bell, BellOff, Info, LogOut, UserPlus } from "lucide-react";
import { MenuItem, MenuLine, MenuSurface } from "../../parts/ui/menu";
import type { SurfaceProps } from "../../parts/ui/menu-button";
import type { RoomSummary } from "../../contract";
import { usePreferences } from "../../state/context";
import { toggleMuted } from "../../state/preferences";
import { openDialog } from "../../state/ui";
import { texts } from "../../texts";

export default function RoomMenu({ room, anchor, onClose }: SurfaceProps & { room: RoomSummary }) {
  const muted = usePreferences((all) => room.id in all.muted);
  const named = room.type === "public" || room.type === "private";
  return (
    <MenuSurface anchor={anchor} onClose={onClose}>
      {named && (
        <MenuItem icon={<Info size={16} />} onSelect={() => openDialog({ name: "room", roomId: room.id })}>
          {texts.room.details}
        </MenuItem>
      )}
      {room.type !== "dm" && (
        <MenuItem icon={<UserPlus size={16} />} onSelect={() => openDialog({ name: "add-people", roomId: room.id })}>
          {texts.room.addPeople}
        </MenuItem>
      )}
      <MenuItem icon={muted ? <Bell size={16} /> : <BellOff size={16} />} onSelect={() => toggleMuted(room.id)}>
        {muted ? texts.room.unmute : texts.room.mute}
      </MenuItem>
      {room.type !== "dm" && (
        <>
          <MenuLine />
          <MenuItem danger icon={<LogOut size={16} />} onSelect={() => openDialog({ name: "leave", roomId: room.id })}>
            {texts.room.leave}
          </MenuItem>
        </>
      )}
    </MenuSurface>
  );
}
