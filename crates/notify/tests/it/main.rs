//! The domain from outside: what happened goes in, what a mail server and a push service get comes out.

mod sending;
mod sinks;
