//! Panels of the demo province: invented premises, and what their panels told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use dothi_kernel::{Caller, Error, Result};
use dothi_panels::dc09::{Framer, Inside, compose};
use dothi_panels::model::{FindQuery, PremisesInput, Zone};
use serde::Deserialize;

use crate::City;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    premises: String,
    message: Vec<Message>,
    zones: BTreeMap<String, Vec<[String; 3]>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    account: String,
    data: String,
}

fn bad(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::invalid("demo.file", "A file of the demo cannot be used.").with("file", file.display()).with("reason", why)
}

/// Loads the premises and tells what their panels told, through the receiver itself.
pub(crate) async fn tell(city: &City, folder: &Path) -> Result<()> {
    let file = folder.join("panels.toml");
    let plan: Plan = toml::from_str(&std::fs::read_to_string(&file).map_err(|e| bad(&file, e))?).map_err(|e| bad(&file, e.message()))?;
    let system = Caller::system("demo", city.store.clock().as_ref());
    let table = folder.join(&plan.premises);
    let done = city.panels.import(&system, &std::fs::read(&table).map_err(|e| bad(&table, e))?).await?;
    if let Some(reject) = done.rejects.first() {
        return Err(bad(&table, format!("line {}: {}", reject.line, reject.detail)));
    }
    name_zones(city, &system, &plan).await?;
    for (n, message) in plan.message.iter().enumerate() {
        let sequence = u16::try_from(n + 1).unwrap_or(u16::MAX);
        let bytes = compose("SIA-DCS", sequence, Some("1"), "0", &message.account, Inside::Plain(&format!("#{}|{}]", message.account, message.data)));
        for frame in Framer::default().push(&bytes) {
            city.panels.receive(&frame, IpAddr::V4(Ipv4Addr::LOCALHOST)).await.ok_or_else(|| bad(&file, format!("message {sequence} was not taken")))?;
        }
    }
    Ok(())
}

async fn name_zones(city: &City, system: &Caller, plan: &Plan) -> Result<()> {
    let query = FindQuery { limit: Some(200), ..FindQuery::default() };
    for account in city.panels.accounts(system, &query).await?.items {
        let (Some(zones), Some(premises)) = (plan.zones.get(&account.account), account.premises.and_then(|p| p.id.parse().ok())) else { continue };
        let p = city.panels.premises(system, premises).await?;
        let input = PremisesInput {
            version: Some(p.version),
            code: p.row.code,
            name: p.row.name,
            kind: p.row.kind,
            address: p.row.address,
            commune: p.row.commune.map(|c| c.id),
            location: p.row.location,
            unit: p.row.unit.map(|u| u.id),
            hazards: p.hazards,
            water: p.water,
            approach: p.approach,
            zones: zones.iter().map(|[zone, name, place]| Zone { zone: zone.clone(), name: name.clone(), place: place.clone() }).collect(),
            private: None,
        };
        city.panels.put_premises(system, Some(premises), input).await?;
    }
    Ok(())
}
