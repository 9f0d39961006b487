//! Whether the servers behind a URL can keep the promise: "acknowledged by a majority, in the journal" must mean that
//! the loss of any minority of them loses nothing. What cannot is named, with what to change.

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use tracing::{info, warn};

use super::failure::Failure;
use super::ops::Call;
use crate::StoreError;

/// MongoDB 5.0: majority reads are always on, and retryable writes are remembered over elections.
const WIRE_VERSION_MIN: i64 = 13;

/// MongoDB 8.0: writes to several collections in one command.
const WIRE_VERSION_BULK: i64 = 25;

/// What a topology is good for.
pub(super) struct Topology {
    /// It is weak, and that was allowed.
    pub(super) degraded: bool,
    /// A group of appends may be one command ([`bulk`](super::bulk)).
    pub(super) bulk: bool,
}

/// Refuses a weak topology, or says loudly that it is one when that was allowed.
pub(super) async fn check(
    client: &Client,
    call: &Call,
    database: &str,
    degraded: bool,
) -> Result<Topology, StoreError> {
    let hello = ask(client, call, "admin", doc! { "hello": 1 })
        .await?
        .ok_or_else(|| {
            StoreError::Refused("mongodb does not know `hello`: 5.0 or newer is needed".into())
        })?;
    // Not every account may read it, and a router does not have it.
    let config = ask(client, call, "admin", doc! { "replSetGetConfig": 1 }).await?;
    let sharding = if is_router(&hello) {
        sharding_of(client, call, database).await?
    } else {
        Vec::new()
    };
    let config = config
        .as_ref()
        .and_then(|reply| reply.get_document("config").ok());
    if config.is_none() {
        info!(
            "this account may not see the replica set's configuration; arbiters and journalling were not checked"
        );
    }
    let weak = weaknesses(&hello, config, &sharding);
    let found = Topology {
        degraded: !weak.is_empty(),
        bulk: takes_bulk(&hello),
    };
    if !found.degraded {
        return Ok(found);
    }
    let weak = weak.join("; ");
    if !degraded {
        return Err(StoreError::Refused(format!(
            "mongodb cannot keep the promise as it is set up: {weak}. Mend it, or accept that acknowledged messages may \
             be lost with chatifyGuarantee=degraded in the URL"
        )));
    }
    warn!(%weak, "GUARANTEE DEGRADED: acknowledged messages may be lost on this mongodb");
    Ok(found)
}

