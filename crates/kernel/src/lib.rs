//! The words every other crate speaks: ids, time, values, places, callers, events, errors and workflow.
//!
//! Nothing here does I/O. Ports (`History`, `Directory`, `Measures`) are traits that `lake` and the domains
//! implement and `server` wires, so that a domain never imports another.

pub mod calendar;
pub mod caller;
pub mod classify;
pub mod error;
pub mod event;
pub mod flow;
pub mod form;
pub mod geo;
pub mod history;
pub mod http;
pub mod measure;
pub mod page;
pub mod places;
pub mod rank;
pub mod roads;
pub mod text;
pub mod time;
pub mod value;

pub use caller::{Caller, CallerKind, Grant, Permission, Scope};
pub use error::{Error, Kind, Result};
pub use event::{Event, EventRecord};
pub use form::Form;
pub use history::History;
pub use measure::{Evidence, Measure, Measures};
pub use page::{Cursors, Page, PageQuery};
pub use places::{Directory, PersonRef, Place, Staff, Things, UnitRef};
pub use time::{Clock, FakeClock, SystemClock, Timestamp};
pub use value::{Observation, Value};
