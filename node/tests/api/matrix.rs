//! I4: who gets what, for every operation of the document and every kind of caller. The list of operations is the
//! document's own, so that a new route without a line here fails.

use node::contract::contract;
use protocol::ids::{MessageId, RoomId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Person, Reply, World, call};

/// What a private room's caller is to be answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    /// 2xx.
    Done,
    /// 403 `forbidden`.
    Forbidden,
    /// 404 `room_not_found`.
    Hidden,
    /// 401.
    Unknown,
}
use Class::{Done, Forbidden, Hidden, Unknown};

/// What member and admin of a private room may do about it and about what its owner wrote; strangers may do nothing.
const IN_ROOM: &[(&str, Class, Class)] = &[
    ("getRoom", Done, Done),
    ("changeRoom", Forbidden, Done),
    ("deleteRoom", Forbidden, Forbidden),
    ("listMembers", Done, Done),
    ("addMember", Forbidden, Done),
    ("changeMember", Forbidden, Done),
    ("removeMember", Forbidden, Done),
    ("listMessages", Done, Done),
    ("sendMessage", Done, Done),
    ("getMessage", Done, Done),
    ("editMessage", Forbidden, Forbidden),
    ("deleteMessage", Forbidden, Done),
    ("addReaction", Done, Done),
    ("removeReaction", Done, Done),
    ("markRead", Done, Done),
    ("getRoomPresence", Done, Done),
];

/// What everybody who is signed in may do, in their own name.
const SIGNED_IN: &[&str] = &[
    "getMe",
    "changeMe",
    "deleteMe",
    "exportMe",
    "getUser",
    "findUsers",
    "createRoom",
    "openDm",
    "listRooms",
    "findRooms",
    "sync",
    "getUnread",
    "getPresence",
];

/// What anybody may read.
const OPEN: &[&str] = &[
    "getLimits",
    "getOpenApi",
    "getAsyncApi",
    "readReference",
    "readGuide",
    "listErrors",
    "readError",
    "getStyle",
];

struct Operation {
    id: String,
    method: String,
    path: String,
}

