//! Files of readings: CSV with a head line, JSON arrays and lines of JSON, read by a device profile; NGSI-LD entities; data
//! arrays of SensorThings.
//!
//! A file is read record by record in bounded memory. What cannot be used is told with its line and left out. How far a
//! file was taken is kept with a hash of all that was taken of it, so an interrupted import goes on where it ended, a file
//! that grew is taken from where it grew, and the same file again stores nothing, whatever its name.

pub mod split;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::Context;
use crate::decode::{self, ClockPolicy, Decoder, DeviceProfile, Fault, Tree};
use crate::ld::Ld;
use crate::model::Reading;
use crate::parse::{self, Form};
use crate::tables_import as tables;
use crate::writer::{Change, Order};
use split::{Record, Records, Shape, cells};

/// Records taken in one go.
const BATCH: usize = 2_000;
/// Bytes of records taken in one go.
const BATCH_BYTES: usize = 8 << 20;
/// Readings stored in one transaction.
const READINGS: usize = 8_000;
/// Bytes of a bad record that are told.
const TOLD: usize = 500;
/// How often a part is tried while too much is waiting, a second apart.
const TRIES: u32 = 60;
/// Places where a file may have been left that are looked for.
const MARKS: usize = 1_000;

/// How the rows of a file are read. The file `import.toml` of a drop folder, and `--mapping` of the command line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Device profile by name.
    pub profile: Option<String>,
    /// Or one made for this file (name and title may be left out).
    pub read: Option<toml::Table>,
    /// All rows are of this registered device.
    pub device: Option<String>,
    /// Column (or path) that names the registered device.
    pub device_column: Option<String>,
    /// Entity the rows are about, without a registered device; `{column}` stands for a cell.
    pub entity: Option<String>,
    /// Set between the cells of CSV; found from the head line when left out.
    pub delimiter: Option<char>,
    /// Whether numbers are written with a decimal comma.
    pub decimal_comma: bool,
    /// Columns under other names: head line → name in the profile.
    pub names: BTreeMap<String, String>,
}

/// What is imported.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
}

impl Source {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Source::File(path) => Box::new(File::open(path)?),
            Source::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        })
    }
}

/// A record that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reject {
    /// Line it begins in.
    pub line: u64,
    /// Why.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// The record, cut.
    pub record: String,
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Records in the file; a head line is none.
    pub records: u64,
    /// Of these, taken in an earlier import.
    pub before: u64,
    /// Values stored.
    pub stored: u64,
    /// Records (or rows of data arrays) left out.
    pub rejected: u64,
}

fn unreadable(e: io::Error) -> Error {
    Error::unprocessable("import.unreadable", "The file cannot be read.").because(e)
}

/// A row of CSV, to be read by paths.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    Cells(Arc<[String]>, Vec<Row>),
    Cell { text: String, comma: bool },
}

impl Row {
    fn number(&self) -> Option<f64> {
        let Row::Cell { text, comma } = self else { return None };
        let text = text.trim();
        if *comma { text.replace('.', "").replace(',', ".").parse().ok() } else { text.parse().ok() }
    }
}

impl Tree for Row {
    fn member(&self, name: &str) -> Option<&Self> {
        let Row::Cells(names, cells) = self else { return None };
        names.iter().position(|n| n == name).and_then(|i| cells.get(i))
    }
    fn items(&self) -> Option<&[Self]> {
        None
    }
    fn is_object(&self) -> bool {
        matches!(self, Row::Cells(..))
    }
    fn is_null(&self) -> bool {
        matches!(self, Row::Cell { text, .. } if text.trim().is_empty())
    }
    fn as_f64(&self) -> Option<f64> {
        self.number().filter(|n| n.is_finite())
    }
    fn as_i64(&self) -> Option<i64> {
        self.number().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15).map(|n| n as i64)
    }
    fn as_bool(&self) -> Option<bool> {
        let Row::Cell { text, .. } = self else { return None };
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
    fn as_str(&self) -> Option<&str> {
        if let Row::Cell { text, .. } = self { Some(text.trim()) } else { None }
    }
}

