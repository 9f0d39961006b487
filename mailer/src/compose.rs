//! What mails say, as text and as HTML. The subject is constant and nothing in a mail was typed by a user: a mail of ours
//! cannot be made to carry somebody else's words. No remote images, nothing to click.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use protocol::mail_job::{Mail, MailJob};

/// The words of a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// The same for every mail of a kind.
    pub subject: &'static str,
    /// For programs that show text.
    pub text: String,
    /// For programs that show HTML.
    pub html: String,
}

/// Says that no person wrote this, so that no vacation notice answers (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The same to mail servers that do not know the standard.
#[derive(Clone)]
struct NoAutoResponse;

impl Header for NoAutoResponse {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Auto-Response-Suppress")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "All".to_owned())
    }
}

/// The message as it is sent. However often it is made from one job, it is the same message: id and date are the job's.
///
/// # Errors
/// When the mail library refuses a part; the text holds no address.
pub(crate) fn message(job: &MailJob, from: &Mailbox) -> Result<Message, String> {
    let words = words(job);
    // Parsed again by the library that puts it on the wire: two readers must agree on what an address is.
    let to = lettre::Address::new(job.to.local(), job.to.domain())
        .map_err(|error| format!("the recipient's address: {error}"))?;
    let millis = u64::try_from(job.made_at.0).unwrap_or(0);
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(words.subject)
        .date(UNIX_EPOCH + Duration::from_millis(millis))
        .message_id(Some(format!("<{}@{}>", job.id, from.email.domain())))
        .header(AutoSubmitted)
        .header(NoAutoResponse)
        .multipart(MultiPart::alternative_plain_html(words.text, words.html))
        .map_err(|error| format!("the message: {error}"))
}

/// What a job's mail says.
pub fn words(job: &MailJob) -> Words {
    match &job.mail {
        Mail::Code { code, asked_from } => code_words(code, *asked_from, lifetime_minutes(job)),
        Mail::Test => test_words(),
        Mail::WrongCodes { last_from } => wrong_codes_words(*last_from),
    }
}

/// Whole minutes that the code lives, at least one.
fn lifetime_minutes(job: &MailJob) -> i64 {
    (job.expires_at.0.saturating_sub(job.made_at.0) / 60_000).max(1)
}

fn code_words(code: &str, asked_from: Option<IpAddr>, minutes: i64) -> Words {
    let code = grouped(code);
    let lasts = if minutes == 1 {
        "one minute".to_owned()
    } else {
        format!("{minutes} minutes")
    };
    let origin = match asked_from {
        Some(network) => format!("It was asked for from the network {}.", shown(network)),
        None => "It was asked for from a private network.".to_owned(),
    };
    let text = format!(
        "Your chatify code is\n\n    {code}\n\n\
         Type it where you asked for it. It works once, for {lasts}.\n\n\
         {origin} If that was not you, ignore this mail: without the code nobody gets in.\n\
         We never ask for this code, neither by phone nor by mail nor in a chat.\n"
    );
    let body = format!(
        "<p class=\"lead\">Type this code where you asked for it.</p>\
         <p class=\"code\">{code}</p>\
         <p>It works once, for {lasts}.</p>\
         <p class=\"small\">{origin} If that was not you, ignore this mail: without the code nobody gets in.</p>\
         <p class=\"small\"><strong>We never ask for this code</strong>, neither by phone nor by mail nor in a chat.</p>"
    );
    Words {
        subject: "Your chatify sign-in code",
        text,
        html: page("Your code", &body),
    }
}

/// Says nothing that only the owner of an account should know: there may be none.
fn wrong_codes_words(last_from: Option<IpAddr>) -> Words {
    let origin = match last_from {
        Some(network) => format!("The last one came from the network {}.", shown(network)),
        None => "The last one came from a private network.".to_owned(),
    };
    let what = "Somebody typed many wrong codes to sign in to chatify with this address.";
    let harm = "A wrong code lets nobody in, and each code takes five tries.";
    let todo = "If it was you, ask for a new code and type the newest. If it was not, you need not do anything: never give a \
                code to anybody. Whoever is signed in stays signed in; who has an account sees its devices in the settings \
                and can sign them out there.";
    let once = "You get this notice once a day at most.";
    let text = format!("{what}\n\n{origin} {harm}\n\n{todo}\n\n{once}\n");
    let body = format!(
        "<p class=\"lead\">{what}</p><p>{origin} {harm}</p><p>{todo}</p><p class=\"small\">{once}</p>"
    );
    Words {
        subject: "Wrong sign-in codes for your address",
        text,
        html: page("Wrong codes", &body),
    }
}

fn test_words() -> Words {
    let text = "Mail works: this message was sent by `chatify mail test`.\n".to_owned();
    let body = "<p class=\"lead\">Mail works.</p>\
                <p>This message was sent by <strong>chatify mail test</strong>.</p>";
    Words {
        subject: "A test mail from chatify",
        text,
        html: page("Mail works", body),
    }
}

/// `12345678` → `1234 5678`; other lengths in groups of three or four that come out even.
fn grouped(code: &str) -> String {
    let size = if code.len().is_multiple_of(4) { 4 } else { 3 };
    let digits: Vec<char> = code.chars().collect();
    digits
        .chunks(size)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The part of an address that is told: its end was zeroed by auth.
fn shown(network: IpAddr) -> String {
    match network {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.x")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:…")
        }
    }
}

