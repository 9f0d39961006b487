// What kind of room it is, as a picture.
import { Hash, Lock, Users } from "lucide-react";
import type { Room } from "../../contract";

export function RoomGlyph({ room, size = 16, className }: { room: Pick<Room, "type">; size?: number; className?: string }) {
  const Glyph = room.type === "public" ? Hash : room.type === "private" ? Lock : Users;
  return <Glyph size={size} className={className} aria-hidden="true" />;
}
