//! `chatify doctor`: reads the settings in force and says what a deployment gets wrong, each with how to mend it.
//!
//! It changes nothing, opens no embedded database (that belongs to the process that serves it) and shows no secret. Each
//! check is one small function; those that only read settings are pure.

mod clocks;
mod exposure;
mod finding;
mod machine;
mod remote;
mod secrets;
mod store;
mod view;

use std::time::Duration;

use clap::Args;
use client::Endpoint;
use service::config::Settings;

use crate::Failure;
pub(crate) use remote::in_clear;

use finding::{Finding, json, table};
use view::View;

/// How long one look at another process may take.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// What to look at besides the settings.
#[derive(Args)]
pub(crate) struct Plan {
    /// Public addresses of the deployment, whose clocks and keys are compared.
    #[arg(long = "url", num_args = 1.., value_name = "URL")]
    urls: Vec<String>,
    /// Tell it as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks at everything, and fails when something is wrong. A warning is no failure.
pub(crate) fn run(settings: &Settings, plan: &Plan) -> Result<String, Failure> {
    let view = View::of(settings)?;
    let urls = plan
        .urls
        .iter()
        .map(|url| url.parse::<Endpoint>().map_err(Failure::from))
        .collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::of)?;
    let mut findings = exposure::checks(&view);
    findings.extend(secrets::checks(&view));
    findings.extend(machine::checks());
    runtime.block_on(async {
        findings.extend(store::checks(&view).await);
        findings.extend(remote::checks(&view).await);
        findings.extend(clocks::checks(&view, &urls).await);
    });
    // The worst first: that is what somebody came for.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let answer = if plan.json {
        json(&findings)
    } else {
        table(&findings)
    };
    if findings.iter().any(Finding::is_wrong) {
        Err(Failure::Red(answer))
    } else {
        Ok(answer)
    }
}
