//! Canary people: from a file, made in the store, or signed up through the dev mailbox.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use client::{Endpoint, Fault, Http, Identity};
use http::Method;
use protocol::ids::UserId;
use serde::Deserialize;
use serde_json::{Value, json};
use service::config::Settings;
use uuid::Uuid;

use super::plan::Plan;
use crate::Failure;
use crate::arguments::SeedPlan;
use crate::seed;

/// How long the code may take into the mailbox.
const MAIL_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);
/// Tokens of a sign-in live for ten minutes, and nobody here renews them.
const MAILBOX_SECONDS_MAX: u64 = 480;

/// Who talks, and whether we made them.
pub(crate) struct People {
    /// Writers first.
    pub(crate) all: Vec<Identity>,
    /// Ours alone, to be removed in the end.
    pub(crate) made: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    user_id: UserId,
    token: String,
}

/// People who are there without asking the server; `None` when the mailbox must be tried.
pub(crate) fn without_the_server(
    settings: &Settings,
    plan: &Plan,
) -> Result<Option<People>, Failure> {
    if let Some(path) = &plan.tokens {
        let all = read(path, plan.people())?;
        return Ok(Some(People { all, made: false }));
    }
    let store: String = settings.value("store")?;
    if store.is_empty() || store.starts_with("sqlite:") {
        // An embedded database belongs to the process that serves it.
        if plan.seconds > MAILBOX_SECONDS_MAX {
            return Err(Failure::Failed(format!(
                "canaries of the dev mailbox can talk for {MAILBOX_SECONDS_MAX} s at most; for longer give people of `chatify seed` with --tokens"
            )));
        }
        return Ok(None);
    }
    let file = TokenFile::new()?;
    let seeds = SeedPlan {
        users: plan.people() as u32,
        rooms: None,
        members: None,
        shape: Vec::new(),
        out: file.0.clone(),
    };
    seed::run(settings, &seeds)?;
    let all = read(&file.0, plan.people())?;
    Ok(Some(People { all, made: true }))
}

/// Tokens on their way from the seeding to us; nobody else may read them, and they are gone afterwards.
struct TokenFile(PathBuf);

impl TokenFile {
    fn new() -> Result<TokenFile, Failure> {
        let path = std::env::temp_dir().join(format!("chatify-verify-{}", Uuid::new_v4()));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Failure::of)?;
        Ok(TokenFile(path))
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // What stays behind is readable by us alone, and its tokens end within a day.
        drop(fs::remove_file(&self.0));
    }
}

fn read(path: &Path, count: usize) -> Result<Vec<Identity>, Fault> {
    let wrong = |why: String| Fault(format!("{} (`--tokens`): {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut people = Vec::new();
    for line in BufReader::new(file).lines().take(count) {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let Line { user_id, token } =
            serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
        people.push(Identity {
            user: user_id,
            token,
        });
    }
    if people.len() < count {
        return Err(wrong(format!(
            "{count} writers and readers need as many people, and it has {}",
            people.len()
        )));
    }
    Ok(people)
}

/// Signs people up with codes from the dev mailbox.
pub(crate) async fn by_mailbox(endpoint: &Endpoint, count: usize) -> Result<People, Fault> {
    let mut http = Http::new(endpoint.clone());
    let mailbox = http
        .call(Method::GET, "/dev/mail.json", (None, None))
        .await?;
    if !mailbox.status.is_success() {
        return Err(Fault(format!(
            "no canary people can be made at {endpoint}: it has no dev mailbox. Give people of `chatify seed` with --tokens, or run this with the deployment's own settings (`store`, `auth.key-secret`)"
        )));
    }
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(sign_up(&mut http).await?);
    }
    Ok(People { all, made: true })
}

async fn sign_up(http: &mut Http) -> Result<Identity, Fault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Asked {
        challenge_id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SignedIn {
        user: Person,
        access_token: String,
    }
    #[derive(Deserialize)]
    struct Person {
        id: UserId,
    }
    let email = format!("{}@canary.invalid", Uuid::new_v4());
    let ask = json!({ "email": email, "intent": "signup" });
    let asked: Asked = post(http, "/v1/auth/otp", &ask).await?.json()?;
    let code = tokio::time::timeout(MAIL_MAX, code_for(http, &email))
        .await
        .map_err(|_| Fault("no code came into the dev mailbox in time".into()))??;
    let verify = format!("/v1/auth/otp/{}/verify", asked.challenge_id);
    let redeem = json!({ "code": code, "displayName": "Canary", "device": "chatify verify" });
    let signed_in: SignedIn = post(http, &verify, &redeem).await?.json()?;
    Ok(Identity {
        user: signed_in.user.id,
        token: signed_in.access_token,
    })
}

async fn post(http: &mut Http, path: &str, body: &Value) -> Result<client::Reply, Fault> {
    http.call(Method::POST, path, (None, Some(body))).await
}

async fn code_for(http: &mut Http, email: &str) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Mail {
        text: String,
    }
    let path = format!("/dev/mail.json?to={email}");
    loop {
        let mails: Vec<Mail> = http.call(Method::GET, &path, (None, None)).await?.json()?;
        if let Some(code) = mails.first().and_then(|mail| code_in(&mail.text)) {
            return Ok(code);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The line that is nothing but digits in groups.
fn code_in(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| {
        let plain = |c: char| c.is_ascii_digit() || c.is_whitespace();
        !line.is_empty() && line.chars().all(plain)
    })?;
    Some(line.chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_its_mail() {
        let text = "Your chatify code is\n\n    1234 5678\n\nIt lives for 5 minutes.\n";
        assert_eq!(code_in(text).as_deref(), Some("12345678"));
        assert_eq!(code_in("Nothing 12\n"), None);
    }
}
