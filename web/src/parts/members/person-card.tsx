// A person, from near: name, presence, role, a way to talk, and what this person's role here allows.
import { MessageSquare } from "lucide-react";
import { useChat, useChatState } from "../../state/context";
import { attempt } from "../../state/attempt";
import { go } from "../../state/route";
import { nameOf, statusOf } from "../../state/select";
import { texts } from "../../texts";
import { Avatar } from "../avatar/avatar";
import { longDate } from "../format";
import { Button } from "../ui/controls";
import { PopoverSurface } from "../ui/popover";
import styles from "./person-card.module.css";

interface PersonCardProps {
  userId: string;
  roomId: string;
  anchor: HTMLElement;
  onClose: () => void;
}

export default function PersonCard({ userId, roomId, anchor, onClose }: PersonCardProps) {
  const chat = useChat();
  const name = useChatState((state) => nameOf(state, userId));
  const status = useChatState((state) => statusOf(state, userId));
  const line = useChatState((state) => state.presence[userId]?.text);
  const me = useChatState((state) => state.me?.id === userId);
  const since = useChatState((state) => state.users[userId]?.createdAt);
  const room = useChatState((state) => state.rooms[roomId]);
  const member = useChatState((state) => state.members[roomId]?.rows.find((row) => row.userId === userId));
  const chief = (room?.role === "owner" || room?.role === "admin") && (room.type === "public" || room.type === "private") && !me && member !== undefined;

  const talk = () =>
    void attempt(async () => {
      const id = await chat.messagePerson(userId);
      onClose();
      go(id);
    });
  const wish = (method: "PATCH" | "DELETE", body?: object) => {
    onClose();
    void attempt(() => chat.client.http.ask(method, `/v1/rooms/${roomId}/members/${userId}`, body));
  };
  return (
    <PopoverSurface anchor={anchor} onClose={onClose} label={texts.members.card(name)} side="right">
      <div className={styles.card}>
        <Avatar id={userId} name={name} size="xl" status={status} />
        <div>
          <h3 className={styles.name}>
            <bdi>{name}</bdi>
          </h3>
          <p className={styles.line}>
            {texts.people.status[status]}
            {line ? ` · ${line}` : ""}
          </p>
          {member && member.role !== "member" && <p className={styles.line}>{texts.members.role[member.role]}</p>}
          {since && <p className={styles.line}>{texts.members.joined(longDate(since))}</p>}
        </div>
        {!me && (
          <Button tone="primary" wide onClick={talk}>
            <MessageSquare size={16} /> {texts.members.message}
          </Button>
        )}
        {chief && member.role !== "owner" && (
          <div className={styles.chief}>
            {room.role === "owner" && (
              <Button tone="quiet" onClick={() => wish("PATCH", { role: member.role === "admin" ? "member" : "admin" })}>
                {member.role === "admin" ? texts.members.makeMember : texts.members.makeAdmin}
              </Button>
            )}
            <Button tone="danger" onClick={() => wish("DELETE")}>
              {texts.members.removePerson}
            </Button>
          </div>
        )}
      </div>
    </PopoverSurface>
  );
}
