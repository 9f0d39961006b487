// What can be done with a message: a bar on hover and focus, the same in a menu for fingers and keys.
import { CornerUpLeft, MoreHorizontal, SmilePlus } from "lucide-react";
import type { Message } from "../../contract";
import { useChatState } from "../../state/context";
import { texts } from "../../texts";
import { EmojiButton } from "../emoji/emoji-button";
import { IconButton, cx } from "../ui/controls";
import { MenuButton, surface } from "../ui/menu-button";
import styles from "./actions.module.css";
import type { ActionRowsProps } from "./action-rows";

export type MessageWish = "reply" | "edit" | "remove";

const QUICK = ["👍", "❤️", "😂"];
const rows = surface<ActionRowsProps>(() => import("./action-rows"));

interface ActionsProps {
  message: Message;
  menu: boolean;
  onMenu: (open: boolean) => void;
  onWish: (wish: MessageWish, message: Message) => void;
  onReact: (emoji: string) => void;
}

export function MessageActions({ message, menu: open, onMenu, onWish, onReact }: ActionsProps) {
  const mine = useChatState((state) => state.me?.id === message.senderId);
  const role = useChatState((state) => state.rooms[message.roomId]?.role);
  const mayRemove = mine || (role !== undefined && role !== "member");
  return (
    <div className={cx(styles.bar, open && styles.open)} role="toolbar" aria-label={texts.message.actions}>
      {QUICK.map((emoji) => (
        <button key={emoji} type="button" aria-label={`${texts.message.react} ${emoji}`} onClick={() => onReact(emoji)}>
          {emoji}
        </button>
      ))}
      <EmojiButton label={texts.message.react} onPick={onReact}>
        <SmilePlus size={17} />
      </EmojiButton>
      <IconButton label={texts.message.reply} onClick={() => onWish("reply", message)}>
        <CornerUpLeft size={17} />
      </IconButton>
      <MenuButton
        opens={rows}
        with={{ message, mine, mayRemove, onWish, onReact }}
        open={open}
        onOpen={onMenu}
        aria-label={texts.common.more}
        data-tip={texts.common.more}
      >
        <MoreHorizontal size={17} />
      </MenuButton>
    </div>
  );
}
