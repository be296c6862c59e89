//! The kernel from outside: the working calendar against a slow reckoner, workflow checks, geometry.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod calendar;
mod classify;
mod flow;
mod geo;
