//! Walks through whole cities.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access_matrix;
mod drop;
mod faults;
mod history;
mod live;
mod walks;
