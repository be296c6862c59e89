//! Resources and duties of the demo province: invented, from the demo's folder.

use std::collections::BTreeMap;
use std::path::Path;

use dothi_incidents::model_ops::{NewDuty, ResourceInput};
use dothi_kernel::{Caller, Error, Result};
use serde::Deserialize;
use uuid::Uuid;

use crate::City;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    resource: Vec<Vehicle>,
    duty: Vec<Place>,
    /// Days from today for which duties are planned.
    days: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vehicle {
    code: String,
    name: String,
    kind: String,
    unit: String,
    lon: f64,
    lat: f64,
    /// Logins.
    #[serde(default)]
    crew: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    roster: String,
    position: String,
    shift: String,
    person: String,
}

/// Enters them once.
pub(crate) async fn tell(city: &City, folder: &Path, people: &BTreeMap<String, Uuid>) -> Result<()> {
    let file = folder.join("operations.toml");
    let bad = |why: String| Error::invalid("demo.unreadable", "A file of the demo province cannot be read.").with("file", file.display()).with("reason", why);
    let text = std::fs::read_to_string(&file).map_err(|e| bad(e.to_string()))?;
    let plan: Plan = toml::from_str(&text).map_err(|e| bad(e.message().to_string()))?;
    let system = Caller::system("demo", city.store.clock().as_ref());
    let id = |login: &String| people.get(login).copied().ok_or_else(|| bad(format!("there is no person {login}")));
    for v in plan.resource {
        let crew = v.crew.iter().map(id).collect::<Result<_>>()?;
        let input = ResourceInput { code: v.code, name: v.name, kind: v.kind, unit: v.unit, lon: Some(v.lon), lat: Some(v.lat), crew, off: false };
        city.incidents.put_resource(&system, None, input).await?;
    }
    let zone = city.access.calendar()?.zone().clone();
    let mut day = zone.to_datetime(system.now).date();
    for _ in 0..plan.days {
        for d in &plan.duty {
            let new = NewDuty { roster: d.roster.clone(), position: d.position.clone(), shift: d.shift.clone(), day: day.to_string(), person: id(&d.person)? };
            city.incidents.plan_duty(&system, new).await?;
        }
        day = day.tomorrow().map_err(|e| Error::internal("planning the demo's duties", e))?;
    }
    Ok(())
}
