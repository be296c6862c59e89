//! Rules over a store, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod air;
mod delays;
mod life;
mod pack;
mod races;
mod rig;
mod system;
mod then;
