//! Tests of the domain with the rules of pack `cameras`: over both engines what is stored, and over real sockets what is pulled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod devices;
mod peer;
mod registry;
mod rig;
