//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::type_complexity)]

mod api;
mod codecs;
mod commanding;
mod contexts;
mod converters;
mod details;
mod devices;
mod entities;
mod federating;
mod finding;
mod fleet;
mod folding;
mod forms;
mod importing;
mod joined;
mod journal;
mod livemap;
mod lorawan;
mod models;
mod mqtt;
mod mqtt_sessions;
mod mqtt_tls;
mod properties;
mod rig;
mod seeing;
mod sta;
mod telling;
mod temporal;
mod tenants;
