//! `chatify` without a command: node, auth and mailer in one process, with a bus and queues that live in it.

use std::sync::Arc;

use ::mailer::MailConfig;
use bus::limits::Limiter;
use bus::limits_local::LocalLimiter;
use bus::mail_local::LocalMailQueue;
use node::contract::Documents;
use node::ports::{Hubs, Ports};
use node::revoked::RevokedSessions;
use node::{Doors, NodeConfig};
use protocol::ids::SessionId;
use service::clock::Clock;
use service::config::{Settings, Url};
use service::secret::Secret;
use tracing::info;

use super::node::Served;
use super::wanted::Wanted;
use super::{Life, auth, backends, live, mailer, node as nodes};
use crate::Failure;
use crate::config::{ClusterConfig, TopConfig};

/// Serves until the process is told to stop.
pub(crate) fn serve(settings: &Settings) -> Result<String, Failure> {
    let (top, cluster): (TopConfig, ClusterConfig) = (settings.read()?, settings.read()?);
    let node_config: NodeConfig = settings.read()?;
    let auth_config: ::auth::AuthConfig = settings.read()?;
    let mail_config: MailConfig = settings.read()?;
    let mut wanted = Wanted::default();
    wanted.own("bus", &cluster.bus, "`chatify node` and `chatify auth`");
    wanted.own(
        "mail-queue",
        &cluster.mail_queue,
        "`chatify auth` and `chatify mailer`",
    );
    let lines = [
        ("store", top.store.as_ref().map(Url::expose)),
        ("mail.smtp", mail_config.smtp.as_ref().map(Secret::expose)),
    ];
    wanted.secured(&cluster, &lines);
    wanted.check()?;
    live(settings, async move |life: Life| {
        let store = backends::own_store(&top).await?;
        backends::watch_store(&life, &store);
        let limiter: Arc<dyn Limiter> = Arc::new(LocalLimiter::new());
        let queue = Arc::new(LocalMailQueue::new());
        let doors = Doors::default();
        let revoked = nodes::revoked_lately(&life, store.as_ref()).await?;

        let auth_ports = ::auth::Ports {
            store: store.clone(),
            mail: queue.clone(),
            limiter: limiter.clone(),
            cut: cut(doors.clone(), revoked.clone(), life.clock.clone()),
            clock: life.clock.clone(),
            data: Some(top.data.clone()),
            limits: top.limits,
        };
        let auth = auth::begin(&life, auth_config, auth_ports).await?;
        let outlet = mailer::begin(&life, &mail_config, queue)?;
        let mailbox = outlet.dev_mailbox();

        let ports = Ports {
            store: store.clone(),
            hubs: Arc::new(doors.clone()),
            keys: auth.keys().into(),
            revoked,
            limiter,
            clock: life.clock.clone(),
            settings: top.public(mailbox.is_some()),
            exports: node::api::Exports::default(),
            documents: Documents::with([::auth::openapi(), node::api::admin::openapi()]),
        };
        let mail_page = mailbox.map(::mailer::DevMailbox::router);
        let alone = (node_config.name(), None);
        let admin = nodes::admin(&life, &top, (&store, &doors, &ports.limiter), alone)?;
        let served = Served {
            ports,
            doors,
            others: ::auth::router(auth)
                .merge(mail_page.unwrap_or_default())
                .merge(admin),
            cluster: None,
        };
        let address = nodes::begin(&life, (&top, &node_config), served)?;
        info!(%address, "chatify is up: open http://{address}");
        Ok(vec![("store", backends::closing_store(store))])
    })
}

/// How auth's sign-outs reach this process's sockets.
fn cut(doors: Doors, revoked: Arc<RevokedSessions>, clock: Clock) -> ::auth::Cut {
    Arc::new(move |sessions: &[SessionId], reason| {
        revoked.add(sessions, clock.unix_seconds());
        doors.revoked(sessions.to_vec(), reason);
    })
}
