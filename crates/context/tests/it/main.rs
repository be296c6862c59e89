//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::type_complexity)]

mod devices;
mod mqtt;
mod rig;
mod api;
mod entities;
mod finding;
mod forms;
mod journal;
mod models;
mod properties;
mod seeing;
mod telling;
