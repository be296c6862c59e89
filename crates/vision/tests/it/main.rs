//! Tests over real clips of fixed cameras (`../shared/data/sets/camera-video`, CC BY 4.0), which are no part of the project: without
//! them those tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod counts;
mod detects;
mod frames;
mod health;
mod pictures;
mod rig;
