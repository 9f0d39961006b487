CREATE TABLE former_members (
    user    BLOB    NOT NULL,
    room_no INTEGER NOT NULL,
    PRIMARY KEY (user, room_no)
) WITHOUT ROWID, STRICT;
-- Whoever did something in a room and is not in it any more; who was only ever seen there left nothing to be found.
INSERT INTO former_members (user, room_no)
SELECT DISTINCT e.actor, e.room_no FROM entries e
WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.room_no = e.room_no AND m.user = e.actor);
