//! What `access` keeps and shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use dothi_kernel::calendar::DayKind;
use dothi_kernel::{CallerKind, Permission, Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Administrative area or organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnitKind {
    /// Province, district (until 2025), commune, …
    Area,
    /// People's committee, department, centre, …
    Organisation,
}

impl UnitKind {
    pub(crate) fn code(self) -> &'static str {
        match self {
            UnitKind::Area => "area",
            UnitKind::Organisation => "organisation",
        }
    }
}

/// One version of a unit: how it stood in law from `valid_from` until `valid_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unit {
    /// Code of the area, or id of the organisation.
    pub id: String,
    /// Area or organisation.
    pub kind: UnitKind,
    /// `province`, `commune`, `department`, … as the pack says.
    pub level: String,
    /// Full name in Vietnamese.
    pub name: String,
    /// Name in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_en: Option<String>,
    /// Unit above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The area an organisation answers for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// What an organisation answers for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// First day it stands so (`2025-07-01`).
    pub valid_from: String,
    /// First day it no longer does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    /// Act that made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_act: Option<String>,
    /// `act`: the first day is that of an act; `list`: it is only known from published lists.
    pub dates: String,
}

impl Unit {
    pub(crate) fn reference(&self) -> UnitRef {
        UnitRef { id: self.id.clone(), name: self.name.clone() }
    }

    pub(crate) fn valid_on(&self, day: &str) -> bool {
        self.valid_from.as_str() <= day && self.valid_to.as_deref().is_none_or(|to| day < to)
    }
}

/// Old unit → new unit on a day; many to many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Succession {
    pub old: String,
    pub new: String,
    pub date: String,
    pub kind: String,
    pub share: Option<f64>,
    pub source_act: Option<String>,
}

/// A unit before or after another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Related {
    /// Unit id.
    pub id: String,
    /// Its full name at that time.
    pub name: String,
    /// `merge`, `split`, `rename`, `retype`, `recode` or `unchanged`.
    pub kind: String,
    /// Day of the change.
    pub date: String,
    /// Part of the old unit that went there, 0 to 1, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// A unit with its history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UnitHistory {
    /// As it stands now, or stood last.
    pub unit: Unit,
    /// All versions, oldest first.
    pub versions: Vec<Unit>,
    /// What it came from.
    pub predecessors: Vec<Related>,
    /// What became of it.
    pub successors: Vec<Related>,
}

/// An area found by an old or new name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Found {
    /// Code it had or has.
    pub code: String,
    /// The name that was found.
    pub name: String,
    /// Level.
    pub level: String,
    /// First day of a name of the past that no longer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The areas of today that it is, or became part of.
    pub current: Vec<AreaRef>,
}

/// An area by code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct AreaRef {
    /// Code.
    pub code: String,
    /// Full name.
    pub name: String,
}

/// What a role covers at the unit it is given at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// The unit, the organisations below it and the areas it answers for.
    Below,
    /// Every organisation and area inside the unit's area.
    Area,
    /// Everything.
    All,
}

/// A bundle of permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What it covers.
    pub reach: Reach,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
}

/// A role with its code.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleView {
    /// Code.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What it covers.
    pub reach: Reach,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
}

/// A role given to a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GrantView {
    /// Grant id.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// Role code.
    pub role: String,
    /// Role's name.
    pub role_name: String,
    /// Unit it was given at.
    pub unit: UnitRef,
    /// Sectors; absent = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sectors: Option<BTreeSet<String>>,
}

/// Who the caller is, for the caller's own eyes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Me {
    /// Anonymous, citizen, staff or program.
    pub kind: CallerKind,
    /// Person's or program's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub id: Option<Uuid>,
    /// Name to greet with.
    pub name: String,
    /// Login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Send it as `X-CSRF-Token` with every unsafe request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    /// Everything allowed somewhere.
    pub permissions: BTreeSet<Permission>,
    /// Roles held.
    pub grants: Vec<GrantView>,
    /// The province this installation serves.
    pub home: AreaRef,
}

/// A person in office, for those who manage people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Person {
    /// Id.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// Login.
    pub login: String,
    /// Name.
    pub name: String,
    /// Whether the person may sign in.
    pub active: bool,
    /// Roles held.
    pub grants: Vec<GrantView>,
}

/// Citizen or person in office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PersonKind {
    /// Without office; signs in with a phone number or e-mail address.
    Citizen,
    /// In office.
    Staff,
}

impl PersonKind {
    pub(crate) fn code(self) -> &'static str {
        match self {
            PersonKind::Citizen => "citizen",
            PersonKind::Staff => "staff",
        }
    }
}

/// Somebody to be entered. Holds personal data: never logged, never in events.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// Login of a person in office, or a citizen's phone number or e-mail address.
    pub login: String,
    /// Name.
    pub name: String,
    /// Password.
    pub password: String,
}

/// A role to be given.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// Role code.
    pub role: String,
    /// Unit id.
    pub unit: String,
    /// Sectors; absent = all.
    #[serde(default)]
    pub sectors: Option<BTreeSet<String>>,
}

/// A token to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for (`gateway-1`); stands in the audit log.
    pub name: String,
    /// What it allows; never more than its maker holds at the time of use.
    pub permissions: BTreeSet<Permission>,
    /// When it ends; absent = the longest life allowed.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A token as its maker sees it later.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Token {
    /// Id.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

/// A new token with its secret, shown this once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TokenWithSecret {
    /// The token.
    pub token: Token,
    /// Send it as `Authorization: Bearer …`. It cannot be shown again.
    pub secret: String,
}

/// What a request brought to say who it comes from.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// The session cookie's value.
    Session(String),
    /// A bearer token's secret.
    Bearer(String),
}

/// A fresh session.
#[derive(Clone)]
pub struct SignedIn {
    /// Who.
    pub me: Me,
    /// The session cookie's value.
    pub session: String,
    /// The cookie's life.
    pub idle: std::time::Duration,
}

/// Outline of an area as loaded.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub area: String,
    pub level: String,
    /// How far the simplified line may lie from the true one, degrees.
    pub tolerance: f64,
    /// GeoJSON geometry as text, sent out unchanged.
    pub geometry: Arc<str>,
}

/// A day off or a weekend day worked, with how far it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// The date.
    pub date: String,
    /// `off` or `work`.
    #[schema(value_type = String)]
    pub kind: DayKind,
    /// What it is, in Vietnamese.
    pub name: String,
    /// How far it is known.
    pub status: DayStatus,
    /// Whether the working calendar uses it.
    #[serde(default = "yes")]
    pub counts: bool,
}

fn yes() -> bool {
    true
}

/// How far a special day is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DayStatus {
    /// Seen in the yearly notice.
    Official,
    /// From a software package, not checked against the notice.
    Package,
    /// Follows from the law and the lunar calendar.
    Computed,
    /// Proposed, not decided.
    Proposal,
    /// Reported; legal basis not confirmed.
    Unconfirmed,
}
