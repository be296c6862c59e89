//! What a machine can tell from pictures: decode them, hide parts, write on them, judge the camera's health, find and
//! count things. Pure functions over bytes and frames: no I/O, no clock, no database. Everything here takes processor
//! time; callers run it beside their asynchronous work.
//!
//! Places in a picture are fractions of its width and height (0..=1 from the upper left corner), so that they stay right
//! when a camera changes its resolution.

mod area;
mod colour;
mod count;
mod detect;
mod frame;
mod h264;
pub mod health;
mod shape;
mod stamp;

pub use count::{Anchor, Crossing, Line, LineCounter, Presence, PresenceKind, Track, Tracker, Tracking, ZoneCounter};
pub use detect::{Detector, DetectorKind, DetectorSpec, Found};
pub use frame::{Frame, Polygon};
pub use h264::{Decoder, Encoder};
