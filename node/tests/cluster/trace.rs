//! Which way a message went, asked of any node.

use node::api::admin::token::Scope;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::town::Town;

/// The steps that a node tells of a trace.
fn steps(trace: &Value, node: &str) -> Vec<String> {
    let nodes = trace["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|one| one["name"] == node).unwrap();
    let steps = node["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["step"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_followed_from_its_sender_to_the_sockets_of_another_node() {
    let town = Town::of(2).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let mut at_a = town.connect(0, &ann).await;
    let mut at_b = town.connect(1, &ben).await;
    let client_id = Uuid::new_v4();
    let mut sent = Value::Null;
    for text in ["first", "second"] {
        let id = if text == "second" {
            client_id
        } else {
            Uuid::new_v4()
        };
        let payload = json!({"roomId": room, "clientId": id, "text": text});
        sent = at_a.ask("message:send", payload).await;
        at_a.hear(text).await;
        at_b.hear(text).await;
    }
    let id = sent["data"]["message"]["id"].as_str().unwrap();
    for asked in [0, 1] {
        let trace = town
            .admin(
                asked,
                Scope::Read,
                ("GET", &format!("/v1/admin/trace/{id}")),
            )
            .await;
        assert_eq!(trace["traceId"], client_id.to_string());
        assert_eq!(trace["roomId"], room.to_string());
        let here = steps(&trace, "node-1");
        assert_eq!(
            here[..3],
            ["accepted", "appending", "committed"],
            "{here:?}"
        );
        assert!(here.contains(&"published".to_owned()), "{here:?}");
        assert!(here.contains(&"written".to_owned()), "{here:?}");
        assert_eq!(steps(&trace, "node-2"), ["heard", "written"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_is_drained_through_this_one() {
    let town = Town::of(2).await;
    let id = town.nodes[1].id;
    let path = format!("/v1/admin/nodes/{id}/drain");
    let answer = town.admin(0, Scope::Operate, ("POST", &path)).await;
    assert_eq!(answer["draining"], true);
    town.nodes[1].drain.told_to_leave().await;
    let notes = town.store.notes(None, 10).await.unwrap();
    assert_eq!(notes.len(), 2, "both nodes write it down");
    assert_eq!(town.nodes[0].drain.phase(), service::drain::Phase::Serving);
}
