//! The domain from outside: what happened goes in, what a mail server and a push service get comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod sending;
mod sinks;
