//! Names that only one may have: a person's address, the pair of a DM. A claim is a document whose `_id` is the name, so
//! that "one owner a name" is the one uniqueness that every server and every sharded collection has.
//!
//! **Order.** The claim first, with everything that its owner's document is made from (`making`); then the owner's
//! document; then `making` goes. A process may die between any two of these: whoever meets the claim next makes the
//! owner's document from `making`, and the insert that comes late finds its `_id` there (owners are never removed).
//! Nobody waits for anybody and no clock decides.
//!
//! **The document decides who has a name.** A claim only points. One whose owner no longer carries the name (an erased
//! person, a deleted DM) is stale, and the next who wants the name takes it over by compare-and-set on the owner.
//! Two cannot have one name at once: an owner's document gets its name when it is made and never again, so a name that
//! was given up cannot come back under an old owner.

use mongodb::Collection;
use mongodb::bson::{self, Binary, Bson, doc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Mongo;
use super::docs::{RoomDoc, corrupt};
use super::failure::Failure;
use super::ops::Call;
use super::users::UserDoc;
use crate::StoreError;

/// A name and whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ClaimDoc<O: Owner> {
    /// The name.
    #[serde(rename = "_id")]
    pub(super) name: O::Name,
    pub(super) owner: bson::Uuid,
    /// What the owner's document is made from, until it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(bound(deserialize = "O: DeserializeOwned"))]
    pub(super) making: Option<O>,
}

/// A document that may carry a name.
pub(super) trait Owner:
    Clone + Serialize + DeserializeOwned + Unpin + Send + Sync + 'static
{
    /// What it is called by.
    type Name: Clone
        + PartialEq
        + Into<Bson>
        + Serialize
        + DeserializeOwned
        + Unpin
        + Send
        + Sync
        + 'static;

    fn id(&self) -> bson::Uuid;
    /// The name that it has now.
    fn name(&self) -> Option<&Self::Name>;
    fn docs(store: &Mongo) -> &Collection<Self>;
    fn claims(store: &Mongo) -> &Collection<ClaimDoc<Self>>;
}

impl Owner for UserDoc {
    type Name = String;

    fn id(&self) -> bson::Uuid {
        self.id
    }

    fn name(&self) -> Option<&String> {
        self.email.as_ref()
    }

    fn docs(store: &Mongo) -> &Collection<Self> {
        &store.db.users
    }

    fn claims(store: &Mongo) -> &Collection<ClaimDoc<Self>> {
        &store.db.addresses
    }
}

impl Owner for RoomDoc {
    type Name = Binary;

    fn id(&self) -> bson::Uuid {
        self.id
    }

    fn name(&self) -> Option<&Binary> {
        self.dm.as_ref()
    }

    fn docs(store: &Mongo) -> &Collection<Self> {
        &store.db.rooms
    }

    fn claims(store: &Mongo) -> &Collection<ClaimDoc<Self>> {
        &store.db.pairs
    }
}

impl<O: Owner> ClaimDoc<O> {
    /// The claim of a document that is there.
    pub(super) fn of(owner: &O) -> Option<Self> {
        owner.name().map(|name| Self {
            name: name.clone(),
            owner: owner.id(),
            making: None,
        })
    }
}

impl Mongo {
    /// Who has a name. A claim that is stale, or whose owner is being made at this moment, is nobody's yet.
    pub(super) async fn named<O: Owner>(
        &self,
        call: &Call,
        name: &O::Name,
    ) -> Result<Option<O>, StoreError> {
        let claim = self.claim_of::<O>(call, name).await?;
        let Some(claim) = claim else { return Ok(None) };
        let owner = self.owner(call, &claim).await?;
        Ok(owner.filter(|owner| owner.name() == Some(name)))
    }

