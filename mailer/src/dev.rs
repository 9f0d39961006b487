//! The dev mailbox: where mails go when no SMTP server is set up. The newest mails, in memory, on a page without scripts.
//! Whoever sees the page can sign in as anybody: it exists only in the all-in-one process and never in a cluster.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use protocol::mail_job::{EmailAddress, Mail, MailJob};
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::compose::{Words, words};

/// Mails that are kept.
const KEPT_MAX: usize = 500;
/// Seconds between two looks of the page.
const REFRESH_SECONDS: u32 = 3;

/// The mailbox. Cheap to clone; clones are the same mailbox.
#[derive(Clone, Default)]
pub struct DevMailbox(Arc<Mutex<VecDeque<Kept>>>);

struct Kept {
    id: String,
    to: EmailAddress,
    code: Option<String>,
    words: Words,
    at: Timestamp,
}

/// A mail in `/dev/mail.json`.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
}

impl DevMailbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a mail; the oldest goes when there are too many.
    pub(crate) fn keep(&self, job: &MailJob) {
        let code = match &job.mail {
            Mail::Code { code, .. } => Some(code.clone()),
            Mail::Test | Mail::WrongCodes { .. } => None,
        };
        let (id, to) = (job.id.clone(), job.to.clone());
        let mut kept = self.locked();
        // Delivered twice is still one mail.
        if kept.iter().all(|mail| mail.id != id) {
            kept.push_front(Kept {
                id,
                to,
                code,
                words: words(job),
                at: job.made_at,
            });
        }
        kept.truncate(KEPT_MAX);
    }

    /// `GET /dev/mail`, `GET /dev/mail.json?to=ADDRESS`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/dev/mail", get(page))
            .route("/dev/mail.css", get(style))
            .route("/dev/mail.json", get(list))
            .route("/dev/mail/{id}", get(view))
            .with_state(self.clone())
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(State(mailbox): State<DevMailbox>, Query(filter): Query<Filter>) -> Response {
    // As typed or as stored; what is no address has no mail.
    let to: Option<Result<EmailAddress, _>> = filter.to.map(|to| to.parse());
    let kept = mailbox.locked();
    let listed: Vec<Listed<'_>> = kept
        .iter()
        .filter(|mail| to.as_ref().is_none_or(|to| to.as_ref() == Ok(&mail.to)))
        .map(|mail| Listed {
            id: &mail.id,
            to: mail.to.as_str(),
            subject: mail.words.subject,
            text: &mail.words.text,
            at: mail.at,
        })
        .collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(listed)).into_response()
}

async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("dev.css")).into_response()
}

async fn page(State(mailbox): State<DevMailbox>) -> Response {
    let kept = mailbox.locked();
    let mut items = String::new();
    for mail in kept.iter() {
        item(&mut items, mail);
    }
    let list = if items.is_empty() {
        "<p class=\"empty\">No mail yet. Codes that are asked for appear here by themselves.</p>"
            .to_owned()
    } else {
        format!("<ul>{items}</ul>")
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Mailbox · chatify</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\">\
         <link rel=\"stylesheet\" href=\"/dev/mail.css\"></head><body><main>\
         <header><h1><span>chatify</span> mailbox</h1><p>No SMTP server is set up: mails stay here.</p></header>\
         {list}</main></body></html>"
    );
    html(
        page,
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    )
}

fn item(page: &mut String, mail: &Kept) {
    let (id, to) = (escaped(&mail.id), escaped(mail.to.as_str()));
    let (subject, text) = (escaped(mail.words.subject), escaped(&mail.words.text));
    let code = match &mail.code {
        Some(code) => format!("<span class=\"code\">{}</span>", escaped(code)),
        None => format!("<span>{subject}</span>"),
    };
    let written = write!(
        page,
        "<li><div class=\"top\"><span class=\"to\">{to}</span><time>{at}</time></div>\
         <div class=\"row\">{code}<a href=\"/dev/mail/{id}\">as HTML</a></div>\
         <details><summary>{subject}</summary><pre>{text}</pre></details></li>",
        at = mail.at,
    );
    debug_assert!(written.is_ok(), "a String takes every text");
}

