//! `chatify mailer`: takes mails from the queue and sends them. It listens to nobody but its operator.

use std::sync::Arc;

use bus::mail::MailQueue;
use mailer::{MailConfig, Outlet, Ports};
use service::config::Settings;
use service::secret::Secret;
use tracing::info;

use super::wanted::Wanted;
use super::{Life, backends, live};
use crate::Failure;
use crate::config::ClusterConfig;

/// Serves until the process is told to stop.
pub(crate) fn serve(settings: &Settings) -> Result<String, Failure> {
    let cluster: ClusterConfig = settings.read()?;
    let config: MailConfig = settings.read()?;
    let mut wanted = Wanted::default();
    wanted.mail_queue(&cluster);
    let key = wanted.key(&cluster);
    if config.smtp.is_none() {
        wanted.refuse("mail.smtp", "is not set: the dev mailbox is for chatify without a command, nobody would see these mails");
    }
    let lines = [
        ("mail-queue", Some(cluster.mail_queue.expose())),
        ("mail.smtp", config.smtp.as_ref().map(Secret::expose)),
    ];
    wanted.secured(&cluster, &lines);
    wanted.check()?;
    live(settings, async move |life: Life| {
        let queue = backends::mail_queue(&life, &cluster, &key).await?;
        begin(&life, &config, queue)?;
        info!("the mailer is up");
        Ok(Vec::new())
    })
}

/// Starts to send what the queue gives; where the mails go.
pub(super) fn begin(
    life: &Life,
    config: &MailConfig,
    queue: Arc<dyn MailQueue>,
) -> Result<Outlet, Failure> {
    let outlet = Outlet::open(config).map_err(Failure::of)?;
    let ports = Ports {
        queue,
        outlet: outlet.clone(),
        clock: life.clock.clone(),
        parallel: config.parallel,
    };
    let work = mailer::run(ports, life.drain.clone());
    life.drain.spawn("mailer", work);
    Ok(outlet)
}