/// An answer, or `None` where the server will not give one.
async fn ask(
    client: &Client,
    call: &Call,
    database: &str,
    question: Document,
) -> Result<Option<Document>, StoreError> {
    let database = client.database(database);
    let answer = call
        .write(async move {
            match database.run_command(question).await {
                Ok(answer) => Ok(Some(answer)),
                Err(error) if matches!(*error.kind, mongodb::error::ErrorKind::Command(_)) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })
        .await;
    answer.map_err(|failure| match failure {
        Failure::Away(why) | Failure::Lost(why) => {
            StoreError::Unavailable(format!("mongodb cannot be reached: {why}"))
        }
        other => other.of_read(),
    })
}

/// A set that is new enough, and no router.
fn takes_bulk(hello: &Document) -> bool {
    let version = number(hello.get("maxWireVersion")).unwrap_or(0);
    version >= WIRE_VERSION_BULK && hello.get_str("setName").is_ok() && !is_router(hello)
}

fn is_router(hello: &Document) -> bool {
    hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

/// Collections of ours that are sharded, with the fields of their shard keys.
async fn sharding_of(
    client: &Client,
    call: &Call,
    database: &str,
) -> Result<Vec<(String, Document)>, StoreError> {
    let collections = client
        .database("config")
        .collection::<Document>("collections");
    let prefix = format!("{database}.");
    let found: Vec<Document> = call
        .read(async move {
            use futures_util::TryStreamExt as _;
            collections.find(doc! {}).await?.try_collect().await
        })
        .await?;
    Ok(found
        .iter()
        .filter_map(|one| {
            let name = one.get_str("_id").ok()?.strip_prefix(&prefix)?;
            Some((name.to_owned(), one.get_document("key").ok()?.clone()))
        })
        .collect())
}

/// Everything that is wrong, in words that say what to change.
fn weaknesses(
    hello: &Document,
    config: Option<&Document>,
    sharding: &[(String, Document)],
) -> Vec<String> {
    let mut weak = Vec::new();
    if number(hello.get("maxWireVersion")).unwrap_or(0) < WIRE_VERSION_MIN {
        weak.push("it is older than MongoDB 5.0: upgrade it".into());
    }
    if hello.get_str("setName").is_err() && !is_router(hello) {
        weak.push("it is a standalone server: start it with --replSet and initiate the set".into());
    }
    if let Some(config) = config {
        weak.extend(weak_set(config));
    }
    for (name, key) in sharding {
        let by = super::schema::shard_key_of(name);
        let fits = key.keys().next().map(String::as_str) == Some(by)
            && number(key.get(by)).is_some_and(|order| order == 1)
            && key.len() == 1;
        if !fits {
            weak.push(format!(
                "{name} is sharded by {key}: only {{{by}: 1}} (not hashed) keeps its unique indexes true; reshard it"
            ));
        }
    }
    weak
}

fn weak_set(config: &Document) -> Vec<String> {
    let mut weak = Vec::new();
    if config
        .get_bool("writeConcernMajorityJournalDefault")
        .is_ok_and(|on| !on)
    {
        weak.push(
            "writeConcernMajorityJournalDefault is false: reconfigure the set with true".into(),
        );
    }
    let members = config.get_array("members").map_or(&[][..], Vec::as_slice);
    let members: Vec<&Document> = members.iter().filter_map(Bson::as_document).collect();
    let votes = |member: &Document| number(member.get("votes")).unwrap_or(1) > 0;
    let arbiter = |member: &Document| member.get_bool("arbiterOnly").unwrap_or(false);
    let voting = members.iter().filter(|member| votes(member)).count();
    let arbiters = members
        .iter()
        .filter(|member| votes(member) && arbiter(member))
        .count();
    let bearing = voting - arbiters;
    // With one bearer down the rest must still be a majority, or operators lower the write concern to go on.
    if arbiters > 0 && bearing.saturating_sub(1) < voting / 2 + 1 {
        weak.push(format!(
            "{arbiters} of its {voting} voting members are arbiters: replace them by members that hold data"
        ));
    }
    weak
}

fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        Bson::Double(value) => Some(*value as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Document {
        doc! { "setName": "rs", "maxWireVersion": 25 }
    }

    fn set(members: &[&str]) -> Document {
        let members: Vec<Bson> = members
            .iter()
            .map(|kind| match *kind {
                "arbiter" => Bson::from(doc! { "arbiterOnly": true, "votes": 1 }),
                "silent" => Bson::from(doc! { "votes": 0 }),
                _ => Bson::from(doc! { "votes": 1 }),
            })
            .collect();
        doc! { "members": members, "writeConcernMajorityJournalDefault": true }
    }

    #[test]
    fn a_sound_topology_has_no_weakness() {
        for members in [
            &["data"][..],
            &["data"; 3],
            &["data", "data", "data", "silent"],
        ] {
            assert_eq!(weaknesses(&hello(), Some(&set(members)), &[]), [""; 0]);
        }
        let router = doc! { "msg": "isdbgrid", "maxWireVersion": 25 };
        let sharded = [
            ("entries".to_owned(), doc! { "room": 1 }),
            ("rooms".to_owned(), doc! { "_id": 1.0 }),
        ];
        assert_eq!(weaknesses(&router, None, &sharded), [""; 0]);
    }

    #[test]
    fn only_a_set_that_is_new_enough_takes_a_group_as_one_command() {
        assert!(takes_bulk(&hello()));
        for other in [
            doc! { "setName": "rs", "maxWireVersion": 24 },
            doc! { "msg": "isdbgrid", "maxWireVersion": 25 },
            doc! { "maxWireVersion": 25 },
            doc! { "setName": "rs" },
        ] {
            assert!(!takes_bulk(&other), "{other}");
        }
    }

    #[test]
    fn each_weakness_is_named_with_what_to_change() {
        let mut unjournalled = set(&["data"; 3]);
        unjournalled.insert("writeConcernMajorityJournalDefault", false);
        let old = doc! { "setName": "rs", "maxWireVersion": 9 };
        let standalone = doc! { "maxWireVersion": 25 };
        let hashed = [("entries".to_owned(), doc! { "room": "hashed" })];
        type Case<'a> = (
            Document,
            Option<Document>,
            &'a [(String, Document)],
            &'a str,
        );
        let cases: [Case<'_>; 5] = [
            (standalone, None, &[], "standalone"),
            (
                hello(),
                Some(set(&["data", "data", "arbiter"])),
                &[],
                "arbiters",
            ),
            (
                hello(),
                Some(unjournalled),
                &[],
                "writeConcernMajorityJournalDefault",
            ),
            (old, None, &[], "5.0"),
            (hello(), None, &hashed, "hashed"),
        ];
        for (hello, config, sharding, word) in cases {
            let weak = weaknesses(&hello, config.as_ref(), sharding);
            assert_eq!(weak.len(), 1, "{word}");
            assert!(weak[0].contains(word), "{}", weak[0]);
        }
    }
}
