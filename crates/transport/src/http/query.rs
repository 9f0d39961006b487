//! The query of an Engine.IO request. Keys and values are decoded before they are compared, and what is given
//! twice is refused: two readers of one request must not see two things.

use super::refusal::EngineRefusal;
use std::borrow::Cow;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    pub(crate) version: Option<Cow<'a, str>>,
    pub(crate) transport: Option<Cow<'a, str>>,
    pub(crate) sid: Option<Cow<'a, str>>,
}

/// Names under which people try to pass credentials.
const TOKENS: [&str; 3] = ["token", "access_token", "auth"];

impl<'a> Query<'a> {
    pub(crate) fn parse(query: &'a str) -> Result<Query<'a>, EngineRefusal> {
        let mut parsed = Query::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key);
            let slot = match key.as_ref() {
                "EIO" => &mut parsed.version,
                "transport" => &mut parsed.transport,
                "sid" => &mut parsed.sid,
                other if TOKENS.iter().any(|token| token.eq_ignore_ascii_case(other)) => {
                    return Err(EngineRefusal::TokenInQuery);
                }
                _ => continue,
            };
            if slot.replace(decode(value)).is_some() {
                return Err(EngineRefusal::BadRequest);
            }
        }
        Ok(parsed)
    }
}

/// Percent-decoding; what is malformed stays as it is and then matches nothing.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(decoded) => {
                out.push(decoded);
                rest = &behind[2..];
            }
            None => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_keys_are_read_in_any_order() {
        let query = Query::parse("t=abc&sid=x%2Dy&transport=polling&EIO=4").unwrap();
        assert_eq!(query.version.as_deref(), Some("4"));
        assert_eq!(query.transport.as_deref(), Some("polling"));
        assert_eq!(query.sid.as_deref(), Some("x-y"));
    }

    #[test]
    fn a_token_is_refused_however_it_is_written() {
        for query in ["token=1", "EIO=4&%74oken=1", "Token=", "access_token=x"] {
            assert_eq!(
                Query::parse(query),
                Err(EngineRefusal::TokenInQuery),
                "{query}"
            );
        }
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert_eq!(
            Query::parse("transport=polling&transport=websocket"),
            Err(EngineRefusal::BadRequest)
        );
    }

    #[test]
    fn malformed_escapes_do_not_panic() {
        for query in ["sid=%", "sid=%f", "sid=%zz", "sid=%+1", "%%%=%€"] {
            assert!(Query::parse(query).is_ok());
        }
    }
}
