//! What the outside sees and sends.

use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::dc09::Scheme;
use crate::pack::{Class, KindDef, Policy};

/// Kinds of signals and the rules of verification, with how sure they are.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelCatalogue)]
pub struct Catalogue {
    /// The rules now.
    pub policy: Option<Policy>,
    /// Kinds.
    pub kinds: Vec<KindDef>,
    /// Whether the receiver listens.
    pub receiving: bool,
}

/// A detector or part of premises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PanelZone)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Number as the panel tells it (`015`).
    pub zone: String,
    /// Name.
    pub name: String,
    /// Where it is (`tầng 2`).
    #[serde(default)]
    pub place: String,
}

/// A drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PanelPlan)]
pub struct Plan {
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Media type.
    pub media_type: String,
    /// Name.
    pub name: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Somebody to call. Personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PanelContact)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// What they are there.
    #[serde(default)]
    pub role: String,
    /// Telephone.
    #[serde(default)]
    pub phone: String,
    /// Whether they hold a key.
    #[serde(default)]
    pub key: bool,
}

/// What only those who act may read; each reading is on record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PanelPrivate)]
#[serde(default, deny_unknown_fields)]
pub struct Private {
    /// People to call, in order.
    pub contacts: Vec<Contact>,
    /// Where keys lie, codes of gates.
    pub keys: String,
}

/// Premises as they are handed in.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelPremisesInput)]
#[serde(deny_unknown_fields)]
pub struct PremisesInput {
    /// Version seen, for a change; absent for new premises.
    pub version: Option<i64>,
    /// Code, unique here.
    pub code: String,
    /// Name.
    pub name: String,
    /// What it is (`school`, `bank`, in the office's own words).
    #[serde(default)]
    pub kind: String,
    /// Address.
    pub address: String,
    /// Commune code; found by the place when absent.
    pub commune: Option<String>,
    /// Place.
    pub location: Option<Point>,
    /// Unit that answers for it; found by the commune when absent.
    pub unit: Option<String>,
    /// What is dangerous there.
    #[serde(default)]
    pub hazards: String,
    /// Water for fire fighting.
    #[serde(default)]
    pub water: String,
    /// How to get there and in.
    #[serde(default)]
    pub approach: String,
    /// Detectors.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// People to call and keys; absent: as before.
    pub private: Option<Private>,
}

/// Premises in a list and on the map.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelPremisesRow)]
pub struct PremisesRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Address.
    pub address: String,
    /// Commune.
    pub commune: Option<UnitRef>,
    /// Unit that answers.
    pub unit: Option<UnitRef>,
    /// Place.
    pub location: Option<Point>,
    /// Open signals.
    pub open: u32,
    /// The worst of them.
    pub worst: Option<Severity>,
    /// Whether one of them is confirmed.
    pub confirmed: bool,
}

/// The premises file.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelPremises)]
pub struct PremisesView {
    /// As in the list.
    #[serde(flatten)]
    pub row: PremisesRow,
    /// Dangers.
    pub hazards: String,
    /// Water.
    pub water: String,
    /// How to get there.
    pub approach: String,
    /// Detectors.
    pub zones: Vec<Zone>,
    /// Drawings.
    pub plans: Vec<Plan>,
    /// Panels and buttons there.
    pub accounts: Vec<AccountRow>,
    /// Its score of false alarms.
    pub score: Score,
    /// Last change.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Version.
    pub version: i64,
}

/// How often premises cried wolf.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelScore)]
pub struct Score {
    /// Points.
    pub points: f64,
    /// Whether these are so many that it stands in the list.
    pub chronic: bool,
    /// Days looked back.
    pub days: u32,
    /// Alarm signals in them.
    pub alarms: u32,
    /// Found to be false.
    pub wrong: u32,
    /// Neither confirmed nor judged, and over.
    pub unconfirmed: u32,
    /// Repetitions of one detector.
    pub repeats: u32,
}

/// Premises with their score.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelOffender)]
pub struct Offender {
    /// Premises.
    pub premises: UnitRef,
    /// Code.
    pub code: String,
    /// Score.
    pub score: Score,
}

