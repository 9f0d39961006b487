//! The canary rooms: made and removed over the public API, as any client would.

use client::{Endpoint, Fault, Http, Identity};
use http::Method;
use protocol::ids::RoomId;
use serde::Deserialize;
use serde_json::json;

use super::people::People;

/// People and their rooms.
pub(crate) struct Canaries {
    endpoints: Vec<Endpoint>,
    people: People,
    /// Each with its owner's index.
    rooms: Vec<(RoomId, usize)>,
}

impl Canaries {
    pub(crate) fn new(endpoints: Vec<Endpoint>, people: People) -> Canaries {
        Canaries {
            endpoints,
            people,
            rooms: Vec::new(),
        }
    }

    /// Writers first.
    pub(crate) fn people(&self) -> &[Identity] {
        &self.people.all
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.iter().map(|(room, _)| *room)
    }

    /// Makes private rooms of all people, by owners in turn.
    ///
    /// # Errors
    /// When one is refused; those that were made stay known, for [`Canaries::remove`].
    pub(crate) async fn make_rooms(&mut self, count: u32) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Made {
            id: RoomId,
        }
        for number in 0..count as usize {
            let people = &self.people.all;
            let owner = number % people.len();
            let others: Vec<_> = people
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != owner)
                .map(|(_, person)| person.user)
                .collect();
            let asked = json!({
                "type": "private",
                "name": format!("canary {number}"),
                "topic": "made by `chatify verify`, removed when it ends",
                "memberIds": others,
            });
            let endpoint = self.endpoints[number % self.endpoints.len()].clone();
            let token = Some(people[owner].token.as_str());
            let reply = Http::new(endpoint)
                .call(Method::POST, "/v1/rooms", (token, Some(&asked)))
                .await?;
            let Made { id } = reply
                .json()
                .map_err(|fault| Fault(format!("a canary room cannot be made: {fault}")))?;
            self.rooms.push((id, owner));
        }
        Ok(())
    }

    /// Removes rooms, and people if they are ours; gives what could not be removed, for people.
    pub(crate) async fn remove(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (room, owner) in &self.rooms {
            let path = format!("/v1/rooms/{room}");
            if let Err(fault) = self.delete(*owner, &path).await {
                left.push(format!("{room}: {fault}"));
            }
        }
        let ours = self.people.all.iter().enumerate();
        for (index, person) in ours.filter(|_| self.people.made) {
            if let Err(fault) = self.delete(index, "/v1/users/me").await {
                left.push(format!("{}: {fault}", person.user));
            }
        }
        left
    }

    /// Through any address that does it.
    async fn delete(&self, person: usize, path: &str) -> Result<(), Fault> {
        let token = Some(self.people.all[person].token.as_str());
        let mut last = Fault("no address".into());
        for endpoint in &self.endpoints {
            let asked = Http::new(endpoint.clone())
                .call(Method::DELETE, path, (token, None))
                .await;
            match asked.and_then(|reply| reply.success()) {
                Ok(()) => return Ok(()),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }
}
