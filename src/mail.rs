//! `chatify mail test`: says what is wrong with the mail set-up, and how to mend it.

use mailer::MailConfig;
use protocol::time::Timestamp;
use service::clock::Clock;
use service::config::Settings;

use crate::Failure;

/// Sends a test mail.
pub(crate) fn test(settings: &Settings, address: &str) -> Result<String, Failure> {
    let config: MailConfig = settings.read()?;
    let now = Timestamp(Clock::System.unix_ms() as i64);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::of)?;
    let diagnosis = runtime.block_on(mailer::test_send(&config, address, now));
    let told = format!("{diagnosis}\n");
    if diagnosis.trouble.is_some() {
        Err(Failure::Failed(told.trim_end().to_owned()))
    } else {
        Ok(told)
    }
}
