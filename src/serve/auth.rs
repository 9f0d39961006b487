//! `chatify auth`: sign-in and the keys of tokens, beside the nodes.

use std::sync::Arc;

use auth::{Auth, AuthConfig, Cut, Ports};
use bus::hints::Bus;
use protocol::envelope::Envelope;
use protocol::ids::SessionId;
use service::config::{Settings, Url};
use tracing::info;

use super::wanted::Wanted;
use super::{Life, backends, front, live};
use crate::Failure;
use crate::config::{ClusterConfig, TopConfig};

/// Serves until the process is told to stop.
pub(crate) fn serve(settings: &Settings) -> Result<String, Failure> {
    let (top, cluster): (TopConfig, ClusterConfig) = (settings.read()?, settings.read()?);
    let config: AuthConfig = settings.read()?;
    let mut wanted = Wanted::default();
    wanted.store(&top);
    wanted.bus(&cluster);
    wanted.mail_queue(&cluster);
    let key = wanted.key(&cluster);
    if config.key_secret.is_none() {
        wanted.refuse(
            "auth.key-secret",
            "is not set, and every auth of a cluster needs the same one",
        );
    }
    let lines = [
        ("store", top.store.as_ref().map(Url::expose)),
        ("bus", Some(cluster.bus.expose())),
        ("mail-queue", Some(cluster.mail_queue.expose())),
    ];
    wanted.secured(&cluster, &lines);
    wanted.check()?;
    live(settings, async move |life: Life| {
        let shared = backends::bus(&life, &cluster, &key).await?;
        let queue = backends::mail_queue(&life, &cluster, &key).await?;
        let store = backends::shared_store(&life, &top, &cluster).await?;
        let ports = Ports {
            store: store.clone(),
            mail: queue,
            limiter: shared.limiter,
            cut: tell_nodes(shared.bus.clone()),
            clock: life.clock.clone(),
            data: None,
            limits: top.limits,
        };
        let auth = begin(&life, config, ports).await?;
        let router = node::api::fronted_alone(&top.public(false), auth::router(auth));
        let address = front::serve(&life, &top, router).await?;
        info!(%address, "auth is up");
        Ok(vec![
            ("bus", backends::closing_bus(shared.bus)),
            ("store", backends::closing_store(store)),
        ])
    })
}

/// Opens auth and starts its background work.
pub(super) async fn begin(life: &Life, config: AuthConfig, ports: Ports) -> Result<Auth, Failure> {
    let auth = Auth::open(config, ports).await.map_err(Failure::of)?;
    auth::run(&auth, &life.drain);
    Ok(auth)
}

/// Sign-outs reach the nodes by the bus; a node that misses the word finds it in the store.
fn tell_nodes(bus: Arc<dyn Bus>) -> Cut {
    Arc::new(move |sessions: &[SessionId], reason| {
        bus.publish(Envelope::Revoked {
            sessions: sessions.to_vec(),
            reason: reason.to_owned(),
        });
    })
}
