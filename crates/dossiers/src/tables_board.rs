//! SQL of counts: tallies kept with every change, and what stands open now.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};

use crate::tables::Dossier;

/// What is counted of dossiers received in a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub received: i64,
    pub online: i64,
    pub ended: i64,
    pub late: i64,
    pub slips: i64,
    /// More supplements were asked for than are in order.
    pub excess: i64,
    pub fee_due: i64,
    pub paid: i64,
    pub paid_online: i64,
    pub electronic_result: i64,
    pub digitised: i64,
    pub reused: i64,
}

const COUNTS: [&str; 12] =
    ["received", "online", "ended", "late", "slips", "excess", "fee_due", "paid", "paid_online", "electronic_result", "digitised", "reused"];

impl Tally {
    /// What one dossier adds.
    pub fn of(d: &Dossier, excess: bool) -> Self {
        let one = i64::from;
        Self {
            received: 1,
            online: one(d.online),
            ended: one(d.ended),
            late: one(d.late),
            slips: one(d.slips > 0),
            excess: one(excess),
            fee_due: one(d.fee > 0),
            paid: one(d.fee > 0 && d.paid_at.is_some()),
            paid_online: one(d.fee > 0 && d.paid_online),
            electronic_result: one(d.ended && d.electronic_result),
            digitised: one(d.digitised),
            reused: one(d.reused),
        }
    }

    fn values(&self) -> [i64; 12] {
        [
            self.received,
            self.online,
            self.ended,
            self.late,
            self.slips,
            self.excess,
            self.fee_due,
            self.paid,
            self.paid_online,
            self.electronic_result,
            self.digitised,
            self.reused,
        ]
    }

    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            received: row.int("received")?,
            online: row.int("online")?,
            ended: row.int("ended")?,
            late: row.int("late")?,
            slips: row.int("slips")?,
            excess: row.int("excess")?,
            fee_due: row.int("fee_due")?,
            paid: row.int("paid")?,
            paid_online: row.int("paid_online")?,
            electronic_result: row.int("electronic_result")?,
            digitised: row.int("digitised")?,
            reused: row.int("reused")?,
        })
    }

    /// Adds `sign` times another.
    pub fn add(&mut self, other: &Tally, sign: i64) {
        self.received += sign * other.received;
        self.online += sign * other.online;
        self.ended += sign * other.ended;
        self.late += sign * other.late;
        self.slips += sign * other.slips;
        self.excess += sign * other.excess;
        self.fee_due += sign * other.fee_due;
        self.paid += sign * other.paid;
        self.paid_online += sign * other.paid_online;
        self.electronic_result += sign * other.electronic_result;
        self.digitised += sign * other.digitised;
        self.reused += sign * other.reused;
    }
}

type Key = (String, String, &'static str, String);

/// Changes of counts, collected over a batch and written at once.
#[derive(Default)]
pub(crate) struct Deltas {
    counts: BTreeMap<Key, Tally>,
    took: BTreeMap<(Key, u32), i64>,
}

impl Deltas {
    /// Counts a dossier in (`sign` 1) or out again (-1).
    pub fn count(&mut self, d: &Dossier, excess: bool, sign: i64) {
        if d.month.is_empty() {
            return;
        }
        let tally = Tally::of(d, excess);
        let none = String::new();
        let sums = [
            ("procedure", &d.unit, &d.procedure),
            ("commune", &d.unit, &d.commune),
            ("unit", &d.unit, &none),
            ("procedures", &none, &d.procedure),
            ("communes", &none, &d.commune),
        ];
        for (dim, unit, key) in sums {
            let key: Key = (d.month.clone(), unit.clone(), dim, key.clone());
            if let Some(half_days) = d.took {
                *self.took.entry((key.clone(), half_days)).or_default() += sign;
            }
            self.counts.entry(key).or_default().add(&tally, sign);
        }
    }

    /// Writes what changed.
    pub async fn write(self, tx: &mut Tx) -> Result<()> {
        let changed: Vec<(Key, Tally)> = self.counts.into_iter().filter(|(_, t)| *t != Tally::default()).collect();
        let sets: Vec<String> = COUNTS.iter().map(|c| format!("{c} = dossier_tally.{c} + excluded.{c}")).collect();
        for chunk in changed.chunks(400) {
            let sql = format!(
                "insert into dossier_tally (month, unit, dim, key, {}) values {} on conflict (month, unit, dim, key) do update set {}",
                COUNTS.join(", "),
                dothi_store::places(chunk.len(), 16),
                sets.join(", ")
            );
            let mut values: Vec<Param> = Vec::new();
            for ((month, unit, dim, key), tally) in chunk {
                values.extend(params![month, unit, *dim, key]);
                values.extend(tally.values().map(Param::from));
            }
            tx.exec(&sql, values).await?;
        }
        let took: Vec<((Key, u32), i64)> = self.took.into_iter().filter(|(_, n)| *n != 0).collect();
        for chunk in took.chunks(800) {
            let sql = format!(
                "insert into dossier_took (month, unit, dim, key, half_days, n) values {} \
                 on conflict (month, unit, dim, key, half_days) do update set n = dossier_took.n + excluded.n",
                dothi_store::places(chunk.len(), 6)
            );
            let values = chunk.iter().flat_map(|(((month, unit, dim, key), half), n)| params![month, unit, *dim, key, *half, *n]).collect();
            tx.exec(&sql, values).await?;
        }
        Ok(())
    }
}

/// Which tallies are summed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slice {
    pub from: String,
    pub to: String,
    /// Only these units; none = all.
    pub units: Option<BTreeSet<String>>,
    pub procedure: Option<String>,
    pub commune: Option<String>,
}

