//! What everybody may see: shares on time, and one's own dossier by its code and a second fact.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Result};

use crate::model::{BoardQuery, BoardRow};
use crate::model_more::{LookUp, OwnDossier, PublicBoard, PublicBoardQuery, PublicRow};
use crate::{Dossiers, tables};

/// The last four digits of a telephone number; none when it has fewer than eight.
pub(crate) fn last_digits(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 8).then(|| digits[digits.len() - 4..].to_string())
}

/// Tries within a window, by address and by dossier: ten thousand second facts must not be tried one after another.
#[derive(Default)]
pub(crate) struct Tries {
    counts: HashMap<String, (i64, u32)>,
}

/// Length of a window.
const WINDOW: i64 = 15 * 60 * 1_000_000;
/// Tries of one address in a window.
const BY_ADDRESS: u32 = 30;
/// Tries at one dossier in a window, whoever makes them.
const BY_CODE: u32 = 5;
/// Keys that are remembered; beyond that windows that are over are forgotten, and then everybody waits.
const KEYS: usize = 50_000;

impl Tries {
    /// Counts a try, or says how long to wait.
    fn count(&mut self, key: &str, most: u32, now: i64) -> Result<(), i64> {
        if self.counts.len() >= KEYS && !self.counts.contains_key(key) {
            self.counts.retain(|_, (since, _)| now - *since < WINDOW);
            if self.counts.len() >= KEYS {
                return Err(WINDOW);
            }
        }
        let entry = self.counts.entry(key.to_string()).or_insert((now, 0));
        if now - entry.0 >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
        if entry.1 > most { Err(entry.0 + WINDOW - now) } else { Ok(()) }
    }
}

impl Dossiers {
    /// Shares on time by agency, commune or procedure. Public.
    pub async fn public_board(&self, caller: &Caller, query: &PublicBoardQuery) -> Result<PublicBoard> {
        let inner = BoardQuery { by: query.by.clone(), from: query.from.clone(), to: query.to.clone(), ..BoardQuery::default() };
        let board = self.board_of(caller, &inner, None).await?;
        let total = BoardRow { key: String::new(), name: String::new(), cell: board.total };
        let mut rows: Vec<PublicRow> = board.rows.into_iter().map(public_row).collect();
        rows.sort_by(|a, b| (b.received, &a.name).cmp(&(a.received, &b.name)));
        let rules = self.rules();
        let marks = rules.policy(&self.calendar, caller.now).map_or_else(|_| Vec::new(), |(p, _)| p.marks.clone());
        Ok(PublicBoard { at: board.at, from: board.from, to: board.to, total: public_row(total), rows, marks })
    }

    /// One's own dossier, by its code and the last four digits of the telephone number given with it. A wrong code and wrong digits
    /// are answered alike: 404 `dossiers.lookup.none`. 429 `dossiers.lookup.often` after five tries at a dossier or thirty of an
    /// address in a quarter of an hour.
    pub async fn look_up(&self, caller: &Caller, wanted: &LookUp) -> Result<OwnDossier> {
        let code = wanted.code.trim().to_uppercase();
        let digits: String = wanted.phone.chars().filter(char::is_ascii_digit).collect();
        let none = || Error::not_found("dossiers.lookup.none", "No dossier fits this code and these digits.");
        if code.len() > 60 || digits.len() > 20 {
            return Err(none());
        }
        let now = caller.now.as_microsecond();
        let address = caller.address.map_or_else(|| "-".to_string(), |a| a.to_string());
        {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = tries.count(&format!("a {address}"), BY_ADDRESS, now).and_then(|()| tries.count(&format!("c {code}"), BY_CODE, now));
            if let Err(wait) = counted {
                let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(1));
                return Err(Error::too_many("dossiers.lookup.often", "Too many tries; please wait a while.").retry_after(wait));
            }
        }
        // Both are read whatever the first says, so that the time taken tells nothing.
        let dossier = tables::one(&self.store, &code).await?;
        let known = tables::applicant(&self.store, &code).await?.and_then(|(_, second)| second);
        let given = self.keyed(&code, &digits.chars().skip(digits.len().saturating_sub(4)).collect::<String>());
        let d = match (dossier, known) {
            (Some(d), Some(known)) if known == given => d,
            _ => return Err(none()),
        };
        let rules = self.rules();
        let row = self.row(&rules, &d, caller.now, self.soon_until(&rules, caller.now)?);
        let (state, state_en) = rules.states.get(&d.state).map_or_else(|| (d.state.to_string(), d.state.to_string()), |s| (s.name.clone(), s.name_en.clone()));
        Ok(OwnDossier {
            code: row.code,
            procedure: row.procedure_name,
            unit: row.unit.name,
            state,
            state_en,
            standing: row.standing,
            received_at: row.received_at,
            due_at: row.due_at,
            promised_at: row.promised_at,
            ended_at: row.ended_at,
            seen_at: d.seen_at,
        })
    }
}

fn public_row(row: BoardRow) -> PublicRow {
    PublicRow {
        key: row.key,
        name: row.name,
        received: row.cell.received,
        on_time: row.cell.on_time,
        median_days: row.cell.median_days,
        overdue: row.cell.overdue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_end_and_begin_again() {
        let mut tries = Tries::default();
        for _ in 0..5 {
            assert_eq!(tries.count("c X", 5, 1_000), Ok(()));
        }
        assert_eq!(tries.count("c X", 5, 1_000), Err(WINDOW));
        assert_eq!(tries.count("c Y", 5, 1_000), Ok(()));
        assert_eq!(tries.count("c X", 5, 1_000 + WINDOW), Ok(()));
    }

    #[test]
    fn digits_of_a_number() {
        assert_eq!(last_digits("+84 912 345 678").as_deref(), Some("5678"));
        assert_eq!(last_digits("5678"), None);
    }
}
