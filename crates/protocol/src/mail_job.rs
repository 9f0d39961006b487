//! What auth asks of the mailer, and the addresses it may ask for. A job holds a code in clear: its `Debug` is masked,
//! at rest it is sealed by its owner, and it never reaches a log.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::time::Timestamp;

/// Characters of an address (RFC 5321: 256 with the angle brackets).
pub const ADDRESS_CHARS_MAX: usize = 254;
/// Characters of what stands before the `@`.
const LOCAL_CHARS_MAX: usize = 64;

/// One e-mail address in its one spelling: lower case, the domain in its ASCII form. Whoever holds one need not look
/// again: no control character, no quotes, no comment, one `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// Why a text is no address that we send to; the text is for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress(pub &'static str);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadAddress {}

impl EmailAddress {
    /// As it is sent to and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// The mailbox that budgets count: `me+shop@host` fills the box of `me@host`. Only for budgets: as an identity it
    /// would give one person's account to another where `+` means nothing.
    pub fn mailbox(&self) -> String {
        let local = self.local();
        let base = local
            .split('+')
            .next()
            .filter(|base| !base.is_empty())
            .unwrap_or(local);
        format!("{base}@{}", self.domain())
    }

    /// A name to begin with: `ada.lovelace+chat@…` → `Ada Lovelace`.
    pub fn suggested_name(&self) -> String {
        let local = self.mailbox();
        let local = local.split('@').next().unwrap_or_default();
        let words = local.split(['.', '_', '-']).filter(|word| !word.is_empty());
        let name: Vec<String> = words
            .map(|word| {
                let mut chars = word.chars();
                chars.next().map_or_else(String::new, |first| {
                    first.to_uppercase().chain(chars).collect()
                })
            })
            .collect();
        if name.is_empty() {
            local.to_owned()
        } else {
            name.join(" ")
        }
    }
}

impl FromStr for EmailAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        // Keyboards of phones add a space behind a completed word; nothing else is forgiven.
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(BadAddress("an address is needed"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(BadAddress("an address has no spaces or control characters"));
        }
        // Refused before the costly part; the ASCII form is measured again below.
        if text.chars().count() > ADDRESS_CHARS_MAX {
            return Err(BadAddress("an address has at most 254 characters"));
        }
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or(BadAddress("an address has an @, as in me@example.com"))?;
        if !is_local(local) {
            return Err(BadAddress(
                "what stands before the @ is not of a form that we send to",
            ));
        }
        let domain = ascii_domain(domain).ok_or(BadAddress(
            "what stands after the @ is not the name of a mail domain",
        ))?;
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if address.len() > ADDRESS_CHARS_MAX {
            return Err(BadAddress("an address has at most 254 characters"));
        }
        Ok(Self(address))
    }
}

/// RFC 5322 dot-atom in ASCII. Quoted local parts are legal and nowhere in use except in attacks.
fn is_local(local: &str) -> bool {
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    (1..=LOCAL_CHARS_MAX).contains(&local.len())
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

/// The ASCII form of a domain with at least two labels; no address literals, no numeric top level.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(domain).ok()?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = labels.last()?;
    (labels.len() >= 2
        && ascii.len() <= 253
        && labels.iter().all(is_label)
        && !top.bytes().all(|b| b.is_ascii_digit()))
    .then_some(ascii)
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***@***")
    }
}

impl utoipa::PartialSchema for EmailAddress {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("email".to_owned())))
            .max_length(Some(ADDRESS_CHARS_MAX))
            .into()
    }
}

impl utoipa::ToSchema for EmailAddress {}

/// One mail to send. Its `id` is its Message-ID: however often it is delivered to the mailer, it is one mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailJob {
    /// The job's name: a UUID without dashes.
    pub id: String,
    /// Where it goes.
    pub to: EmailAddress,
    /// What it says.
    pub mail: Mail,
    /// When it was asked for; its Date.
    pub made_at: Timestamp,
    /// After this it is dropped, not sent.
    pub expires_at: Timestamp,
}

/// What a mail says. No variant carries text of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Mail {
    /// A code to sign in or up with.
    #[serde(rename_all = "camelCase")]
    Code {
        /// The digits.
        code: String,
        /// The network that asked for it: an address with its last part zeroed. No city, no device.
        asked_from: Option<IpAddr>,
    },
    /// A mail that shows an operator that mail works.
    Test,
    /// A notice that many wrong codes were typed for this address.
    #[serde(rename_all = "camelCase")]
    WrongCodes {
        /// The network of the last one: an address with its last part zeroed.
        last_from: Option<IpAddr>,
    },
}

