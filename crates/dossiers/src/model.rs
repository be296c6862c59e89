//! What goes over the wire.

use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::pack::{Mark, Numbered, Phase, Policy, Procedure, StateDef};

/// A number of the national set, or the source's own word for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Word {
    /// A number.
    Number(u32),
    /// A word.
    Text(String),
}

/// A time during which the dossier waited for the citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Supplement {
    /// Asked for.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Brought; none while it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// It is a payment that is waited for: the clock stands, but it is no request for a supplement.
    #[serde(default)]
    pub payment: bool,
}

/// A dossier as its source tells it now. What is left out is not known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DossierInput {
    /// Code of the dossier.
    pub code: String,
    /// Code of the procedure.
    pub procedure: String,
    /// Agency: an organisation here, or the source's code of it.
    pub unit: String,
    /// Commune it concerns.
    #[serde(default)]
    pub commune: Option<String>,
    /// Channel.
    #[serde(default)]
    pub channel: Option<Word>,
    /// State.
    pub state: Word,
    /// Since when it is in that state.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub state_at: Option<Timestamp>,
    /// Handed in.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub registered_at: Option<Timestamp>,
    /// Received in order.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// Date of return that the source gave.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub appointed_at: Option<Timestamp>,
    /// Result made.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Result handed over.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub returned_at: Option<Timestamp>,
    /// Every time it waited for the citizen; left out when the source does not tell.
    #[serde(default)]
    pub supplements: Option<Vec<Supplement>>,
    /// Fee in đồng.
    #[serde(default)]
    pub fee: Option<i64>,
    /// Paid.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub paid_at: Option<Timestamp>,
    /// Paid online.
    #[serde(default)]
    pub paid_online: Option<bool>,
    /// The result is an electronic document.
    #[serde(default)]
    pub electronic_result: Option<bool>,
    /// Its papers were digitised.
    #[serde(default)]
    pub digitised: Option<bool>,
    /// Papers digitised before were used again.
    #[serde(default)]
    pub reused: Option<bool>,
    /// Name of the applicant.
    #[serde(default)]
    pub applicant: Option<String>,
    /// Telephone number; nothing of it is kept but a keyed hash of its last digits.
    #[serde(default)]
    pub phone: Option<String>,
    /// When the source last changed the record.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
}

/// Dossiers of a source.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandIn {
    /// Source whose words are used; left out when the words are ours.
    #[serde(default)]
    pub source: Option<String>,
    /// At most 5,000 of them.
    pub dossiers: Vec<DossierInput>,
}

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DossierReject)]
pub struct Reject {
    /// Line of the file, or position in the request, from 1.
    pub line: u64,
    /// Code of the dossier, as far as it was read.
    pub dossier: String,
    /// Code of the reason.
    pub code: String,
    /// The reason.
    pub detail: String,
}

/// What became of records handed in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outcome {
    /// Read.
    pub read: u64,
    /// New.
    pub added: u64,
    /// Known and changed.
    pub changed: u64,
    /// Known in the same words.
    pub unchanged: u64,
    /// Told with an earlier `updated_at` than is known.
    pub older: u64,
    /// Not usable.
    pub rejected: u64,
    /// The first 200 that were not usable.
    pub rejects: Vec<Reject>,
}

/// The rules of deadlines that hold now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PolicyView {
    /// What comes after it came on the next working day (`16:00`).
    pub cutoff: String,
    /// Whether the day of receipt counts.
    pub counts_first_day: bool,
    /// Working days before the deadline from which it is due soon.
    pub soon_days: u32,
    /// Requests for supplements that are in order.
    pub supplements: u32,
    /// Times that a new date may be given.
    pub slips: u32,
    /// Whether a new date moves the deadline.
    pub slip_moves_deadline: bool,
    /// Where each rule stands and how far it is known.
    pub marks: Vec<Mark>,
}

impl PolicyView {
    pub(crate) fn of(p: &Policy) -> Self {
        Self {
            cutoff: p.cutoff.strftime("%H:%M").to_string(),
            counts_first_day: p.counts_first_day,
            soon_days: p.soon_days,
            supplements: p.supplements,
            slips: p.slips,
            slip_moves_deadline: p.slip_moves_deadline,
            marks: p.marks.clone(),
        }
    }
}

/// What the screens need to know before any dossier.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Catalogue {
    /// Rules of deadlines.
    pub policy: Option<PolicyView>,
    /// States.
    pub states: Vec<StateDef>,
    /// Channels.
    pub channels: Vec<Numbered>,
    /// Procedures.
    pub procedures: Vec<Procedure>,
    /// Sources that files may come from.
    pub sources: Vec<UnitRef>,
}

/// Which board.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BoardQuery {
    /// `unit` (the default), `commune` or `procedure`.
    pub by: Option<String>,
    /// First month of receipt (`2026-01`); the present year's first when left out.
    pub from: Option<String>,
    /// Last month of receipt.
    pub to: Option<String>,
    /// Only this agency.
    pub unit: Option<String>,
    /// Only this procedure.
    pub procedure: Option<String>,
    /// Only this commune.
    pub commune: Option<String>,
}