/// What rows are told for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    Unit,
    Commune,
    Procedure,
    Month,
}

impl Slice {
    /// The smallest counts that tell this: of agencies, of all agencies together (`communes`, `procedures`), or of both.
    fn dim(&self, by: By) -> &'static str {
        let whole = self.units.is_none() && by != By::Unit;
        match (by, &self.commune, &self.procedure) {
            (By::Unit | By::Month, None, None) => "unit",
            (By::Commune, ..) | (_, Some(_), _) if whole => "communes",
            (By::Commune, ..) | (_, Some(_), _) => "commune",
            _ if whole => "procedures",
            _ => "procedure",
        }
    }

    fn clause(&self, by: By) -> (String, Vec<Param>) {
        let mut sql = "month >= ? and month <= ? and dim = ?".to_string();
        let mut values = params![&self.from, &self.to, self.dim(by)];
        self.narrow(&mut sql, &mut values, "key", "key");
        (sql, values)
    }

    fn narrow(&self, sql: &mut String, values: &mut Vec<Param>, procedure: &str, commune: &str) {
        if let Some(units) = &self.units {
            let list = if units.is_empty() { "1 = 0".into() } else { format!("unit in ({})", dothi_store::marks(units.len())) };
            sql.push_str(&format!(" and {list}"));
            values.extend(units.iter().map(Param::from));
        }
        for (column, wanted) in [(procedure, &self.procedure), (commune, &self.commune)] {
            if let Some(wanted) = wanted {
                sql.push_str(&format!(" and {column} = ?"));
                values.extend(params![wanted]);
            }
        }
    }
}

fn column(by: By) -> &'static str {
    match by {
        By::Unit => "unit",
        By::Month => "month",
        By::Commune | By::Procedure => "key",
    }
}

/// Sums by key.
pub(crate) async fn tallies(store: &Store, slice: &Slice, by: By) -> Result<BTreeMap<String, Tally>> {
    let (clause, values) = slice.clause(by);
    let sums: Vec<String> = COUNTS.iter().map(|c| format!("cast(sum({c}) as bigint) as {c}")).collect();
    let sql = format!("select {0} as k, {1} from dossier_tally where {clause} group by {0}", column(by), sums.join(", "));
    let rows = store.rows(&sql, values).await?;
    rows.iter().map(|r| Ok((r.text("k")?, Tally::read(r)?))).collect()
}

/// How long dossiers took: half-days and how many, rising, by key.
pub(crate) async fn took(store: &Store, slice: &Slice, by: By) -> Result<BTreeMap<String, Vec<(u32, i64)>>> {
    let (clause, values) = slice.clause(by);
    let sql = format!(
        "select {0} as k, half_days, cast(sum(n) as bigint) as n from dossier_took where {clause} group by {0}, half_days order by {0}, half_days",
        column(by)
    );
    let mut all: BTreeMap<String, Vec<(u32, i64)>> = BTreeMap::new();
    for row in store.rows(&sql, values).await? {
        let n = row.int("n")?;
        if n > 0 {
            all.entry(row.text("k")?).or_default().push((u32::try_from(row.int("half_days")?).unwrap_or(0), n));
        }
    }
    Ok(all)
}

/// What stands open, whenever it was received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub open: i64,
    pub waiting: i64,
    pub soon: i64,
    pub overdue: i64,
}

/// Open dossiers by key.
pub(crate) async fn standing(store: &Store, slice: &Slice, by: By, now: Timestamp, soon: Timestamp) -> Result<BTreeMap<String, Standing>> {
    let key = match by {
        By::Unit => "unit",
        By::Commune => "commune",
        By::Procedure => "procedure",
        By::Month => return Ok(BTreeMap::new()),
    };
    let mut clause = "ended = 0 and month <> ''".to_string();
    let mut values = params![now, now, soon];
    slice.narrow(&mut clause, &mut values, "procedure", "commune");
    let count = |condition: &str, name: &str| format!("cast(sum(case when {condition} then 1 else 0 end) as bigint) as {name}");
    let sql = format!(
        "select {key} as k, cast(count(*) as bigint) as open, {}, {}, {} from dossier where {clause} group by {key}",
        count("late = 1 or (paused_since is null and due_at < ?)", "overdue"),
        count("late = 0 and paused_since is null and due_at >= ? and due_at <= ?", "soon"),
        count("paused_since is not null", "waiting"),
    );
    let rows = store.rows(&sql, values).await?;
    let read = |r: &Row| Ok((r.text("k")?, Standing { open: r.int("open")?, waiting: r.int("waiting")?, soon: r.int("soon")?, overdue: r.int("overdue")? }));
    rows.iter().map(read).collect()
}

/// Procedures with dossiers, of these with online ones, and with fees paid: for shares over procedures.
pub(crate) async fn used_procedures(store: &Store, slice: &Slice) -> Result<Vec<(String, Tally)>> {
    Ok(tallies(store, slice, By::Procedure).await?.into_iter().filter(|(_, t)| t.received > 0).collect())
}
