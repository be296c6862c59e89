//! The whole platform in one process: wiring, router, reactions, live stream and command line.

pub mod assets;
pub mod city;
pub mod demo;
mod demo_dossiers;
mod demo_incidents;
mod demo_panels;
mod demo_roads;
mod demo_traffic;
mod demo_video;
pub mod doctor;
pub mod health;
pub mod history;
pub mod http;
pub mod imports;
pub mod live;
pub mod matters;
pub mod measures;
pub mod reactions;
pub mod settings;
mod tls;
pub mod traffic;
pub mod views;
pub mod wall;
pub mod word;

pub use city::City;
pub use settings::Settings;
