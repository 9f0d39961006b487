// The menu of a message.
import { Copy, CornerUpLeft, Pencil, Trash2 } from "lucide-react";
import type { Message } from "../../contract";
import { toast } from "../../state/ui";
import { texts } from "../../texts";
import { MenuItem, MenuLine, MenuRow, MenuSurface } from "../ui/menu";
import type { SurfaceProps } from "../ui/menu-button";
import type { MessageWish } from "./actions";

const QUICK = ["👍", "❤️", "😂", "🎉", "👀", "🙏"].map((emoji) => ({ value: emoji, label: `${texts.message.react} ${emoji}` }));

export interface ActionRowsProps {
  message: Message;
  mine: boolean;
  mayRemove: boolean;
  onWish: (wish: MessageWish, message: Message) => void;
  onReact: (emoji: string) => void;
}

export default function ActionRows({ message, mine, mayRemove, onWish, onReact, anchor, onClose }: ActionRowsProps & SurfaceProps) {
  const copy = () => void navigator.clipboard.writeText(message.text).then(() => toast(texts.message.copied));
  return (
    <MenuSurface anchor={anchor} onClose={onClose}>
      <MenuRow options={QUICK} onPick={onReact} />
      <MenuLine />
      <MenuItem icon={<CornerUpLeft size={16} />} onSelect={() => onWish("reply", message)}>
        {texts.message.reply}
      </MenuItem>
      {mine && (
        <MenuItem icon={<Pencil size={16} />} onSelect={() => onWish("edit", message)}>
          {texts.message.edit}
        </MenuItem>
      )}
      <MenuItem icon={<Copy size={16} />} onSelect={copy}>
        {texts.message.copy}
      </MenuItem>
      {mayRemove && (
        <>
          <MenuLine />
          <MenuItem danger icon={<Trash2 size={16} />} onSelect={() => onWish("remove", message)}>
            {texts.message.remove}
          </MenuItem>
        </>
      )}
    </MenuSurface>
  );
}
