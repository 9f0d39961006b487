// This person, at the foot of the list: who they are, and the way to their own menu.
import { Avatar } from "../../parts/avatar/avatar";
import { MenuButton, surface } from "../../parts/ui/menu-button";
import type { PresenceStatus } from "../../contract";
import { useChatState } from "../../state/context";
import { statusOf } from "../../state/select";
import { texts } from "../../texts";
import styles from "./own-menu.module.css";

const rows = surface<{ status: PresenceStatus }>(() => import("./own-menu-rows"));

export function OwnMenu() {
  const me = useChatState((state) => state.me);
  const live = useChatState((state) => state.phase.kind === "live");
  const known = useChatState((state) => statusOf(state, state.me?.id));
  const line = useChatState((state) => state.presence[state.me?.id ?? ""]?.text);
  if (!me) return null;
  const status = live && known === "offline" ? "online" : live ? known : "offline";
  return (
    <div className={styles.foot}>
      <MenuButton opens={rows} with={{ status }} className={styles.me}>
        <span aria-hidden="true">
          <Avatar id={me.id} name={me.displayName} size="sm" status={status} />
        </span>
        <span className={styles.who}>
          <bdi>{me.displayName}</bdi>
          <span className="sr-only">{texts.me.menu}</span>
          <span className={styles.line} aria-hidden="true">{line ?? texts.people.status[status]}</span>
        </span>
      </MenuButton>
    </div>
  );
}