fn operations() -> Vec<Operation> {
    let (openapi, _) = contract([]);
    let paths = openapi["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter();
        let one = |(method, operation): (&String, &Value)| Operation {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase(),
            path: path.clone(),
        };
        methods.map(one).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// A private room with everybody in it whom the matrix needs.
struct Scene<'w> {
    world: &'w World,
    room: RoomId,
    message: MessageId,
    target: Person,
    stranger: Person,
    former: Person,
    member: Person,
    admin: Person,
}

impl<'w> Scene<'w> {
    async fn new(world: &'w World) -> Self {
        let owner = world.person("Owner").await;
        let stranger = world.person("Stranger").await;
        let former = world.person("Former").await;
        let member = world.person("Member").await;
        let admin = world.person("Admin").await;
        let target = world.person("Target").await;
        let room = world
            .room("private", &owner, &[&former, &member, &admin, &target])
            .await;
        let place = |who: &Person| format!("/v1/rooms/{room}/members/{}", who.id);
        world
            .ask(&owner, "PATCH", &place(&admin), json!({"role": "admin"}))
            .await
            .expect(200);
        world
            .do_(&owner, "DELETE", &place(&former))
            .await
            .expect(204);
        let message = world.said(&owner, room, "hello").await;
        Self {
            world,
            room,
            message,
            target,
            stranger,
            former,
            member,
            admin,
        }
    }

    async fn call(&self, operation: &Operation, who: Option<&Person>, room: RoomId) -> Reply {
        // Adding is about somebody who is not in yet; all else about somebody who is.
        let subject = if operation.id == "addMember" {
            &self.stranger
        } else {
            &self.target
        };
        let id = if operation.path.starts_with("/v1/users") {
            subject.id.to_string()
        } else {
            room.to_string()
        };
        let mut path = operation
            .path
            .replace("{id}", &id)
            .replace("{userId}", &subject.id.to_string())
            .replace("{msgId}", &self.message.to_string())
            .replace("{emoji}", "%F0%9F%91%8D")
            .replace("{code}", "room_not_found");
        path.push_str(match operation.id.as_str() {
            "findUsers" => "?q=ta",
            "getPresence" => "?users=",
            _ => "",
        });
        if operation.id == "getPresence" {
            path.push_str(&self.target.id.to_string());
        }
        let mut sent = call(&operation.method, &path);
        if let Some(who) = who {
            sent = sent.by(who);
        }
        if let Some(body) = body(&operation.id, self.room) {
            sent = sent.body(&body);
        }
        self.world.send(sent).await
    }
}

fn body(operation: &str, room: RoomId) -> Option<Value> {
    Some(match operation {
        "changeMe" => json!({"displayName": "Somebody"}),
        "createRoom" => json!({"type": "group"}),
        "changeRoom" => json!({"topic": "changed"}),
        "changeMember" => json!({"role": "moderator"}),
        "sendMessage" | "editMessage" => json!({"text": "changed"}),
        "sync" => json!({"rooms": {room.to_string(): 0}}),
        "markRead" => json!({"seq": 1}),
        _ => return None,
    })
}

fn class(reply: &Reply) -> Option<Class> {
    match reply.status {
        200..300 => Some(Done),
        401 => Some(Unknown),
        403 if reply.code() == "forbidden" => Some(Forbidden),
        404 if reply.code() == "room_not_found" => Some(Hidden),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_has_its_line_in_the_matrix_and_every_line_its_operation() {
    let mut lines: Vec<_> = IN_ROOM
        .iter()
        .map(|line| line.0)
        .chain(SIGNED_IN.to_vec())
        .chain(OPEN.to_vec())
        .collect();
    let mut known: Vec<_> = operations()
        .into_iter()
        .map(|operation| operation.id)
        .collect();
    lines.sort_unstable();
    known.sort_unstable();
    assert_eq!(lines, known);
}

#[tokio::test]
async fn nobody_gets_more_than_their_role_allows() {
    let world = World::new().await;
    for operation in operations() {
        let line = IN_ROOM.iter().find(|line| line.0 == operation.id);
        let expected = match line {
            Some((_, member, admin)) => [Unknown, Hidden, Hidden, *member, *admin],
            None if OPEN.contains(&operation.id.as_str()) => [Done; 5],
            None => [Unknown, Done, Done, Done, Done],
        };
        for (nth, expected) in expected.into_iter().enumerate() {
            // Each cell begins with a room that no other cell has touched.
            let scene = Scene::new(&world).await;
            let who = [
                None,
                Some(&scene.stranger),
                Some(&scene.former),
                Some(&scene.member),
                Some(&scene.admin),
            ][nth];
            let reply = scene.call(&operation, who, scene.room).await;
            assert_eq!(
                class(&reply),
                Some(expected),
                "{} as {nth}: {reply:?}",
                operation.id
            );
        }
    }
}

#[tokio::test]
async fn a_room_that_is_not_yours_answers_as_one_that_does_not_exist() {
    let world = World::new().await;
    let scene = Scene::new(&world).await;
    let unknown = RoomId(Uuid::from_u128(3));
    for operation in operations() {
        if !IN_ROOM.iter().any(|line| line.0 == operation.id) {
            continue;
        }
        for who in [&scene.stranger, &scene.former] {
            let hidden = scene.call(&operation, Some(who), scene.room).await;
            let absent = scene.call(&operation, Some(who), unknown).await;
            let seen = |reply: &Reply| {
                let mut problem = reply.json();
                problem["traceId"].take();
                (reply.status, problem)
            };
            assert_eq!(seen(&hidden), seen(&absent), "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_stranger_who_leaves_or_joins_learns_nothing_either() {
    let world = World::new().await;
    let scene = Scene::new(&world).await;
    let unknown = RoomId(Uuid::from_u128(3));
    for method in ["PUT", "DELETE"] {
        let call = |room: RoomId| format!("/v1/rooms/{room}/members/me");
        let hidden = scene
            .world
            .do_(&scene.stranger, method, &call(scene.room))
            .await;
        let absent = scene
            .world
            .do_(&scene.stranger, method, &call(unknown))
            .await;
        assert_eq!(hidden.status, absent.status, "{method}");
    }
    // Whether a person exists is not told by a room that is not there.
    let nobody = UserId(Uuid::from_u128(9));
    for user in [scene.target.id, nobody] {
        let place = format!("/v1/rooms/{}/members/{user}", scene.room);
        assert_eq!(
            scene
                .world
                .do_(&scene.stranger, "PUT", &place)
                .await
                .expect(404)
                .code(),
            "room_not_found"
        );
    }
}

#[tokio::test]
async fn what_was_said_after_a_removal_is_not_told_to_the_removed() {
    let world = World::new().await;
    let scene = Scene::new(&world).await;
    let body = json!({"rooms": {scene.room.to_string(): 0}});
    let synced = scene
        .world
        .ask(&scene.former, "POST", "/v1/sync", body)
        .await
        .expect(200);
    assert_eq!(synced.json(), json!({"rooms": {}}));
    for listed in ["/v1/rooms", "/v1/unread", "/v1/directory"] {
        let reply = scene.world.get(&scene.former, listed).await.expect(200);
        assert!(
            !reply.text.contains(&scene.room.to_string()),
            "{listed}: {reply:?}"
        );
    }
}
