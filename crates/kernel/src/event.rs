//! What happened. One closed enum; written to the outbox in the transaction of the change, read by
//! `server/src/reactions.rs` and by the live stream. No event carries personal data.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Permission, Timestamp};

/// Scale of urgency, the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For knowledge only.
    Info,
    /// Look when there is time.
    Low,
    /// Act this shift.
    Medium,
    /// Act now.
    High,
    /// Life or large loss at stake.
    Critical,
}

/// Everything that can happen, in past tense, led by its noun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Entities came into being or changed. One event for a batch. Those of which only readings changed are told by
    /// [`Event::ObservationsAccepted`] alone.
    EntityChanged {
        /// URNs, at most 1 000 an event.
        entities: Vec<String>,
    },
    /// An entity was deleted.
    EntityDeleted {
        /// URN.
        entity: String,
    },
    /// A batch of observations became durable.
    ObservationsAccepted {
        /// Id of the pending batch.
        batch: Uuid,
        /// Rows in it.
        count: u32,
    },
    /// An alarm rose (or rose again).
    AlarmRaised {
        /// Alarm id.
        alarm: Uuid,
        /// Rule code.
        rule: String,
        /// Entity URN it is about.
        entity: String,
        /// Severity.
        severity: Severity,
        /// Commune code, when known.
        area: Option<String>,
    },
    /// An operator took note.
    AlarmAcknowledged {
        /// Alarm id.
        alarm: Uuid,
    },
    /// The condition went away.
    AlarmCleared {
        /// Alarm id.
        alarm: Uuid,
    },
    /// Acknowledged and cleared: the alarm is over.
    AlarmClosed {
        /// Alarm id.
        alarm: Uuid,
    },
    /// An alarm was set aside, came back, joined a group or was reset: lists that show it are out of date.
    AlarmChanged {
        /// Alarm id.
        alarm: Uuid,
    },
    /// A case came in.
    CaseOpened {
        /// Case id.
        case: Uuid,
        /// Public code.
        code: String,
        /// Case type (`report`).
        kind: String,
        /// Category code.
        category: String,
        /// Commune code.
        area: Option<String>,
        /// Handling unit after routing.
        unit: String,
    },
    /// A case moved from state to state.
    CaseMoved {
        /// Case id.
        case: Uuid,
        /// Public code.
        code: String,
        /// Move's name.
        step: String,
        /// State before.
        from: String,
        /// State after.
        to: String,
        /// Handling unit now.
        unit: String,
    },
    /// A case's answer became public.
    CaseAnswered {
        /// Case id.
        case: Uuid,
        /// Public code.
        code: String,
    },
    /// The reporter rated the answer.
    CaseRated {
        /// Case id.
        case: Uuid,
        /// Public code.
        code: String,
        /// 1 to 5.
        stars: u8,
    },
    /// A deadline is near (50, 80) or over (100).
    CaseDue {
        /// Case id.
        case: Uuid,
        /// Public code.
        code: String,
        /// Share of the working time used, per cent.
        percent: u16,
        /// Handling unit.
        unit: String,
    },
    /// A work order was given to a crew, or moved on.
    WorkMoved {
        /// Order id.
        order: Uuid,
        /// Its code.
        code: String,
        /// Move's name; `give` for a new one.
        step: String,
        /// State after.
        to: String,
        /// Unit whose crew has it.
        unit: String,
        /// The case it is about.
        case: Option<Uuid>,
    },
    /// A value was entered and waits for approval.
    ValueReported {
        /// Value id.
        value: Uuid,
        /// Indicator code.
        indicator: String,
    },
    /// A value counts from now on: approved by a second person or computed.
    ValueSettled {
        /// Value id.
        value: Uuid,
        /// Indicator set.
        set: String,
        /// Indicator code.
        indicator: String,
    },
    /// An incident was opened.
    IncidentOpened {
        /// Incident id.
        incident: Uuid,
        /// Its code.
        code: String,
        /// Type.
        kind: String,
        /// Severity.
        severity: Severity,
        /// Commune code, when known.
        area: Option<String>,
        /// Leading unit.
        unit: String,
        /// Whether it is a drill.
        drill: bool,
    },
    /// Something of an incident changed: a state, a step, a task, a dispatch, a line of its log.
    IncidentChanged {
        /// Incident id.
        incident: Uuid,
        /// Its code.
        code: String,
        /// What: a move's name, `log`, `step`, `task`, `dispatch`, `link`, `read`.
        what: String,
        /// State now.
        state: String,
        /// Leading unit.
        unit: String,
        /// Whether it is a drill.
        drill: bool,
    },
    /// Nobody took note in time: the next level is called.
    IncidentEscalated {
        /// Incident id.
        incident: Uuid,
        /// Its code.
        code: String,
        /// Level now, from 1.
        level: u32,
        /// Position that is called.
        position: String,
        /// Leading unit.
        unit: String,
        /// Whether it is a drill.
        drill: bool,
    },
    /// A public warning was issued, updated or cancelled.
    WarningIssued {
        /// Identifier of the CAP message.
        identifier: String,
        /// Whether it is an exercise.
        drill: bool,
    },
    /// A resource, a duty, an order or the shift changed.
    OperationsChanged {
        /// Which: `resource`, `duty`, `order`, `shift`, `procedure`, `warning`.
        what: String,
    },
    /// Somebody asked for a letter to their account's address: a new password, a confirmation.
    LetterAsked {
        /// The request's id.
        letter: Uuid,
    },
    /// A panel of premises told of fire, robbery or a fault: a signal began.
    PanelSignalled {
        /// Signal id.
        signal: Uuid,
        /// Premises id, when the panel belongs to some.
        premises: Option<Uuid>,
        /// Kind of signal (`fire`).
        kind: String,
        /// Severity.
        severity: Severity,
        /// Commune code, when known.
        area: Option<String>,
        /// Unit that answers for the premises; empty when there is none.
        unit: String,
    },
    /// A signal is confirmed: by its kind, by a second detector, or by a person.
    PanelConfirmed {
        /// Signal id.
        signal: Uuid,
        /// Premises id, when the panel belongs to some.
        premises: Option<Uuid>,
        /// Kind of signal.
        kind: String,
        /// Severity.
        severity: Severity,
        /// Commune code, when known.
        area: Option<String>,
        /// Unit that answers for the premises; empty when there is none.
        unit: String,
    },
    /// The panel says that it is over.
    PanelRestored {
        /// Signal id.
        signal: Uuid,
        /// Unit that answers for the premises; empty when there is none.
        unit: String,
    },
    /// Somebody on duty took note of a signal or judged it.
    PanelHandled {
        /// Signal id.
        signal: Uuid,
        /// `acknowledge`, `confirm`, `real`, `false` or `test`.
        step: String,
        /// Unit that answers for the premises; empty when there is none.
        unit: String,
    },
    /// A camera's picture became worse or better: it fell silent, froze, went dark, was turned, or is fine again.
    CameraHealthChanged {
        /// Camera id.
        camera: Uuid,
        /// State now (`fine`, `silent`, `frozen`, …).
        state: String,
        /// State before.
        before: String,
        /// Commune code, when known.
        area: Option<String>,
        /// Unit that owns the camera; empty when there is none.
        unit: String,
    },
    /// A detector counted: the figures become observations of the camera's thing.
    CameraCounted {
        /// Camera id.
        camera: Uuid,
        /// URN of the camera's thing.
        entity: String,
        /// Attributes and how many, at most 20.
        counts: Vec<(String, u32)>,
        /// Unit that owns the camera; empty when there is none.
        unit: String,
    },
    /// Something of a camera changed: lists that show it are out of date.
    CameraChanged {
        /// Camera id.
        camera: Uuid,
        /// What: `camera`, `export`, `hold`, `bookmark`.
        what: String,
        /// Unit that owns the camera; empty when there is none.
        unit: String,
    },
    /// A traffic incident began, was confirmed by its neighbours, ended, or was judged.
    TrafficIncident {
        /// Incident id.
        incident: Uuid,
        /// `begin`, `confirm`, `clear`, `real` or `false`.
        step: String,
        /// Unit that answers for the road; empty when there is none.
        unit: String,
    },
    /// A sign is to show something else.
    SignAsked {
        /// Sign id.
        sign: Uuid,
        /// The order's id; an older order of the sign counts no longer.
        order: Uuid,
    },
    /// Segments, signs, messages, works or the usual changed.
    TrafficChanged {
        /// Which: `network`, `sign`, `work`, `usual`, `route`, `roads`.
        what: String,
    },
    /// Organisations or areas changed.
    UnitsChanged,
    /// A pack was installed.
    PackInstalled {
        /// Pack name.
        pack: String,
    },
}

