//! `access` from outside: units in time, sign-in, tokens, HTTP; on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fixture;
mod http;
mod people;
mod sign_in;
mod units;