/// A path from panel to receiver.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelPath)]
pub struct PathView {
    /// `primary` or `backup`.
    pub path: String,
    /// Seconds within which a sign of life must come; 0: not supervised.
    pub supervision: u32,
    /// Last sign of life.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// Since when it is lost.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lost_at: Option<Timestamp>,
}

/// A panel.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelAccount)]
pub struct AccountRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Whose codes it speaks.
    pub scheme: Scheme,
    /// Account number, or URN of the button.
    pub account: String,
    /// Name.
    pub name: String,
    /// Premises.
    pub premises: Option<UnitRef>,
    /// Length of its key in bits; absent: plain messages.
    pub key_bits: Option<u32>,
    /// Paths.
    pub paths: Vec<PathView>,
    /// Line prefix by which the backup path is known.
    pub backup_line: Option<String>,
    /// Seconds that its clock may be behind; absent: as the policy says.
    pub clock_past: Option<u32>,
    /// Seconds that it may be ahead.
    pub clock_ahead: Option<u32>,
    /// Until when it is in maintenance.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub maintenance_until: Option<Timestamp>,
    /// Why.
    pub maintenance_why: Option<String>,
    /// Whether it is listened to.
    pub active: bool,
    /// How its clock stood against ours last, seconds (ahead is positive).
    pub drift: Option<i64>,
    /// Messages that were not taken since the program began, by reason.
    pub refused: Vec<Refusal>,
    /// Version.
    pub version: i64,
}

/// Messages that were not taken.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelRefusal)]
pub struct Refusal {
    /// Why: `clock`, `key`, `plain`, `form`, `rate`, `inactive`, `account`.
    pub why: String,
    /// How many.
    pub n: u64,
    /// Last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A panel as it is handed in.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelAccountInput)]
#[serde(deny_unknown_fields)]
pub struct AccountInput {
    /// Version seen, for a change.
    pub version: Option<i64>,
    /// 3 to 16 hexadecimal digits, or the URN of a thing of the city model.
    pub account: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Premises.
    #[schema(value_type = Option<String>)]
    pub premises: Option<Uuid>,
    /// Seconds that its clock may be behind; absent: as the policy says.
    pub clock_past: Option<u32>,
    /// Seconds that it may be ahead.
    pub clock_ahead: Option<u32>,
    /// Seconds between signs of life; 0: not supervised; absent: as the policy says.
    pub supervision: Option<u32>,
    /// Line prefix by which the backup path is known.
    pub backup_line: Option<String>,
    /// Seconds between signs of life on the backup path; absent: not supervised.
    pub backup_supervision: Option<u32>,
    /// Whether it is listened to.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = PanelKeyForm)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// 32, 48 or 64 hexadecimal digits.
    Hex,
    /// 16, 24 or 32 letters, taken as bytes.
    Text,
}

/// A new key, or none.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelKeyInput)]
#[serde(deny_unknown_fields)]
pub struct KeyInput {
    /// How it is written.
    pub form: Option<KeyForm>,
    /// The key; absent: plain messages from now on.
    pub key: Option<String>,
}

/// Maintenance with an end.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelMaintenance)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceInput {
    /// Until when; absent: it ends now.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An account that nobody registered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelStranger)]
pub struct Stranger {
    /// Account told.
    pub account: String,
    /// From where.
    pub address: String,
    /// How many messages since the program began.
    pub n: u64,
    /// First.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// Last.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
}

/// A signal in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelSignal)]
pub struct SignalRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Account number.
    pub account: String,
    /// Premises.
    pub premises: Option<UnitRef>,
    /// Address.
    pub address: String,
    /// Place.
    pub location: Option<Point>,
    /// Commune.
    pub commune: Option<UnitRef>,
    /// Kind code.
    pub kind: String,
    /// What the kind asks for.
    pub class: Class,
    /// Urgency.
    pub severity: Severity,
    /// Whose code.
    pub scheme: Scheme,
    /// Code told.
    pub code: String,
    /// Part.
    pub area: String,
    /// Detector; `primary` or `backup` for a lost path.
    pub zone: String,
    /// Its name in the premises file.
    pub zone_name: Option<String>,
    /// The panel's words.
    pub words: String,
    /// First message.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Last message.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// How often it was told again.
    pub repeats: u32,
    /// Since when it is confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub confirmed_at: Option<Timestamp>,
    /// By what: `at-once`, `two`, or a person.
    pub confirmed_why: Option<String>,
    /// Since when it is over at the panel.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub restored_at: Option<Timestamp>,
    /// When somebody took note.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acked_at: Option<Timestamp>,
    /// Who.
    pub acked_by: Option<String>,
    /// What it was: `real`, `false`, `test`.
    pub verdict: Option<String>,
    /// Whether it still stands.
    pub open: bool,
    /// Version.
    pub version: i64,
}