/// A record that can be used.
enum Good {
    Readings(Vec<Reading>),
    Entity(Box<Order>),
    Arrays(Vec<u8>),
}

/// One import under way.
struct Import<'a> {
    context: &'a Context,
    caller: &'a Caller,
    mapping: &'a Mapping,
    /// None: entities or data arrays.
    decoder: Option<Arc<Decoder>>,
    head: Option<Arc<[String]>>,
    delimiter: char,
    done: Imported,
    reject: &'a mut (dyn FnMut(Reject) + Send),
}

impl Context {
    /// Imports a file. `name` is for people; `reject` is told what is left out. The caller needs `context-write`.
    /// 422 `import.unreadable`, 400 `import.mapping`.
    pub async fn import(&self, caller: &Caller, name: &str, source: Source, mapping: &Mapping, reject: &mut (dyn FnMut(Reject) + Send)) -> Result<Imported> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let decoder = self.importing(mapping)?;
        let facts = (mapping, decoder.as_ref().map(|d| &d.profile));
        let digest = Sha256::digest(serde_json::to_vec(&facts).map_err(|e| Error::internal("naming an import", e))?);
        let look = source.clone();
        let (shape, stream) = blocking(move || begin(&look, &digest)).await?;
        let mut marks = BTreeMap::new();
        for row in tables::marks(&self.store, &stream, MARKS).await? {
            marks.insert(u64::try_from(row.int("taken")?).unwrap_or(0), row.text("prefix")?);
        }
        let look = source.clone();
        let before = if marks.is_empty() { 0 } else { blocking(move || taken(&look, shape, &marks)).await? };
        let mut import = Import { context: self, caller, mapping, decoder, head: None, delimiter: ',', done: Imported::default(), reject };
        let (send, mut batches) = tokio::sync::mpsc::channel::<Result<Lot>>(1);
        let reading = tokio::task::spawn_blocking(move || {
            for lot in Lots::of(&source, shape) {
                let last = lot.is_err();
                if send.blocking_send(lot).is_err() || last {
                    return;
                }
            }
        });
        let mut mark: Option<String> = None;
        while let Some(lot) = batches.recv().await {
            let lot = lot?;
            let from = import.done.records;
            import.take(shape, lot.records, before, &stream).await?;
            if import.done.records > before && import.done.records > from {
                let taken = i64::try_from(import.done.records).unwrap_or(i64::MAX);
                tables::mark(&self.store, caller, &stream, mark.as_deref(), &lot.prefix, taken, name).await?;
                mark = Some(lot.prefix);
            }
        }
        reading.await.map_err(|e| Error::internal("reading a file", e))?;
        // Marks count all lines that were taken; people count records, and a head line is none.
        let head = u64::from(import.head.is_some());
        import.done.records -= head;
        import.done.before = import.done.before.saturating_sub(head);
        Ok(import.done)
    }

    /// The profile that reads the rows; none for entities and data arrays.
    fn importing(&self, mapping: &Mapping) -> Result<Option<Arc<Decoder>>> {
        let bad = |why: String| Error::invalid("import.mapping", "The mapping cannot be used.").with("reason", why);
        let mut profile = match (&mapping.profile, &mapping.read) {
            (None, None) => match &mapping.device {
                None => return Ok(None),
                Some(id) => {
                    let entry = self.devices.entry(id).ok_or_else(|| bad(format!("there is no device {id}")))?;
                    self.devices.decoder(&entry.profile).map(|d| d.profile.clone()).ok_or_else(|| bad(format!("there is no profile {}", entry.profile)))?
                }
            },
            (Some(name), None) => self.devices.decoder(name).map(|d| d.profile.clone()).ok_or_else(|| bad(format!("there is no profile {name}")))?,
            (None, Some(table)) => {
                let mut table = table.clone();
                for key in ["name", "title"] {
                    table.entry(key).or_insert_with(|| "import".into());
                }
                let profile: DeviceProfile = table.try_into().map_err(|e: toml::de::Error| bad(e.message().to_string()))?;
                let faults = profile.check();
                if !faults.is_empty() {
                    return Err(bad(faults.join("; ")));
                }
                profile
            }
            (Some(_), Some(_)) => return Err(bad("`profile` and `read` cannot both be said".into())),
        };
        if profile.lorawan || profile.codec.is_some() {
            return Err(bad("profiles with a codec read messages, not files".into()));
        }
        if mapping.device.is_none() && mapping.device_column.is_none() && mapping.entity.is_none() && profile.device.is_none() {
            return Err(bad("say what the rows are about: device, device_column or entity".into()));
        }
        // What lies long ago is what files are for; what lies ahead stays a fault.
        profile.max_age_s = u32::MAX;
        profile.clock = ClockPolicy::Replace;
        Ok(Some(Arc::new(Decoder::new(profile))))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("reading a file", e))?.map_err(unreadable)
}

