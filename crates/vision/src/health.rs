//! Whether a camera still shows what it should: frozen, dark, blinded, blurred, turned away.
//!
//! [`look`] makes a few figures of a frame; [`Watch`] judges them over time against a [`Policy`] and the view it remembers. No
//! threshold stands here: a pack gives the policy.

mod look;
mod watch;

pub use look::{Look, look, look_outside};
pub use watch::{Keep, Policy, State, View, Watch};