/// One narrow card. Styles stand twice where a client knows only one of the two ways.
fn page(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 24px 12px; background: #f3f4f6; color: #1f2430; font: 16px/1.5 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }}
.card {{ max-width: 440px; margin: 0 auto; background: #ffffff; border: 1px solid #e3e6ec; border-radius: 14px; }}
.inside {{ padding: 28px 32px 24px; }}
.brand {{ margin: 0 0 20px; font-weight: 650; letter-spacing: .01em; color: #4338ca; }}
p {{ margin: 0 0 14px; }}
.lead {{ font-size: 18px; }}
.code {{ margin: 20px 0; padding: 16px 8px; border-radius: 10px; background: #eef0fb; color: #1f2430; text-align: center; font: 600 34px/1.2 ui-monospace, "SF Mono", Menlo, Consolas, monospace; letter-spacing: .12em; white-space: nowrap; }}
.small {{ font-size: 13px; color: #5b6272; }}
@media (prefers-color-scheme: dark) {{
body {{ background: #14161c !important; color: #e7e9ef !important; }}
.card {{ background: #1d2029 !important; border-color: #2d3140 !important; }}
.brand {{ color: #a5b4fc !important; }}
.code {{ background: #2a2e42 !important; color: #ffffff !important; }}
.small {{ color: #a3a9b8 !important; }}
}}
</style>
</head>
<body>
<table role="presentation" class="card" width="100%" cellspacing="0" cellpadding="0" align="center" style="max-width:440px">
<tr><td class="inside" style="padding:28px 32px 24px">
<p class="brand">chatify</p>
{body}
</td></tr>
</table>
</body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    use protocol::time::Timestamp;

    use super::*;

    pub(crate) fn job() -> MailJob {
        MailJob {
            id: "0190a5c47b1e7c3a9a513f0c2f6c1a2b".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: Some([203, 0, 113, 0].into()),
            },
            made_at: Timestamp(1_800_000_000_000),
            expires_at: Timestamp(1_800_000_300_000),
        }
    }

    fn raw(job: &MailJob) -> String {
        let from = "chatify <no-reply@chat.test>".parse().unwrap();
        String::from_utf8(message(job, &from).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_code_is_shown_in_groups_and_says_how_long_it_lasts() {
        let words = words(&job());
        for text in [&words.text, &words.html] {
            assert!(
                text.contains("1234 5678") && text.contains("5 minutes"),
                "{text}"
            );
        }
        assert_eq!(grouped("123456"), "123 456");
        assert_eq!(grouped("1234567890"), "123 456 789 0");
    }

    /// O9: constant subject, nothing remote, nothing to click, a hint without city and device.
    #[test]
    fn a_mail_tells_the_network_and_warns_and_loads_nothing() {
        let words = words(&job());
        assert_eq!(words.subject, "Your chatify sign-in code");
        assert!(!words.subject.contains(char::is_numeric));
        for text in [&words.text, &words.html] {
            assert!(text.contains("203.0.113.x") && text.contains("e never ask for this code"));
        }
        for remote in [
            "http:", "https:", "src=", "href=", "url(", "<script", "@import",
        ] {
            assert!(!words.html.contains(remote), "{remote}");
        }
    }

    /// O5 and O9: what was typed, and from where; no code, no promise that there is an account, nothing to click.
    #[test]
    fn a_notice_of_wrong_codes_tells_the_network_and_what_to_do_and_no_more() {
        let last_from = Some([203, 0, 113, 0].into());
        let words = words(&MailJob {
            mail: Mail::WrongCodes { last_from },
            ..job()
        });
        assert_eq!(words.subject, "Wrong sign-in codes for your address");
        for text in [&words.text, &words.html] {
            assert!(text.contains("203.0.113.x") && text.contains("once a day"));
            assert!(!text.contains("1234") && !text.contains("ada"));
        }
        for remote in ["http:", "https:", "src=", "href="] {
            assert!(!words.html.contains(remote), "{remote}");
        }
        assert!(wrong_codes_words(None).text.contains("a private network"));
    }

    /// O9 and H28: a job is one message, however often it is made.
    #[test]
    fn a_job_is_one_message() {
        let normal = |text: String| {
            let boundary = text
                .split("boundary=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            text.replace(&boundary, "")
        };
        let (first, second) = (raw(&job()), raw(&job()));
        assert_eq!(normal(first.clone()), normal(second));
        for line in [
            "Subject: Your chatify sign-in code\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Message-ID: <0190a5c47b1e7c3a9a513f0c2f6c1a2b@chat.test>\r\n",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
            "To: ada@example.com\r\n",
            "From: chatify <no-reply@chat.test>\r\n",
        ] {
            assert!(first.contains(line), "{line}\nis not in\n{first}");
        }
    }

    /// I3: no address makes a second header.
    #[test]
    fn a_message_has_the_same_headers_for_every_address() {
        let names = |job: &MailJob| {
            let text = raw(job);
            let head = text.split("\r\n\r\n").next().unwrap().to_owned();
            let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
            unfolded
                .lines()
                .map(|line| line.split(':').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let usual = names(&job());
        for address in [
            "o'neil/x=1+tag@example.com",
            "{a}|b~c`d^e?f@example.com",
            "a@xn--bcher-kva.example",
            &format!(
                "{}@{}.example.com",
                "a".repeat(64),
                vec!["b".repeat(60); 2].join(".")
            ),
        ] {
            let job = MailJob {
                to: address.parse().unwrap(),
                ..job()
            };
            assert_eq!(names(&job), usual, "{address}");
        }
    }
}
