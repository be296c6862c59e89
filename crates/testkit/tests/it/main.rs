//! Walks through whole cities.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access_matrix;
mod drop;
mod faults;
mod forwarding;
mod history;
mod incidents;
mod live;
mod livemap;
mod mqtt;
mod roads;
#[path = "../../../notify/tests/it/sinks.rs"]
#[allow(dead_code)] // The whole of it is used where it lives.
mod sinks;
mod traffic;
mod video;
mod walks;
mod walls;
mod word;
