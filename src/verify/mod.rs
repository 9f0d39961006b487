//! `chatify verify`: proves the guarantee on a deployment that runs, from outside, as its clients see it.
//!
//! It makes canary people and rooms, lets writers and readers talk through every address, over WebSockets and polling,
//! reads the rooms' logs, and has the whole history judged by the checker of the simulation. It touches nothing but its
//! own canaries, and removes them. A green verdict is never given over nothing: somebody must have been acknowledged.

mod canaries;
mod faults;
mod people;
mod plan;
mod report;
mod talk;

use client::{Endpoint, Fault};
use service::config::Settings;

pub(crate) use plan::Plan;

use crate::Failure;
use crate::embedded::failed;
use canaries::Canaries;

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.0)
    }
}

/// Proves, tells, and fails when the verdict is red.
pub(crate) fn run(settings: &Settings, plan: &Plan) -> Result<String, Failure> {
    let endpoints = plan.endpoints()?;
    // Before a runtime of ours is there: seeding a store brings its own.
    let seeded = people::without_the_server(settings, plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(failed)?;
    let report = runtime.block_on(async {
        reach(&endpoints).await?;
        let people = match seeded {
            Some(people) => people,
            None => people::by_mailbox(&endpoints[0], plan.people()).await?,
        };
        let mut canaries = Canaries::new(endpoints.clone(), people);
        let told = match canaries.make_rooms(plan.rooms).await {
            Ok(()) => talk::talk(plan, &endpoints, &canaries).await,
            Err(fault) => Err(fault),
        };
        let left = canaries.remove().await;
        told.map(|report| report.with_left(left))
    })?;
    let answer = if plan.json {
        report.json()
    } else {
        report.table()
    };
    if report.is_green() {
        Ok(answer)
    } else {
        Err(Failure::Red(answer))
    }
}

/// Every address must answer before anything is made.
async fn reach(endpoints: &[Endpoint]) -> Result<(), Fault> {
    for endpoint in endpoints {
        let reply = client::Http::new(endpoint.clone())
            .call(http::Method::GET, "/v1/limits", (None, None))
            .await?;
        reply
            .success()
            .map_err(|fault| Fault(format!("{endpoint} is no chatify, or not ready: {fault}")))?;
    }
    Ok(())
}
