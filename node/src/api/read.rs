//! Reading requests: path, query and body into typed values, or a problem that points at the field.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use protocol::event::client::json;
use protocol::ids::UserId;
use protocol::limits::FRAME_BYTES_MAX;
use protocol::problem::{Code, Problem};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

use super::answer::Refused;

/// Arrays and objects within each other; deeper bodies are an attack or a mistake.
const DEPTH_MAX: usize = 32;

/// The named parts of the path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let wrong = |_| Problem::because(Code::InvalidRequest, "the path is not UTF-8");
        let path = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(wrong)?;
        let pairs = path
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self(fields(pairs)?))
    }
}

/// The query; parameters that are not known are ignored, wrong ones are named.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Ok(Self(query(&parts.uri)?))
    }
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let text = uri.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text)
        .map_err(|_| Problem::because(Code::InvalidRequest, "the query string cannot be read"))?;
    fields(pairs.into_iter())
}

/// Named texts as a typed value; what does not fit is named.
fn fields<T: DeserializeOwned>(
    pairs: impl Iterator<Item = (String, String)>,
) -> Result<T, Problem> {
    let pairs = pairs.map(|(name, value)| (name, Text(value)));
    let map = serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(pairs);
    serde_path_to_error::deserialize(map).map_err(|error| {
        let name = error.path().to_string();
        let said = error.into_inner().to_string();
        let quoted = |before| {
            said.strip_prefix(before)
                .and_then(|rest: &str| rest.strip_suffix('`'))
        };
        let wrong = |name: &str, kind, detail| {
            Problem::field(Code::InvalidRequest, &format!("/{name}"), kind, detail)
        };
        match (quoted("missing field `"), quoted("duplicate field `")) {
            (Some(missing), _) => wrong(missing, "required", format!("{missing} is required")),
            (_, Some(twice)) => wrong(twice, "format", format!("{twice} is given twice")),
            _ => wrong(&name, "format", said.clone()),
        }
    })
}

/// A text, read as whatever the field wants to be.
struct Text(String);

impl<'de> serde::de::IntoDeserializer<'de, serde::de::value::Error> for Text {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident, $type:ty, $what:literal;)+) => {
        $(fn $method<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let value: $type = self.0.parse().map_err(|_| Self::Error::custom(concat!("expected ", $what)))?;
            visitor.$visit(value)
        })+
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = serde::de::value::Error;

    parsed! {
        deserialize_bool => visit_bool, bool, "true or false";
        deserialize_u32 => visit_u32, u32, "a number";
        deserialize_u64 => visit_u64, u64, "a number";
    }

    fn deserialize_any<V: serde::de::Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: serde::de::Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A JSON body of at most 64 KiB.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            return Err(Code::UnsupportedMediaType.into());
        }
        let bytes = to_bytes(request.into_body(), FRAME_BYTES_MAX)
            .await
            .map_err(|_| too_large())?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Problem::because(Code::InvalidJson, "the body is not UTF-8"))?;
        if depth(text) > DEPTH_MAX {
            let detail = format!("arrays and objects are nested deeper than {DEPTH_MAX}");
            return Err(Problem::because(Code::InvalidJson, detail).into());
        }
        Ok(Self(json(text)?))
    }
}

/// The refusal of a body over the bound.
pub(crate) fn too_large() -> Problem {
    Problem::because(
        Code::PayloadTooLarge,
        format!("a body may have {FRAME_BYTES_MAX} bytes"),
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// How deep the brackets of a JSON text go; strings do not count.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A field that tells "left out" (`None`) from "null" (`Some(None)`): null takes a value away.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Whose membership: somebody's, or the caller's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// `me`
    Me,
    /// An id, which may be the caller's.
    User(UserId),
}

impl<'de> Deserialize<'de> for Whom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "me" => Ok(Self::Me),
            id => id
                .parse()
                .map(Self::User)
                .map_err(|_| D::Error::custom("expected me or an id of the form usr_UUID")),
        }
    }
}

/// A line that people see (a name, a topic): trimmed, in NFC, within its limit, without control characters.
pub(crate) fn line(text: &str, pointer: &str, most: usize) -> Result<String, Problem> {
    let text: String = text.trim().nfc().collect();
    let wrong = |kind, detail: String| Problem::field(Code::InvalidRequest, pointer, kind, detail);
    if text.is_empty() {
        return Err(wrong("too_short", "it must not be empty".to_owned()));
    }
    let chars = text.chars().count();
    if chars > most {
        return Err(wrong(
            "too_long",
            format!("{chars} of at most {most} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(
            "format",
            "control characters are not allowed".to_owned(),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Asked {
        limit: Option<u32>,
        user: Option<UserId>,
        ban: Option<bool>,
        q: String,
    }

    fn asked(text: &str) -> Result<Asked, Problem> {
        query(&format!("/x?{text}").parse().unwrap())
    }

    #[test]
    fn a_query_is_read_and_unknown_parameters_are_ignored() {
        let read = asked("limit=5&q=a%20b&ban=true&later=1").unwrap();
        assert_eq!(
            read,
            Asked {
                limit: Some(5),
                user: None,
                ban: Some(true),
                q: "a b".to_owned()
            }
        );
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let pointer = |text| asked(text).unwrap_err().errors[0].pointer.clone();
        assert_eq!(pointer("q=x&limit=many"), "/limit");
        assert_eq!(pointer("q=x&limit="), "/limit");
        assert_eq!(pointer("q=x&user=42"), "/user");
        assert_eq!(pointer("q=x&ban=maybe"), "/ban");
        assert_eq!(pointer("limit=1"), "/q");
        assert_eq!(pointer("q=x&q=y"), "/q");
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert_eq!(depth(r#"{"a":[1,{"b":"[[[[\"]]"}]}"#), 3);
        assert_eq!(depth(r#""\\""#), 0);
        assert_eq!(depth(&"[".repeat(5_000)), 5_000);
    }

    #[test]
    fn null_is_something_else_than_nothing() {
        #[derive(Deserialize)]
        struct Patch {
            #[serde(default, deserialize_with = "given")]
            name: Option<Option<String>>,
        }
        assert_eq!(json::<Patch>("{}").unwrap().name, None);
        assert_eq!(json::<Patch>(r#"{"name":null}"#).unwrap().name, Some(None));
        assert_eq!(
            json::<Patch>(r#"{"name":"x"}"#).unwrap().name,
            Some(Some("x".to_owned()))
        );
    }

    #[test]
    fn a_line_is_trimmed_composed_and_bounded() {
        assert_eq!(line("  cafe\u{301} ", "/name", 4).unwrap(), "caf\u{e9}");
        for wrong in ["", "   ", "abcde", "a\nb", "a\u{0}"] {
            assert_eq!(
                line(wrong, "/name", 4).unwrap_err().errors[0].pointer,
                "/name",
                "{wrong:?}"
            );
        }
    }
}