    /// Makes a document under its name, or returns the one that has the name. The flag says whether it was made now: of
    /// any number of callers one hears so. `Conflict` when its id is another's already.
    pub(super) async fn named_or<O: Owner>(
        &self,
        call: &Call,
        fresh: O,
    ) -> Result<(O, bool), StoreError> {
        let Some(name) = fresh.name().cloned() else {
            return Err(StoreError::Refused("a document without a name".into()));
        };
        let wanted = ClaimDoc {
            name: name.clone(),
            owner: fresh.id(),
            making: Some(fresh.clone()),
        };
        loop {
            let Some(claim) = self.claim_of::<O>(call, &name).await? else {
                let (claims, wanted) = (O::claims(self).clone(), wanted.clone());
                let claimed = call
                    .write(async move { claims.insert_one(wanted).await.map(drop) })
                    .await;
                match claimed {
                    // Whether it was this insert, the driver's repeat of it or another's: what stands there tells.
                    Ok(()) | Err(Failure::Duplicate) => continue,
                    Err(failure) => return Err(failure.of_write()),
                }
            };
            // From the claim on there is something that others finish: no failure means "not done" any more.
            let owner = self.make(call, &claim).await.map_err(perhaps)?;
            if owner.name() == Some(&name) {
                return Ok((owner, claim.owner == fresh.id()));
            }
            if claim.owner == fresh.id() {
                // The id belongs to somebody with another name, or with none any more.
                self.give_back::<O>(call, &name, claim.owner).await?;
                return Err(StoreError::Conflict);
            }
            let stale = doc! { "_id": name.clone(), "owner": claim.owner };
            let making = bson::serialize_to_bson(&wanted.making)
                .map_err(|_| corrupt("a claim cannot be written"))?;
            let ours = doc! { "$set": { "owner": wanted.owner, "making": making } };
            self.update(O::claims(self), stale, ours).await?;
        }
    }

    /// Frees a name, if it is still this owner's.
    pub(super) async fn give_back<O: Owner>(
        &self,
        call: &Call,
        name: &O::Name,
        owner: bson::Uuid,
    ) -> Result<(), StoreError> {
        let claims = O::claims(self).clone();
        let theirs = doc! { "_id": name.clone(), "owner": owner };
        call.write(async move { claims.delete_one(theirs).await.map(drop) })
            .await
            .map_err(Failure::of_write)
    }

    /// The owner's document, made if its maker has not come that far.
    async fn make<O: Owner>(&self, call: &Call, claim: &ClaimDoc<O>) -> Result<O, StoreError> {
        if let Some(owner) = self.owner(call, claim).await? {
            return Ok(owner);
        }
        let making = claim
            .making
            .clone()
            .ok_or_else(|| corrupt("a name points at nobody"))?;
        let (docs, made) = (O::docs(self).clone(), making.clone());
        let inserted = call
            .write(async move { docs.insert_one(made).await.map(drop) })
            .await;
        let owner = match inserted {
            Ok(()) => making,
            Err(Failure::Duplicate) => self
                .owner(call, claim)
                .await?
                .ok_or_else(|| corrupt("a document is gone"))?,
            Err(failure) => return Err(failure.of_write()),
        };
        // Only tidiness: who dies here leaves a claim that says more than it must until it is given back.
        let made = doc! { "_id": claim.name.clone(), "owner": claim.owner };
        self.update(O::claims(self), made, doc! { "$unset": { "making": "" } })
            .await?;
        Ok(owner)
    }

    async fn claim_of<O: Owner>(
        &self,
        call: &Call,
        name: &O::Name,
    ) -> Result<Option<ClaimDoc<O>>, StoreError> {
        call.find_one(O::claims(self), doc! { "_id": name.clone() })
            .await
    }

    async fn owner<O: Owner>(
        &self,
        call: &Call,
        claim: &ClaimDoc<O>,
    ) -> Result<Option<O>, StoreError> {
        call.find_one(O::docs(self), doc! { "_id": claim.owner })
            .await
    }
}

/// After a claim the rest is done by whoever comes by: a failure then is no "not done".
pub(super) fn perhaps(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unknown(why),
        other => other,
    }
}