/// A message of a signal.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelMessage)]
pub struct MessageRow {
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The panel's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub told_at: Option<Timestamp>,
    /// Sequence number.
    pub sequence: i64,
    /// Path it came by.
    pub path: String,
    /// Whose code.
    pub scheme: Scheme,
    /// Code.
    pub code: String,
    /// Its name.
    pub code_name: Option<String>,
    /// Its name in English.
    pub code_name_en: Option<String>,
    /// What it did.
    pub phase: String,
    /// Part.
    pub area: String,
    /// Detector.
    pub zone: String,
    /// Words.
    pub words: String,
    /// Whether the panel was in maintenance.
    pub maintenance: bool,
}

/// A signal whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PanelSignalView)]
pub struct SignalView {
    /// As in the list.
    #[serde(flatten)]
    pub row: SignalRow,
    /// Who judged it.
    pub verdict_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verdict_at: Option<Timestamp>,
    /// Why.
    pub verdict_why: Option<String>,
    /// The signal that confirmed it.
    #[schema(value_type = Option<String>)]
    pub confirmed_with: Option<Uuid>,
    /// The alarm of the rules it came from, for buttons of the city model.
    #[schema(value_type = Option<String>)]
    pub alarm: Option<Uuid>,
    /// Its messages, newest first, at most 100.
    pub messages: Vec<MessageRow>,
}

/// Which signals.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignalQuery {
    /// `open` (default), `closed` or `all`.
    pub state: Option<String>,
    /// `alarm`, `trouble`.
    pub class: Option<String>,
    /// Premises id.
    #[param(value_type = Option<String>)]
    pub premises: Option<Uuid>,
    /// Rows wanted.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Which premises or accounts.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindQuery {
    /// Words of name, code or address (without diacritics too).
    pub q: Option<String>,
    /// Rows wanted.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Taking note.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelAck)]
#[serde(deny_unknown_fields)]
pub struct AckInput {
    /// Version seen.
    pub version: i64,
}

/// A judgement.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = PanelVerdict)]
#[serde(deny_unknown_fields)]
pub struct VerdictInput {
    /// Version seen.
    pub version: i64,
    /// `confirm` (it goes on), or `real`, `false`, `test` (it is over).
    pub verdict: String,
    /// Why; needed for all but `real`.
    #[serde(default)]
    pub reason: String,
}

/// Figures of now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelBoard)]
pub struct Board {
    /// Open alarm signals.
    pub alarms: u32,
    /// Of these confirmed.
    pub confirmed: u32,
    /// Of these nobody took note of.
    pub waiting: u32,
    /// Open troubles.
    pub troubles: u32,
    /// Paths lost.
    pub lost: u32,
    /// Panels in maintenance.
    pub maintenance: u32,
    /// Panels listened to.
    pub panels: u32,
    /// Seconds from message to somebody taking note, 90 of 100 alarm signals of the policy's days.
    pub noted_p90: Option<u32>,
}

/// What became of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelImport)]
pub struct Import {
    /// Rows read.
    pub read: u32,
    /// New premises.
    pub added: u32,
    /// Changed.
    pub changed: u32,
    /// Panels registered.
    pub accounts: u32,
    /// Rows not used.
    pub rejected: u32,
    /// Why, for the first 50.
    pub rejects: Vec<Reject>,
}

/// A row that was not used.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PanelReject)]
pub struct Reject {
    /// Line.
    pub line: u64,
    /// Code of the premises.
    pub premises: String,
    /// Error code.
    pub code: String,
    /// In words.
    pub detail: String,
}
