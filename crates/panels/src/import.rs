//! A table of premises with their panels, from an office's own list.

use std::collections::HashMap;

use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};

use crate::Panels;
use crate::model::{AccountInput, Contact, Import, PremisesInput, Private, Reject};
use crate::tables;

/// Rows of one file.
const ROWS: usize = 20_000;
/// Faults that are told.
const TOLD: usize = 50;
/// Columns that are understood; the first three must be there.
const COLUMNS: [&str; 17] = [
    "code",
    "name",
    "address",
    "kind",
    "commune",
    "unit",
    "lon",
    "lat",
    "hazards",
    "water",
    "approach",
    "account",
    "supervision",
    "contact",
    "phone",
    "role",
    "keys",
];

type Row = HashMap<&'static str, String>;

fn number<T: std::str::FromStr>(row: &Row, field: &'static str) -> Result<Option<T>> {
    let bad = || Error::unprocessable("panels.import.number", "A cell is not a number.").with("field", field);
    row.get(field).map(|text| text.replace(',', ".").parse().map_err(|_| bad())).transpose()
}

fn premises(row: &Row, old: Option<&tables::Premises>) -> Result<PremisesInput> {
    let text = |field: &str, before: Option<&String>| row.get(field).or(before).cloned().unwrap_or_default();
    let location = match number::<f64>(row, "lon")?.zip(number::<f64>(row, "lat")?) {
        Some((lon, lat)) => Some(Point::new(lon, lat)?),
        None => old.and_then(|o| o.location),
    };
    let private = (row.contains_key("contact") || row.contains_key("keys")).then(|| Private {
        contacts: row
            .get("contact")
            .map(|name| Contact { name: name.clone(), role: text("role", None), phone: text("phone", None), key: false })
            .into_iter()
            .collect(),
        keys: text("keys", None),
    });
    Ok(PremisesInput {
        version: None,
        code: text("code", None),
        name: text("name", old.map(|o| &o.name)),
        kind: text("kind", old.map(|o| &o.kind)),
        address: text("address", old.map(|o| &o.address)),
        commune: row.get("commune").or(old.map(|o| &o.commune)).cloned().filter(|c| !c.is_empty()),
        location,
        unit: row.get("unit").or(old.map(|o| &o.unit)).cloned().filter(|u| !u.is_empty()),
        hazards: text("hazards", old.map(|o| &o.hazards)),
        water: text("water", old.map(|o| &o.water)),
        approach: text("approach", old.map(|o| &o.approach)),
        zones: old.map_or_else(Vec::new, |o| o.zones.clone()),
        private,
    })
}

impl Panels {
    /// Takes a CSV table (`code,name,address` and any of the other columns): premises by code are made or changed; empty
    /// cells leave what is there. Each row is a change of its own, so the table may be sent again. Needs `device-manage`.
    /// 422 `panels.import.columns`, `panels.import.unreadable`; 413 `panels.import.large`.
    pub async fn import(&self, caller: &Caller, bytes: &[u8]) -> Result<Import> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let unreadable = |e: csv::Error| Error::unprocessable("panels.import.unreadable", "The table cannot be read.").because(e);
        let head = reader.headers().map_err(unreadable)?.clone();
        let places: Vec<(&'static str, usize)> = COLUMNS.iter().filter_map(|c| Some((*c, head.iter().position(|h| h == *c)?))).collect();
        if let Some(lacking) = COLUMNS[..3].iter().find(|c| !places.iter().any(|(name, _)| name == *c)) {
            return Err(Error::unprocessable("panels.import.columns", "The table lacks a column.").with("column", lacking));
        }
        let mut outcome = Import::default();
        for record in reader.into_records() {
            if outcome.read as usize >= ROWS {
                return Err(Error::too_large("panels.import.large", "Send the table in several files.").with("limit", ROWS));
            }
            outcome.read += 1;
            let record = record.map_err(unreadable)?;
            let line = record.position().map_or(0, csv::Position::line);
            let row: Row = places.iter().filter_map(|(name, at)| Some((*name, record.get(*at).filter(|c| !c.is_empty())?.to_string()))).collect();
            if let Err(e) = self.import_row(caller, &row, &mut outcome).await {
                if e.kind() == Kind::Internal || e.kind() == Kind::Unavailable {
                    return Err(e);
                }
                outcome.rejected += 1;
                if outcome.rejects.len() < TOLD {
                    let premises = row.get("code").cloned().unwrap_or_default();
                    outcome.rejects.push(Reject { line, premises, code: e.code().into(), detail: e.detail().into() });
                }
            }
        }
        self.reload_accounts().await?;
        Ok(outcome)
    }

    async fn import_row(&self, caller: &Caller, row: &Row, outcome: &mut Import) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        let code = row.get("code").map_or("", String::as_str);
        let old = tables::premises_coded(&mut tx, code).await?;
        if let Some(old) = &old {
            self.require(caller, Permission::DeviceManage, &old.unit)?;
        }
        let (input, fresh) = (premises(row, old.as_ref())?, old.is_none());
        let made = self.settle_premises(caller, &mut tx, old, input).await?;
        let mut registered = false;
        if let Some(account) = row.get("account") {
            let known = tables::account_numbered(&mut tx, &account.to_ascii_uppercase()).await?;
            match known {
                Some(known) if known.premises == Some(made.id) => {}
                Some(_) => return Err(Error::conflict("panels.account.taken", "This number is registered already.")),
                None => {
                    let input = AccountInput {
                        version: None,
                        account: account.clone(),
                        name: made.name.clone(),
                        premises: Some(made.id),
                        clock_past: None,
                        clock_ahead: None,
                        supervision: number(row, "supervision")?,
                        backup_line: None,
                        backup_supervision: None,
                        active: true,
                    };
                    self.settle_account(caller, &mut tx, None, &input).await?;
                    self.set_watch(&mut tx).await?;
                    registered = true;
                }
            }
        }
        tx.commit().await?;
        outcome.added += u32::from(fresh);
        outcome.changed += u32::from(!fresh);
        outcome.accounts += u32::from(registered);
        Ok(())
    }
}
