// This person's own menu: presence, theme, devices, the way out.
import { Bell, Eraser, LogOut, MonitorSmartphone, Smile, UserRound } from "lucide-react";
import { Dot } from "../../parts/avatar/avatar";
import { MenuCheck, MenuChoice, MenuItem, MenuLabel, MenuLine, MenuSurface } from "../../parts/ui/menu";
import type { SurfaceProps } from "../../parts/ui/menu-button";
import type { PresenceStatus } from "../../contract";
import { attempt } from "../../state/attempt";
import { useChat, useChatState, usePreferences } from "../../state/context";
import { type Theme, preferences, setTheme } from "../../state/preferences";
import { go } from "../../state/route";
import { openDialog, toast } from "../../state/ui";
import { texts } from "../../texts";

const STATUSES: PresenceStatus[] = ["online", "away", "dnd"];
const THEMES: Theme[] = ["system", "light", "dark"];

export default function OwnMenuRows({ status, anchor, onClose }: SurfaceProps & { status: PresenceStatus }) {
  const chat = useChat();
  const live = useChatState((state) => state.phase.kind === "live");
  const line = useChatState((state) => state.presence[state.me?.id ?? ""]?.text);
  const theme = usePreferences((all) => all.theme);
  const notify = usePreferences((all) => all.notify);
  const set = (next: PresenceStatus, text?: string | null) => void attempt(() => chat.setStatus(next === "offline" ? "online" : next, text));
  return (
    <MenuSurface anchor={anchor} onClose={onClose} side="top" align="start">
      <MenuChoice
        value={status}
        disabled={!live}
        options={STATUSES.map((one) => ({ value: one, label: texts.people.status[one], icon: <Dot status={one} /> }))}
        onChange={(next) => set(next, line)}
      />
      <MenuItem icon={<Smile size={16} />} disabled={!live} onSelect={() => openDialog({ name: "status" })}>
        {texts.me.setStatus}
      </MenuItem>
      {line && (
        <MenuItem icon={<Eraser size={16} />} disabled={!live} onSelect={() => set(status)}>
          {texts.me.clearStatus}
        </MenuItem>
      )}
      <MenuLine />
      <MenuItem icon={<UserRound size={16} />} onSelect={() => openDialog({ name: "profile" })}>
        {texts.me.profile}
      </MenuItem>
      <MenuItem icon={<MonitorSmartphone size={16} />} onSelect={() => openDialog({ name: "sessions" })}>
        {texts.me.sessions}
      </MenuItem>
      <MenuCheck icon={<Bell size={16} />} checked={notify} onChange={(on) => void setNotify(on)}>
        {texts.me.notify}
      </MenuCheck>
      <MenuLine />
      <MenuLabel>{texts.me.theme}</MenuLabel>
      <MenuChoice value={theme} stay options={THEMES.map((one) => ({ value: one, label: texts.me.themes[one] }))} onChange={setTheme} />
      <MenuLine />
      <MenuItem
        icon={<LogOut size={16} />}
        onSelect={() => {
          go(null, true);
          void chat.signOut();
        }}
      >
        {texts.me.signOut}
      </MenuItem>
    </MenuSurface>
  );
}

/** Asks the browser only now, when the person asked us. */
async function setNotify(on: boolean): Promise<void> {
  if (on && (typeof Notification === "undefined" || (await Notification.requestPermission()) !== "granted")) {
    toast(texts.me.notifyDenied, "bad");
    return;
  }
  preferences.setState({ notify: on });
}
