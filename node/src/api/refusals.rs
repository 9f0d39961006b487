//! Which problems a call may be answered with, said beside each route and grouped by status in the document.
//!
//! A route lists groups of codes among its responses. OpenAPI has one response a status, and several groups may share
//! one, so each code stands under a key of its own until [`fold`] puts them together.

use std::collections::BTreeMap;

use protocol::problem::{Code, Problem};
use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, Header, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder, Responses,
    schema::Object, schema::Type,
};

/// What a code stands under before it is folded.
const MARK: &str = "code:";

macro_rules! groups {
    ($($(#[$doc:meta])* $name:ident => $($code:ident),+;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl utoipa::IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    marked(&[$(Code::$code),+])
                }
            }
        )+
    };
}

groups! {
    /// What every call of a signed-in person may be told.
    Signed => InvalidRequest, TokenInQuery, TokenMissing, TokenInvalid, TokenExpired, SessionRevoked, RateLimited,
        Internal, Unavailable;
    /// What every call of an administrator may be told.
    Administering => InvalidRequest, TokenInQuery, TokenMissing, TokenInvalid, TokenExpired, Forbidden, RateLimited,
        Internal, Unavailable;
    /// What a call with a body may be told.
    Bodies => InvalidJson, PayloadTooLarge, UnsupportedMediaType;
    /// What a call with an `Idempotency-Key` may be told.
    Keyed => IdempotencyKeyReused;
    /// What a change of a room may be told.
    Changes => RoomNotFound, Forbidden, OutcomeUnknown, ClientIdConflict, Overloaded;
    /// What a message's text may be told.
    Texts => TextEmpty, TextTooLong, Muted;
    /// The room is not there, or not the caller's.
    NoRoom => RoomNotFound;
    /// The message is not there.
    NoMessage => MessageNotFound;
    /// The person is not there.
    NoUser => UserNotFound;
    /// The message has another version by now.
    Versions => VersionConflict;
    /// A member may write no more for now.
    Mutes => Muted;
    /// Becoming a member.
    Entering => Banned, RoomFull;
    /// Giving up a role.
    Owners => LastOwner;
    /// Too much of the same is under way.
    Busy => Overloaded;
    /// Nothing under this name.
    Nothing => NotFound;
}

fn marked(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    codes
        .iter()
        .map(|code| {
            (
                format!("{MARK}{code}"),
                ResponseBuilder::new().build().into(),
            )
        })
        .collect()
}

/// Puts the codes of each route together by status.
pub(crate) fn fold(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.responses = folded(std::mem::take(&mut operation.responses));
        }
    }
}

/// The operations of a path.
pub(crate) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .filter_map(Option::as_mut)
}

fn folded(responses: Responses) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let mut kept = Responses::new();
    for (key, response) in responses.responses {
        match key.strip_prefix(MARK).and_then(code) {
            Some(code) => by_status.entry(code.status()).or_default().push(code),
            None => {
                kept.responses.insert(key, response);
            }
        }
    }
    for (status, codes) in by_status {
        kept.responses
            .insert(status.to_string(), refusal(&codes).into());
    }
    kept
}

fn code(text: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.as_str() == text)
}

fn refusal(codes: &[Code]) -> Response {
    let lines = codes
        .iter()
        .map(|code| format!("[`{code}`](/docs/errors/{code}): {}.", code.title()));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(codes.first().map(|code| example(*code)))
        .build();
    let mut response = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("\n\n"))
        .content("application/problem+json", content);
    if codes.iter().any(|code| matches!(code.status(), 429 | 503)) {
        let mut header = Header::new(Object::with_type(Type::Integer));
        header.description = Some("Seconds after which the call may be repeated.".to_owned());
        response = response.header("Retry-After", header);
    }
    response.build()
}

fn example(code: Code) -> Value {
    let mut problem = Problem::new(code);
    "4bf92f3577b34da6a3ce929d0e0e4736".clone_into(&mut problem.trace_id);
    if matches!(code.status(), 429 | 503) {
        problem.retry_after = Some(1);
    }
    json!(problem)
}
