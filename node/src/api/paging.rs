//! Lists: `?limit=1..100&cursor=` in, `{data, page: {next, prev}}` out.
//!
//! A cursor is opaque to clients and only names a place; it grants nothing, so it is not signed. What comes back wrong is
//! refused as the field that it is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::limits::PAGE_MAX;
use protocol::problem::{Code, Problem};
use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Rows of a page when the call does not say.
const PAGE_DEFAULT: usize = 50;
/// Rows that may be skipped by a cursor into a list that is searched: whoever wants more asks a narrower question.
const SKIP_MAX: usize = 1_000;

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct List<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// Where the neighbouring pages are.
    pub(crate) page: Page,
}

impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let rows = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("data", rows)
            .required("data")
            .property("page", Ref::from_schema_name(Page::name()))
            .required("page")
            .into()
    }
}

/// Written by hand, since the derived one would copy the rows' schema into each list instead of naming it.
impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(found: &mut Vec<(String, RefOr<Schema>)>) {
        found.push((T::name().into_owned(), T::schema()));
        T::schemas(found);
        found.push((Page::name().into_owned(), Page::schema()));
    }
}

/// Where the neighbouring pages are; pass one as `cursor`.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Page {
    /// The page after this one; null on the last.
    pub(crate) next: Option<String>,
    /// The page before this one; null on the first, and in lists that are only read forward.
    pub(crate) prev: Option<String>,
}

/// How many rows a call asks for.
pub(crate) fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let rows = asked.map_or(PAGE_DEFAULT, |rows| rows as usize);
    if !(1..=PAGE_MAX).contains(&rows) {
        let detail = format!("limit must be 1 to {PAGE_MAX}");
        return Err(Problem::field(
            Code::InvalidRequest,
            "/limit",
            "range",
            detail,
        ));
    }
    Ok(rows)
}

/// A cursor for a place in one kind of list.
pub(crate) fn cursor(list: &str, place: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{place}"))
}

/// The place that a cursor names; `None` without one.
pub(crate) fn place<T>(
    list: &str,
    cursor: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(list)?.strip_prefix(':').and_then(&read))
        .map(Some)
        .ok_or_else(|| {
            Problem::field(
                Code::InvalidRequest,
                "/cursor",
                "format",
                "not a cursor of this list",
            )
        })
}

/// A page by count, for lists whose order cannot be named by a row (searches).
pub(crate) struct Skip {
    list: &'static str,
    /// Rows left out before the page.
    pub(crate) offset: usize,
    /// Rows of the page.
    pub(crate) limit: usize,
}

impl Skip {
    /// What a call asks for.
    pub(crate) fn read(
        list: &'static str,
        asked: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let offset = place(list, cursor, |text| {
            text.parse().ok().filter(|offset| *offset <= SKIP_MAX)
        })?;
        Ok(Self {
            list,
            offset: offset.unwrap_or(0),
            limit: limit(asked)?,
        })
    }

    /// The page, from rows of which one more than `limit` was read if there is one.
    pub(crate) fn page<T>(self, mut rows: Vec<T>) -> List<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = self.offset + self.limit;
        let prev = self.offset.saturating_sub(self.limit);
        let page = Page {
            next: (more && next <= SKIP_MAX).then(|| cursor(self.list, next)),
            prev: (self.offset > 0).then(|| cursor(self.list, prev)),
        };
        List { data: rows, page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let at = cursor("users", 7);
        let read = |list, cursor: &str| place(list, Some(cursor), |text| text.parse::<u32>().ok());
        assert_eq!(read("users", &at).unwrap(), Some(7));
        for (list, cursor) in [
            ("rooms", at.as_str()),
            ("users", "!!"),
            ("users", ""),
            ("users", &cursor("users", "x")),
        ] {
            assert_eq!(read(list, cursor).unwrap_err().errors[0].pointer, "/cursor");
        }
    }

    #[test]
    fn pages_by_count_meet_without_a_hole_and_without_a_twin() {
        let all: Vec<u32> = (0..25).collect();
        let (mut seen, mut at) = (Vec::new(), None);
        loop {
            let skip = Skip::read("n", Some(10), at.as_deref()).unwrap();
            let rows = all
                .iter()
                .skip(skip.offset)
                .take(skip.limit + 1)
                .copied()
                .collect();
            let list = skip.page(rows);
            seen.extend(list.data);
            at = list.page.next;
            if at.is_none() {
                assert!(list.page.prev.is_some());
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        for wrong in [0, 101, u32::MAX] {
            assert_eq!(limit(Some(wrong)).unwrap_err().errors[0].pointer, "/limit");
        }
        assert_eq!(limit(None).unwrap(), PAGE_DEFAULT);
    }
}
