//! Who is connected, and what they may publish and subscribe to.

use std::net::IpAddr;
use std::sync::Arc;

use dothi_kernel::{Caller, CallerKind, Permission, Scope};
use mqtt_protocol_core::mqtt::packet::Qos;

use super::commanding::Ear;
use super::topics;
use crate::decode::Decoder;
use crate::devices::{Devices, Entry, Refusal};

/// Who is connected.
#[derive(Debug)]
pub(super) enum Principal {
    /// A registered device.
    Device(Arc<Entry>),
    /// A program, or an administrator on loopback.
    Program {
        /// As it was when it came; `now` and `request` are renewed for each message.
        caller: Caller,
        /// Its bearer token, to see later whether it still holds.
        token: Option<Arc<str>>,
    },
}

/// Where a message goes.
#[derive(Debug)]
pub(super) enum Route {
    /// Readings of a device.
    Up(Arc<Entry>),
    /// A device's answer to a command.
    Answer(Arc<Entry>),
    /// Readings of the device that the payload names.
    Named(Arc<Decoder>),
    /// An observation of SensorThings.
    Observation,
    /// To subscribers only.
    Relay,
}

impl Principal {
    /// Owner of its sessions: nobody can take over a session of another.
    pub(super) fn owner(&self) -> Arc<str> {
        match self {
            Principal::Device(entry) => format!("device:{}", entry.id).into(),
            Principal::Program { caller, .. } => format!("program:{}", caller.id.map_or_else(|| caller.name.to_string(), |id| id.to_string())).into(),
        }
    }

    /// The device, when it is one.
    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Principal::Device(entry) => Some(entry),
            Principal::Program { .. } => None,
        }
    }

    /// The caller of a change made now.
    pub(super) fn caller(&self, devices: &Devices, address: IpAddr) -> Caller {
        let clock = devices.clock();
        match self {
            Principal::Device(entry) => entry.caller(Some(address), clock),
            Principal::Program { caller, .. } => Caller { now: clock.now(), request: clock.id(), address: Some(address), ..caller.clone() },
        }
    }

    fn may(&self, permission: Permission) -> bool {
        match self {
            Principal::Device(_) => false,
            Principal::Program { caller, .. } => caller.may(permission, Scope::ANY),
        }
    }

    /// Where a message under `topic` goes, if it may be published at all.
    pub(super) fn route(&self, devices: &Devices, topic: &str) -> Result<Route, Refusal> {
        if !topics::valid_name(topic) {
            return Err(Refusal::Unknown);
        }
        if let Some(rest) = topic.strip_prefix("dev/") {
            let (id, sub) = rest.split_once('/').unwrap_or((rest, ""));
            return self.route_own(devices, id, sub);
        }
        if topic.starts_with(super::sensing::PREFIX) {
            return if self.may(Permission::ContextWrite) { Ok(Route::Observation) } else { Err(Refusal::NotAllowed) };
        }
        let found = devices.by_topic(topic);
        match (self, found) {
            (Principal::Device(entry), Some((decoder, id))) if decoder.profile.name == *entry.profile && id.as_deref().is_none_or(|id| id == &*entry.id) => {
                Ok(Route::Up(entry.clone()))
            }
            (Principal::Device(_), _) => Err(Refusal::NotAllowed),
            (_, Some(_)) if !self.may(Permission::ContextWrite) => Err(Refusal::NotAllowed),
            (_, Some((_, Some(id)))) => devices.entry(&id).map(Route::Up).ok_or(Refusal::Unknown),
            (_, Some((decoder, None))) => Ok(Route::Named(decoder)),
            // An administrator on this machine may use the broker as a plain one.
            (Principal::Program { caller, .. }, None) if caller.kind == CallerKind::System => Ok(Route::Relay),
            _ => Err(Refusal::Unknown),
        }
    }

    /// Topics under `dev/{id}/`.
    fn route_own(&self, devices: &Devices, id: &str, sub: &str) -> Result<Route, Refusal> {
        let command = sub == "down" || sub.starts_with("down/");
        match self {
            Principal::Device(entry) if *entry.id != *id || command => Err(Refusal::NotAllowed),
            Principal::Device(entry) if sub == "up" => Ok(Route::Up(entry.clone())),
            Principal::Device(entry) if sub == "ack" => Ok(Route::Answer(entry.clone())),
            Principal::Device(_) if sub.is_empty() => Err(Refusal::Unknown),
            Principal::Device(_) => Ok(Route::Relay),
            Principal::Program { .. } => {
                let needed = if command { Permission::DeviceManage } else { Permission::ContextWrite };
                if !self.may(needed) {
                    return Err(Refusal::NotAllowed);
                }
                let entry = devices.entry(id).filter(|_| !sub.is_empty()).ok_or(Refusal::Unknown)?;
                Ok(match sub {
                    "up" => Route::Up(entry),
                    "ack" => Route::Answer(entry),
                    _ => Route::Relay,
                })
            }
        }
    }

    /// Whether commands reach their device through what this client subscribes to at `qos`.
    pub(super) fn ear(&self, qos: Qos) -> Ear {
        match self {
            _ if qos == Qos::AtMostOnce => Ear::None,
            Principal::Device(_) => Ear::Own,
            Principal::Program { .. } if self.may(Permission::ContextWrite) => Ear::Gateway,
            Principal::Program { .. } => Ear::None,
        }
    }

    /// Whether it may subscribe to a well-formed filter.
    pub(super) fn may_subscribe(&self, filter: &str) -> bool {
        match self {
            Principal::Device(entry) => topics::covers(&format!("dev/{}/down/#", entry.id), filter),
            Principal::Program { .. } => self.may(Permission::ContextRead),
        }
    }
}
