// The left pane: who I am, where I can go.
import { Compass, Search, SquarePen } from "lucide-react";
import { RoomList } from "../../parts/room-list/room-list";
import { IconButton, Key, cx } from "../../parts/ui/controls";
import { openDialog } from "../../state/ui";
import { texts } from "../../texts";
import { Wordmark } from "../sign-in/wordmark";
import { OwnMenu } from "./own-menu";
import styles from "./sidebar.module.css";

const keys = /Mac|iPhone|iPad/.test(typeof navigator === "undefined" ? "" : navigator.userAgent) ? "⌘ K" : texts.rooms.jumpKeys;

export function Sidebar({ openId }: { openId: string | null }) {
  return (
    <div className={cx(styles.side, openId && styles.behind)}>
      <header className={styles.header}>
        <Wordmark />
        <IconButton label={texts.rooms.browse} onClick={() => openDialog({ name: "directory" })}>
          <Compass size={19} />
        </IconButton>
        <IconButton label={texts.rooms.create} onClick={() => openDialog({ name: "create" })}>
          <SquarePen size={18} />
        </IconButton>
      </header>
      <button type="button" className={styles.jump} onClick={() => openDialog({ name: "switcher" })}>
        <Search size={15} />
        <span>{texts.rooms.jump}</span>
        <Key>{keys}</Key>
      </button>
      <RoomList openId={openId} />
      <OwnMenu />
    </div>
  );
}