/// Figures of one row. The first six are of the dossiers received in the period; the last four are of all that stand open now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Cell {
    /// Received.
    pub received: i64,
    /// Of these, online.
    pub online: i64,
    /// Of these, ended.
    pub ended: i64,
    /// Of these, late: after the deadline, or more supplements asked for than are in order.
    pub late: i64,
    /// Share of those received that is not late, per cent; none without any.
    pub on_time: Option<f64>,
    /// Working days that half of those ended took at most, in half-days; none without any.
    pub median_days: Option<f64>,
    /// Working days that nine tenths took at most.
    pub p90_days: Option<f64>,
    /// Open now.
    pub open: i64,
    /// Of these, waiting for the citizen.
    pub waiting: i64,
    /// Of these, due soon.
    pub soon: i64,
    /// Of these, overdue.
    pub overdue: i64,
}

/// A row of a board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BoardRow {
    /// Key: organisation, commune, procedure or month.
    pub key: String,
    /// Name.
    pub name: String,
    /// Figures.
    #[serde(flatten)]
    pub cell: Cell,
}

/// A board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Board {
    /// When it was so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What the rows are.
    pub by: String,
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// Until when a deadline counts as soon.
    #[schema(value_type = String, format = DateTime)]
    pub soon_until: Timestamp,
    /// All rows together.
    pub total: Cell,
    /// Rows, most overdue first.
    pub rows: Vec<BoardRow>,
    /// By month of receipt.
    pub months: Vec<BoardRow>,
}

/// Which dossiers.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `overdue`, `soon`, `open`, `waiting`, `late`, `ended` or `all` (the default).
    pub what: Option<String>,
    /// Agency.
    pub unit: Option<String>,
    /// Procedure.
    pub procedure: Option<String>,
    /// Commune; `-` for none.
    pub commune: Option<String>,
    /// Month of receipt.
    pub month: Option<String>,
    /// Beginning of a dossier's code.
    pub code: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A dossier in a list. No word about the applicant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DossierRow {
    /// Code.
    pub code: String,
    /// Procedure.
    pub procedure: String,
    /// Name of the procedure, or its code when it is not known here.
    pub procedure_name: String,
    /// Agency.
    pub unit: UnitRef,
    /// Commune, if one is known.
    pub commune: Option<UnitRef>,
    /// State of the national set.
    pub state: u32,
    /// What it means for the clock; none for a state that no pack declares any more.
    pub phase: Option<Phase>,
    /// Channel.
    pub channel: u32,
    /// Received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// Deadline.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// Ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Waits for the citizen since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// Requests for supplements.
    pub supplements: u32,
    /// New date promised by an apology slip.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub promised_at: Option<Timestamp>,
    /// `on-time`, `soon`, `waiting`, `overdue`, `ended-on-time`, `ended-late` or `not-received`.
    pub standing: String,
    /// Why it is late: `deadline` or `supplements`.
    pub late_why: Option<String>,
}

/// An entry of the history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogView {
    /// When it happened, as far as it is known.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When we learned of it.
    #[schema(value_type = String, format = DateTime)]
    pub noted_at: Timestamp,
    /// What changed: `seen`, `state`, `due`, `late`, `supplement`, `payment`, `ended`, `paid`, `slip`, `unit`, `procedure`, `commune`, `received`, `appointed`.
    pub kind: String,
    /// What it was.
    pub was: Option<String>,
    /// What it became.
    pub became: Option<String>,
    /// Who told us.
    pub by: String,
}

/// An apology slip.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SlipView {
    /// Number of the slip within the dossier.
    pub n: i64,
    /// Issued.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The deadline it apologises for.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub was_due_at: Option<Timestamp>,
    /// New date.
    #[schema(value_type = String, format = DateTime)]
    pub promised_at: Timestamp,
    /// Reason.
    pub reason: String,
    /// Who issued it.
    pub by: String,
}

/// A new date with an apology.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlipInput {
    /// Version of the dossier that was seen.
    pub version: i64,
    /// New date; the close of that working day.
    #[schema(value_type = String, format = Date)]
    pub day: jiff::civil::Date,
    /// Reason, 10 to 1,000 characters.
    pub reason: String,
}

/// A dossier in full, without the applicant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DossierView {
    /// As in lists.
    #[serde(flatten)]
    pub row: DossierRow,
    /// Version, for changes.
    pub version: i64,
    /// Source.
    pub source: String,
    /// Working days allowed; none when the procedure is not known here.
    pub days: Option<u32>,
    /// Steps of the procedure.
    pub steps: Vec<String>,
    /// Day that it counts as received on.
    #[schema(value_type = Option<String>, format = Date)]
    pub counts_from: Option<jiff::civil::Date>,
    /// Date of return that the source gave.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub appointed_at: Option<Timestamp>,
    /// Result made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Result handed over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub returned_at: Option<Timestamp>,
    /// Late since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub late_at: Option<Timestamp>,
    /// Working days it took, in half-days.
    pub took_days: Option<f64>,
    /// Times it waited for the citizen.
    pub waits: Vec<Supplement>,
    /// Fee in đồng.
    pub fee: i64,
    /// Paid.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub paid_at: Option<Timestamp>,
    /// Paid online.
    pub paid_online: bool,
    /// Apology slips.
    pub slips: Vec<SlipView>,
    /// History, newest first, at most 200 entries.
    pub log: Vec<LogView>,
    /// The caller may issue an apology slip.
    pub may_slip: bool,
    /// The caller may see the applicant's name.
    pub may_name: bool,
}

/// The applicant. Reading it is on record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApplicantView {
    /// Name, if the source gave one.
    pub name: Option<String>,
}
