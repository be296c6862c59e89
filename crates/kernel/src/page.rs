//! Every list is paged.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::micros;
use crate::{Error, Result, Timestamp};

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass as `after` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Number of all rows, when it was cheap to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// How a page is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

impl PageQuery {
    /// Rows to read, within bounds.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, 200) as usize
    }
}

impl<T> Page<T> {
    /// Makes a page of rows read with `limit + 1`; `key` gives the cursor of the last row kept.
    pub fn of(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next, total: None }
    }
}

/// How lists that go by an instant and an id write where a page ends: microseconds since 1970, a mark, the id. The mark must not be a
/// digit or a sign. A client may hold a `next` from before an update, so a list keeps the mark it has.
#[derive(Debug, Clone, Copy)]
pub struct Cursors(pub char);

impl Cursors {
    /// The cursor of a row, for [`Page::next`].
    pub fn write(self, at: Timestamp, id: impl Display) -> String {
        format!("{}{}{id}", at.as_microsecond(), self.0)
    }

    /// The instant and the id of a cursor; none when the text is not one.
    pub fn read<I: FromStr>(self, text: &str) -> Option<(Timestamp, I)> {
        let (at, id) = text.split_once(self.0)?;
        Some((micros(at.parse().ok()?), id.parse().ok()?))
    }

    /// [`Cursors::read`] of an `after`, if there is one. 400 `page.after`.
    pub fn after<I: FromStr>(self, after: Option<&str>) -> Result<Option<(Timestamp, I)>> {
        let bad = || Error::invalid("page.after", "`after` is not a cursor of this list.");
        after.map(|text| self.read(text).ok_or_else(bad)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Cursors;
    use crate::time::micros;

    proptest! {
        #[test]
        fn what_is_written_is_read(us in -2_000_000_000_000_000i64..5_000_000_000_000_000, id in any::<u128>(), code in "[A-Z0-9.:~-]{0,20}") {
            let (at, id) = (micros(us), Uuid::from_u128(id));
            for cursors in ['.', ':', '~'].map(Cursors) {
                prop_assert_eq!(cursors.read::<Uuid>(&cursors.write(at, id)), Some((at, id)));
                prop_assert_eq!(cursors.read::<String>(&cursors.write(at, &code)), Some((at, code.clone())));
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let id = Uuid::from_u128(7);
        assert_eq!(Cursors('~').write(micros(1_500_000), id), format!("1500000~{id}"));
        assert_eq!(Cursors('.').after::<Uuid>(None).unwrap(), None);
        for wrong in ["", "~", "1", "1.", "x.00000000-0000-0000-0000-000000000007", "1.7", "1~00000000-0000-0000-0000-000000000007"] {
            assert_eq!(Cursors('.').read::<Uuid>(wrong), None, "{wrong}");
            assert_eq!(Cursors('.').after::<Uuid>(Some(wrong)).unwrap_err().code(), "page.after", "{wrong}");
        }
    }
}