/// The shape of a file, and its name by what it begins with and how it is read.
fn begin(source: &Source, mapping: &[u8]) -> io::Result<(Shape, String)> {
    let mut start = Vec::new();
    source.open()?.take(64 << 10).read_to_end(&mut start)?;
    let shape = Shape::of(&start);
    let mut name = Sha256::new_with_prefix(mapping);
    for record in Records::new(source.open()?, shape).take(2) {
        name.update(record?.bytes.unwrap_or_default());
        name.update([0]);
    }
    Ok((shape, hex(&name.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn note(hash: &mut Sha256, record: &Record) {
    // A record that was too long counts by its place.
    hash.update(record.bytes.as_deref().unwrap_or_default());
    hash.update([0]);
}

/// How many records of a file were taken before: the furthest mark that fits what stands before it.
fn taken(source: &Source, shape: Shape, marks: &BTreeMap<u64, String>) -> io::Result<u64> {
    let (mut hash, mut best) = (Sha256::new(), 0);
    let Some(last) = marks.keys().next_back() else { return Ok(0) };
    for (n, record) in (1..=*last).zip(Records::new(source.open()?, shape)) {
        note(&mut hash, &record?);
        if marks.get(&n).is_some_and(|m| *m == hex(&hash.clone().finalize())) {
            best = n;
        }
    }
    Ok(best)
}

/// Some records, and the hash of all up to their end.
struct Lot {
    records: Vec<Record>,
    prefix: String,
}

struct Lots {
    records: Option<Records<Box<dyn Read + Send>>>,
    failed: Option<io::Error>,
    hash: Sha256,
}

impl Lots {
    fn of(source: &Source, shape: Shape) -> Self {
        match source.open() {
            Ok(input) => Self { records: Some(Records::new(input, shape)), failed: None, hash: Sha256::new() },
            Err(e) => Self { records: None, failed: Some(e), hash: Sha256::new() },
        }
    }
}

impl Iterator for Lots {
    type Item = Result<Lot>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(e) = self.failed.take() {
            return Some(Err(unreadable(e)));
        }
        let records = self.records.as_mut()?;
        let (mut lot, mut bytes) = (Vec::new(), 0);
        while lot.len() < BATCH && bytes < BATCH_BYTES {
            match records.next() {
                None => break,
                Some(Err(e)) => {
                    self.records = None;
                    return Some(Err(unreadable(e)));
                }
                Some(Ok(record)) => {
                    note(&mut self.hash, &record);
                    bytes += record.bytes.as_ref().map_or(0, Vec::len);
                    lot.push(record);
                }
            }
        }
        (!lot.is_empty()).then(|| Ok(Lot { records: lot, prefix: hex(&self.hash.clone().finalize()) }))
    }
}

impl Import<'_> {
    /// Takes a lot of records; those that were taken before only count.
    async fn take(&mut self, shape: Shape, records: Vec<Record>, before: u64, stream: &str) -> Result<()> {
        let first = self.done.records;
        let (mut readings, mut entities, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            if shape == Shape::Csv && self.head.is_none() {
                self.read_head(&record)?;
                self.done.records += 1;
                self.done.before += u64::from(before > 0);
                continue;
            }
            self.done.records += 1;
            if self.done.records <= before {
                self.done.before += 1;
                continue;
            }
            match self.read(shape, &record).await {
                Ok(Good::Readings(more)) => readings.extend(more),
                Ok(Good::Entity(order)) => entities.push((record, order)),
                Ok(Good::Arrays(body)) => arrays.push((record, body)),
                Err(e) => self.left_out(&record, &e),
            }
        }
        let mut part = 0;
        while !readings.is_empty() {
            let rest = readings.split_off(readings.len().min(READINGS));
            let chunk = std::mem::replace(&mut readings, rest);
            // The same lot once more, after a crash between storing and marking, is known by its name.
            let message = format!("import:{}:{first}:{part}:{}", &stream[..32], chunk.len());
            part += 1;
            let stored = chunk.len() as u64;
            let done = patiently(|| self.context.ingest_message(self.caller, Some(&message), chunk.clone())).await?;
            self.done.stored += if done.duplicate { 0 } else { stored };
        }
        if !entities.is_empty() {
            let orders: Vec<Order> = entities.iter().map(|(_, order)| (**order).clone()).collect();
            let results = patiently(|| self.context.change(self.caller, orders.clone())).await?;
            for ((record, _), result) in entities.iter().zip(results) {
                match result {
                    Ok(_) => self.done.stored += 1,
                    Err(e) => self.left_out(record, &e),
                }
            }
        }
        for (record, body) in arrays {
            match patiently(|| crate::sta::create_observations(self.context, self.caller, "", &body)).await {
                Ok(answer) => {
                    let answers: Vec<String> = serde_json::from_str(&answer).unwrap_or_default();
                    let bad = answers.iter().filter(|a| *a == "error").count() as u64;
                    self.done.stored += answers.len() as u64 - bad;
                    if bad > 0 {
                        let e = Error::unprocessable("import.rows", format!("{bad} of {} rows cannot be used.", answers.len()));
                        self.left_out(&record, &e);
                        self.done.rejected += bad - 1;
                    }
                }
                Err(e) if e.kind() == Kind::Internal => return Err(e),
                Err(e) => self.left_out(&record, &e),
            }
        }
        Ok(())
    }

    fn left_out(&mut self, record: &Record, why: &Error) {
        self.done.rejected += 1;
        let bytes = record.bytes.as_deref().unwrap_or_default();
        let told = String::from_utf8_lossy(&bytes[..bytes.len().min(TOLD)]).into_owned();
        let reasons: Vec<String> = why.context().iter().map(|(k, v)| format!("{k}: {v}")).collect();
        let detail = if reasons.is_empty() { why.detail().to_string() } else { format!("{} ({})", why.detail(), reasons.join(", ")) };
        (self.reject)(Reject { line: record.line, code: why.code().to_string(), detail, record: told });
    }

    fn read_head(&mut self, record: &Record) -> Result<()> {
        let bad = || Error::unprocessable("import.head", "The file does not begin with a head line of CSV, nor with JSON.");
        let line = std::str::from_utf8(record.bytes.as_deref().unwrap_or_default()).map_err(|_| bad())?;
        let most = |c: &char| line.matches(*c).count();
        self.delimiter = self.mapping.delimiter.unwrap_or_else(|| [',', ';', '\t', '|'].into_iter().rev().max_by_key(most).unwrap_or(','));
        let renamed = |name: String| self.mapping.names.get(name.trim()).cloned().unwrap_or_else(|| name.trim().to_string());
        let names: Vec<String> = cells(line, self.delimiter).into_iter().map(renamed).collect();
        if names.iter().all(String::is_empty) || self.decoder.is_none() {
            return Err(if self.decoder.is_none() { Error::invalid("import.mapping", "CSV needs a profile or a mapping.") } else { bad() });
        }
        self.head = Some(names.into());
        Ok(())
    }

    async fn read(&mut self, shape: Shape, record: &Record) -> Result<Good> {
        let bytes = record.bytes.as_deref().ok_or_else(|| Error::too_large("import.record-too-long", "The record is too long."))?;
        if shape == Shape::Csv {
            let (Some(names), Some(decoder)) = (&self.head, &self.decoder) else {
                return Err(Error::internal("importing", "a row before the head line"));
            };
            let text = std::str::from_utf8(bytes).map_err(|_| Error::unprocessable("import.encoding", "The record is not UTF-8."))?;
            let cells = cells(text, self.delimiter);
            if cells.len() != names.len() {
                let wrong = Error::unprocessable("import.columns", "The row has not as many cells as the head line.");
                return Err(wrong.with("expected", names.len()).with("found", cells.len()));
            }
            let comma = self.mapping.decimal_comma;
            let row = Row::Cells(names.clone(), cells.into_iter().map(|text| Row::Cell { text, comma }).collect());
            return self.decoded(decoder, &row).map(Good::Readings);
        }
        let value = decode::parse(bytes).map_err(refused)?;
        if let Some(decoder) = &self.decoder {
            return self.decoded(decoder, &value).map(Good::Readings);
        }
        match value {
            Value::Object(object) if object.contains_key("dataArray") => Ok(Good::Arrays([b"[", bytes, b"]"].concat())),
            Value::Object(mut object) => {
                let ld = match object.shift_remove("@context") {
                    Some(context) => self.context.contexts().resolve(&context, self.caller.now.as_microsecond()).await?,
                    None => Ld::default(),
                };
                let draft = parse::draft(&object, &ld, Form::WHOLE)?;
                let Some(id) = draft.id.clone().filter(|_| !draft.types.is_empty()) else {
                    return Err(Error::unprocessable("import.entity", "The entity has no id or no type."));
                };
                Ok(Good::Entity(Box::new(Order { id, only: None, change: Change::UpsertUpdate(draft) })))
            }
            _ => Err(refused(Fault::Shape)),
        }
    }

    /// What a row says, of the entity that it is about.
    fn decoded<T: Tree>(&self, decoder: &Decoder, row: &T) -> Result<Vec<Reading>> {
        let missing = |what: String| Error::unprocessable("import.device", "It is not known what the row is about.").with("missing", what);
        let cell =
            |name: &str| row.member(name).filter(|c| !c.is_null()).and_then(|c| c.as_str().map(str::to_string).or_else(|| c.as_i64().map(|n| n.to_string())));
        let entity: Arc<str> = match (&self.mapping.entity, &self.mapping.device, &self.mapping.device_column) {
            (Some(template), ..) => filled(template, cell).ok_or_else(|| missing(template.clone()))?.into(),
            (None, Some(id), _) => self.context.devices.entry(id).map(|e| e.entity.clone()).ok_or_else(|| missing(id.clone()))?,
            (None, None, column) => {
                let id = column.as_ref().map_or_else(|| decoder.device_of(row), |c| cell(c)).ok_or_else(|| missing("device".into()))?;
                self.context.devices.entry(&id).map(|e| e.entity.clone()).ok_or_else(|| missing(id))?
            }
        };
        let decoded = decoder.decode(row, &entity, self.caller.now).map_err(refused)?;
        // A row without a time of its own would be another one each time.
        if let Some(fault) = decoded.fault {
            return Err(refused(fault));
        }
        if !decoded.timed {
            return Err(refused(Fault::Clock));
        }
        Ok(decoded.readings)
    }
}

fn refused(fault: Fault) -> Error {
    Error::unprocessable(fault.code(), "The record cannot be used as the profile reads it.")
}

/// A template with the cells it names in their places; none when one is missing or would break a URN.
fn filled(template: &str, cell: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}')?;
        let value = cell(name)?;
        let fits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        out.push_str(before);
        out.push_str(fits.then_some(&value)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Comes back when told that too much is waiting.
async fn patiently<T, F: Future<Output = Result<T>> + Send>(work: impl Fn() -> F) -> Result<T> {
    let mut tries = 0;
    loop {
        match work().await {
            Err(e) if matches!(e.kind(), Kind::Unavailable | Kind::TooMany) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            done => return done,
        }
    }
}