/// One mail as a mail program shows it.
async fn view(State(mailbox): State<DevMailbox>, Path(id): Path<String>) -> Response {
    let found = mailbox
        .locked()
        .iter()
        .find(|mail| mail.id == id)
        .map(|mail| mail.words.html.clone());
    match found {
        // Mails style themselves; they can do nothing else.
        Some(mail) => html(
            mail,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
        None => (StatusCode::NOT_FOUND, "no such mail").into_response(),
    }
}

fn html(page: String, policy: &'static str) -> Response {
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    fn job(id: &str, to: &str) -> MailJob {
        MailJob {
            id: id.into(),
            to: to.parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: None,
            },
            made_at: Timestamp(1_800_000_000_000),
            expires_at: Timestamp(1_800_000_300_000),
        }
    }

    async fn fetched(mailbox: &DevMailbox, path: &str) -> (u16, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = mailbox.router().oneshot(request).await.unwrap();
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY);
        let policy = policy.map_or(String::new(), |value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, policy, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn mails_are_listed_newest_first_and_by_recipient() {
        let mailbox = DevMailbox::new();
        for (id, to) in [
            ("1", "ada@example.com"),
            ("2", "eve@example.com"),
            ("3", "ada@example.com"),
        ] {
            mailbox.keep(&job(id, to));
        }
        mailbox.keep(&job("3", "ada@example.com"));
        let ids = async |path: &str| {
            let (_, _, body) = fetched(&mailbox, path).await;
            let list: Value = serde_json::from_str(&body).unwrap();
            list.as_array()
                .unwrap()
                .iter()
                .map(|mail| mail["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids("/dev/mail.json").await, ["3", "2", "1"]);
        assert_eq!(ids("/dev/mail.json?to=ada@example.com").await, ["3", "1"]);
        assert_eq!(ids("/dev/mail.json?to=ADA%40Example.com").await, ["3", "1"]);
        assert!(ids("/dev/mail.json?to=nonsense").await.is_empty());
        let (_, _, body) = fetched(&mailbox, "/dev/mail.json?to=eve@example.com").await;
        let mail = &serde_json::from_str::<Value>(&body).unwrap()[0];
        assert_eq!(mail["to"], "eve@example.com");
        assert_eq!(mail["subject"], "Your chatify sign-in code");
        assert_eq!(mail["at"], "2027-01-15T08:00:00.000Z");
        assert!(mail["text"].as_str().unwrap().contains("1234 5678"));
    }

    #[tokio::test]
    async fn the_page_shows_the_code_and_runs_nothing() {
        let mailbox = DevMailbox::new();
        let (status, policy, body) = fetched(&mailbox, "/dev/mail").await;
        assert!(status == 200 && body.contains("No mail yet") && !policy.contains("unsafe"));
        mailbox.keep(&job("1", "a&b'c@example.com"));
        let (_, _, body) = fetched(&mailbox, "/dev/mail").await;
        assert!(
            body.contains("12345678") && body.contains("a&amp;b&#39;c@example.com"),
            "{body}"
        );
        assert!(!body.contains("<script") && !body.contains(" style="));
        let (status, policy, body) = fetched(&mailbox, "/dev/mail/1").await;
        assert!(status == 200 && policy.contains("sandbox") && body.contains("1234 5678"));
        assert_eq!(fetched(&mailbox, "/dev/mail/2").await.0, 404);
    }

    #[test]
    fn old_mails_make_room() {
        let mailbox = DevMailbox::new();
        for n in 0..(KEPT_MAX + 10) {
            mailbox.keep(&job(&n.to_string(), "ada@example.com"));
        }
        assert_eq!(mailbox.locked().len(), KEPT_MAX);
        assert_eq!(mailbox.locked()[0].id, (KEPT_MAX + 9).to_string());
    }
}
