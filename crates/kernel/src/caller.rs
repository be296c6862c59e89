//! Who is asking, and what they may do. `&Caller` is the first argument of every public domain method.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Error, Result, Timestamp};

/// Everything a person or program can be allowed to do. Roles (bundles of these) are data in packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Read entities and their history over the machine APIs.
    ContextRead,
    /// Create, change and delete entities.
    ContextWrite,
    /// Register and change devices.
    DeviceManage,
    /// Send commands to devices.
    DeviceCommand,
    /// See alarms.
    AlarmRead,
    /// Acknowledge and shelve alarms.
    AlarmHandle,
    /// See the cases of one's units in full, without the reporter's identity.
    CaseRead,
    /// Make the moves of a handler.
    CaseHandle,
    /// Make the moves of the centre: verify, assign, publish, redirect.
    CaseTriage,
    /// Approve answers.
    CaseApprove,
    /// Do the work orders given to a crew one belongs to.
    WorkDo,
    /// See who reported; every reading is logged.
    CaseIdentity,
    /// Hand in dossiers and procedures of one-stop systems.
    DossierWrite,
    /// See incidents, procedures, resources and the shift.
    IncidentRead,
    /// Open and lead incidents, run procedures, send resources, keep the shift's log.
    IncidentHandle,
    /// Approve procedures and public warnings of others; plan duties; step in for any role.
    IncidentApprove,
    /// Stamp the way of a resource one belongs to, from the phone.
    DispatchDo,
    /// See cameras and their live picture.
    CameraWatch,
    /// See what cameras recorded; each time with a reason.
    CameraReplay,
    /// Ask for a piece of a recording as a file; each time with a reason.
    CameraExport,
    /// Settle what others ask to export; hold pieces beyond their retention.
    CameraApprove,
    /// See pictures without their privacy masks.
    CameraUnmask,
    /// Register cameras, their streams, masks and detectors.
    CameraManage,
    /// Read who watched what.
    CameraAudit,
    /// See roads, their traffic, incidents, signs and works.
    TrafficRead,
    /// Judge traffic incidents, propose messages for signs, hand in works and events.
    TrafficHandle,
    /// Approve messages of others for signs; publish works and closures.
    TrafficApprove,
    /// Keep segments, detectors, signs and the road graph.
    TrafficManage,
    /// Enter indicator values.
    IndicatorReport,
    /// Approve indicator values of others.
    IndicatorApprove,
    /// See scorecards with evidence.
    ScorecardRead,
    /// Ask the lake by SQL.
    HistoryQuery,
    /// Manage people and their roles.
    PeopleManage,
    /// Manage organisations and administrative units.
    UnitsManage,
    /// See and install packs.
    PackManage,
    /// Read the audit log.
    AuditRead,
    /// See health, jobs and storage.
    SystemRead,
}

/// Where a question of permission is asked; `None` means "anywhere will do".
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// Organisation whose matter it is.
    pub unit: Option<&'a str>,
    /// Sector of the matter (pack name: `environment`).
    pub sector: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// No particular unit or sector.
    pub const ANY: Scope<'static> = Scope { unit: None, sector: None };
    /// The matter of one organisation.
    pub fn unit(unit: &'a str) -> Self {
        Self { unit: Some(unit), sector: None }
    }
    /// Narrows to a sector.
    pub fn sector(mut self, sector: &'a str) -> Self {
        self.sector = Some(sector);
        self
    }
}

/// A role given to a person or program, already expanded by `access`.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Role's code, for display.
    pub role: String,
    /// Organisation the role was given at.
    pub unit: String,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
    /// Organisations it covers (the unit and those below it); `None` = all.
    pub units: Option<Arc<BTreeSet<String>>>,
    /// Sectors it covers; `None` = all.
    pub sectors: Option<BTreeSet<String>>,
}

/// What kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallerKind {
    /// Nobody known.
    Anonymous,
    /// A signed-in person without office.
    Citizen,
    /// A person in office.
    Staff,
    /// A program with a bearer token.
    Program,
    /// The platform itself: jobs, reactions, import.
    System,
}

/// Who is asking, when, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Kind.
    pub kind: CallerKind,
    /// Person or program id; none for anonymous and system.
    pub id: Option<Uuid>,
    /// Name for logs of action: a login or program name, never a citizen's name or number.
    pub name: Arc<str>,
    /// What they may do.
    pub grants: Arc<[Grant]>,
    /// The instant of the request; all of its changes carry it.
    pub now: Timestamp,
    /// Id of the request, for logs and idempotency.
    pub request: Uuid,
    /// Network address, for limits and the audit log.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The platform itself; may do everything.
    pub fn system(name: &str, clock: &dyn crate::Clock) -> Self {
        Self { kind: CallerKind::System, id: None, name: name.into(), grants: Arc::new([]), now: clock.now(), request: clock.id(), address: None }
    }

    /// Nobody known.
    pub fn anonymous(clock: &dyn crate::Clock, address: Option<IpAddr>) -> Self {
        Self { kind: CallerKind::Anonymous, id: None, name: "anonymous".into(), grants: Arc::new([]), now: clock.now(), request: clock.id(), address }
    }

    /// Whether any grant allows `permission` within `scope`.
    pub fn may(&self, permission: Permission, scope: Scope<'_>) -> bool {
        self.kind == CallerKind::System
            || self.grants.iter().any(|g| {
                g.permissions.contains(&permission)
                    && scope.unit.is_none_or(|u| g.units.as_ref().is_none_or(|us| us.contains(u)))
                    && scope.sector.is_none_or(|s| g.sectors.as_ref().is_none_or(|ss| ss.contains(s)))
            })
    }

    /// [`Caller::may`] or the right error: 401 for nobody known, 403 for others.
    pub fn require(&self, permission: Permission, scope: Scope<'_>) -> Result<()> {
        if self.may(permission, scope) {
            Ok(())
        } else if self.kind == CallerKind::Anonymous {
            Err(Error::unauthenticated("access.sign-in-needed", "Sign in first."))
        } else {
            Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."))
        }
    }

    /// The person's id, or 401.
    pub fn person(&self) -> Result<Uuid> {
        self.id.ok_or_else(|| Error::unauthenticated("access.sign-in-needed", "Sign in first."))
    }

    /// Organisations over which `permission` is held: `None` = all of them, empty = none.
    pub fn units_with(&self, permission: Permission) -> Option<BTreeSet<String>> {
        if self.kind == CallerKind::System {
            return None;
        }
        let mut units = BTreeSet::new();
        for grant in self.grants.iter().filter(|g| g.permissions.contains(&permission)) {
            match &grant.units {
                None => return None,
                Some(us) => units.extend(us.iter().cloned()),
            }
        }
        Some(units)
    }
}