impl fmt::Debug for MailJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailJob")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mail::Code { .. } => "Code(***)",
            Mail::Test => "Test",
            Mail::WrongCodes { .. } => "WrongCodes",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, BadAddress> {
        text.parse::<EmailAddress>()
            .map(|address| address.as_str().to_owned())
    }

    #[test]
    fn an_address_has_one_spelling() {
        for (typed, stored) in [
            ("Ada@Example.COM", "ada@example.com"),
            (" ada@example.com ", "ada@example.com"),
            ("ada+chat@example.com", "ada+chat@example.com"),
            ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@B\u{dc}CHER.example", "ada@xn--bcher-kva.example"),
            ("o'neil/x=1@example.co.uk", "o'neil/x=1@example.co.uk"),
        ] {
            assert_eq!(parsed(typed).as_deref(), Ok(stored), "{typed}");
        }
    }

    /// I3: what could become a second recipient, a header or a command is no address.
    #[test]
    fn nothing_that_could_break_out_of_a_header_is_an_address() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.example.com", vec!["b".repeat(60); 5].join("."));
        for text in [
            "",
            " ",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a@b@example.com",
            "ada@localhost",
            "ada@example.com\r\nBcc: eve@evil.test",
            "ada@example.com\n",
            "\rada@example.com",
            "ada@example.com\0",
            "ada\0@example.com",
            "ada\u{7f}@example.com",
            "ada@exa\u{85}mple.com",
            "\"ada\"@example.com",
            "\"ada\r\nBcc: eve@evil.test\"@example.com",
            "ada eve@example.com",
            "ada@example.com, eve@evil.test",
            "ada@example.com;eve@evil.test",
            "<ada@example.com>",
            "Ada <ada@example.com>",
            "ada(comment)@example.com",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@example..com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exam_ple.com",
            "ada@example.com.",
            "ada@example.com>\r\nRCPT TO:<eve@evil.test",
            "ada%0d%0aBcc:eve@evil.test@example.com\u{2028}",
            "ad\u{e4}@example.com",
            "ada\u{200b}@example.com",
            "\u{202e}ada@example.com",
            &long_local,
            &long,
        ] {
            assert!(parsed(text).is_err(), "{text:?} became {:?}", parsed(text));
        }
    }

    #[test]
    fn a_budget_is_for_the_mailbox_and_an_account_is_not() {
        let address: EmailAddress = "ada+x+y@example.com".parse().unwrap();
        assert_eq!(address.mailbox(), "ada@example.com");
        assert_eq!(address.as_str(), "ada+x+y@example.com");
        assert_eq!(
            "+x@example.com".parse::<EmailAddress>().unwrap().mailbox(),
            "+x@example.com"
        );
    }

    #[test]
    fn a_name_to_begin_with_is_read_off_the_address() {
        for (address, name) in [
            ("ada.lovelace+chat@example.com", "Ada Lovelace"),
            ("ada@example.com", "Ada"),
            ("_-_@example.com", "_-_"),
        ] {
            assert_eq!(
                address.parse::<EmailAddress>().unwrap().suggested_name(),
                name
            );
        }
    }

    #[test]
    fn a_job_reads_back_and_shows_nothing_of_itself() {
        let job = MailJob {
            id: "j1".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: Some([203, 0, 113, 0].into()),
            },
            made_at: Timestamp(1),
            expires_at: Timestamp(2),
        };
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<MailJob>(&json).unwrap(), job);
        let shown = format!("{job:?} {:?} {:?}", job.mail, job.to);
        assert!(!shown.contains("1234") && !shown.contains("ada"), "{shown}");
        let notice = Mail::WrongCodes {
            last_from: Some([203, 0, 113, 0].into()),
        };
        let said = r#"{"kind":"wrongCodes","lastFrom":"203.0.113.0"}"#;
        assert_eq!(serde_json::to_string(&notice).unwrap(), said);
        assert_eq!(serde_json::from_str::<Mail>(said).unwrap(), notice);
        let evil = json.replace("ada@example.com", "ada@example.com\\r\\nBcc: e@evil.test");
        assert!(serde_json::from_str::<MailJob>(&evil).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_typed_an_address_is_printable_ascii_with_one_at(text in "\\PC{0,40}@?\\PC{0,40}|.{0,60}") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                let text = address.as_str();
                prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(text.len() <= ADDRESS_CHARS_MAX);
                prop_assert_eq!(&text.parse::<EmailAddress>().unwrap(), &address);
            }
        }
    }
}