/// Who may see an event on the live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    Public,
    /// Holders of the permission (in the event's unit, where it names one).
    Holders(Permission),
    /// Nobody outside the process.
    Internal,
}

impl Event {
    /// Who may see it.
    pub fn audience(&self) -> Audience {
        match self {
            Event::EntityChanged { .. } | Event::EntityDeleted { .. } => Audience::Holders(Permission::AlarmRead),
            Event::ObservationsAccepted { .. } => Audience::Holders(Permission::AlarmRead),
            Event::AlarmRaised { .. }
            | Event::AlarmAcknowledged { .. }
            | Event::AlarmCleared { .. }
            | Event::AlarmClosed { .. }
            | Event::AlarmChanged { .. }
            | Event::PanelSignalled { .. }
            | Event::PanelConfirmed { .. }
            | Event::PanelRestored { .. }
            | Event::PanelHandled { .. } => Audience::Holders(Permission::AlarmRead),
            Event::TrafficIncident { .. } | Event::TrafficChanged { .. } => Audience::Holders(Permission::TrafficRead),
            Event::CaseOpened { .. } | Event::CaseMoved { .. } | Event::CaseDue { .. } | Event::WorkMoved { .. } => Audience::Holders(Permission::CaseRead),
            Event::CaseAnswered { .. } | Event::CaseRated { .. } => Audience::Public,
            Event::ValueReported { .. } | Event::ValueSettled { .. } => Audience::Holders(Permission::ScorecardRead),
            Event::IncidentOpened { .. } | Event::IncidentChanged { .. } | Event::IncidentEscalated { .. } | Event::OperationsChanged { .. } => {
                Audience::Holders(Permission::IncidentRead)
            }
            // Exercises are for those who take part; the public hears of what is real.
            Event::WarningIssued { drill, .. } => {
                if *drill {
                    Audience::Holders(Permission::IncidentRead)
                } else {
                    Audience::Public
                }
            }
            Event::CameraHealthChanged { .. } | Event::CameraCounted { .. } | Event::CameraChanged { .. } => Audience::Holders(Permission::CameraWatch),
            Event::LetterAsked { .. } | Event::SignAsked { .. } | Event::UnitsChanged | Event::PackInstalled { .. } => Audience::Internal,
        }
    }

    /// The unit whose matter it is, when it has one.
    pub fn unit(&self) -> Option<&str> {
        match self {
            Event::CaseOpened { unit, .. } | Event::CaseMoved { unit, .. } | Event::CaseDue { unit, .. } | Event::WorkMoved { unit, .. } => Some(unit),
            Event::PanelSignalled { unit, .. }
            | Event::PanelConfirmed { unit, .. }
            | Event::PanelRestored { unit, .. }
            | Event::PanelHandled { unit, .. }
            | Event::TrafficIncident { unit, .. }
            | Event::CameraHealthChanged { unit, .. }
            | Event::CameraCounted { unit, .. }
            | Event::CameraChanged { unit, .. } => (!unit.is_empty()).then_some(unit.as_str()),
            Event::IncidentOpened { unit, .. } | Event::IncidentChanged { unit, .. } | Event::IncidentEscalated { unit, .. } => Some(unit),
            _ => None,
        }
    }

    /// Its name on the wire (`case-opened`).
    pub fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map.get("event").and_then(|v| v.as_str()).unwrap_or("event").to_string(),
            _ => "event".to_string(),
        }
    }
}

/// An event as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Position; grows by one without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
