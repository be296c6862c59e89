//! Alarms as they stood at an instant, for the map: those that were open, in the state that the log had brought them to.

use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::model::AlarmState;
use crate::{Rules, tables_then};

/// Alarms of one answer.
const MOST: usize = 5_000;

/// Which instant.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThenQuery {
    /// RFC 3339; now when left out (without what is set aside now).
    pub time: Option<String>,
}

/// An alarm at an instant, in short.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlarmThen {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Severity.
    pub severity: Severity,
    /// State it was in.
    pub state: AlarmState,
    /// Entity URN.
    pub entity: String,
    /// Its name, or the URN.
    pub entity_name: String,
    /// When it rose.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// Where, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
}

/// Alarms that were open.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmsThen {
    /// Newest first.
    pub items: Vec<AlarmThen>,
    /// There were more than fit.
    pub truncated: bool,
}

impl Rules {
    /// Alarms that were open at an instant and that the caller may see; of a group the one that stands for it.
    pub async fn alarms_then(&self, caller: &Caller, query: &ThenQuery) -> Result<AlarmsThen> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let bad = |_| Error::invalid("alarm.time", "time is an RFC 3339 instant.");
        let asked = query.time.as_deref().map(str::parse::<Timestamp>).transpose().map_err(bad)?;
        let mut filter = Self::visible(caller);
        if asked.is_none() {
            filter.add("suppressed = ''", vec![]);
        }
        let mut items = tables_then::open_at(&self.store, filter, asked.unwrap_or(caller.now), MOST + 1).await?;
        let truncated = items.len() > MOST;
        items.truncate(MOST);
        Ok(AlarmsThen { items, truncated })
    }
}
