//! Commands to devices: checked against the profile, durable before they are answered, kept until the device took
//! them or their time is over.
//!
//! `queued` → `sent` (on the wire, or with the network server) → `delivered` (the device has it) → `acknowledged` or
//! `failed`; `expired` when it was not delivered in time; `cancelled` by an operator. For devices that do not answer,
//! `delivered` is the end. A device may get a command twice (after a crash or a lost acknowledgement): the id tells.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Timestamp, time};
use dothi_store::{Row, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Accepted, Devices, Entry, Refusal, lock, may_read, read};
use crate::codec::Call;
use crate::decode::{self, Decoder};
use crate::downlink::{CommandSpec, Frame};
use crate::lorawan::{Fate, Notice};
use crate::tables_commands as tables;

/// Timer of a command; its key is the command's id.
pub(crate) const TIMER: &str = "context.command";
/// Commands of one device under way.
const MAX_OF_DEVICE: usize = 100;
/// Commands under way in all.
const MAX_OPEN: usize = 100_000;
/// Bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024;
/// Bytes of a reason that a device gives.
const MAX_REASON: usize = 500;

/// How far a command got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommandState {
    /// Waits for the device.
    Queued,
    /// On its way, or with the network server.
    Sent,
    /// The device has it.
    Delivered,
    /// The device did it.
    Acknowledged,
    /// The device could not do it, or did not answer in time.
    Failed,
    /// It could not be delivered in time.
    Expired,
    /// Taken back before it was sent.
    Cancelled,
}

impl CommandState {
    pub(crate) fn code(self) -> &'static str {
        match self {
            CommandState::Queued => "queued",
            CommandState::Sent => "sent",
            CommandState::Delivered => "delivered",
            CommandState::Acknowledged => "acknowledged",
            CommandState::Failed => "failed",
            CommandState::Expired => "expired",
            CommandState::Cancelled => "cancelled",
        }
    }

    fn of(code: &str) -> Result<Self> {
        serde_json::from_value(code.into()).map_err(|e| Error::internal("reading a command's state", e))
    }
}

/// A command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Command {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Device.
    pub device: String,
    /// Name, as the device's profile declares it.
    pub command: String,
    /// Parameters.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// How far it got.
    pub state: CommandState,
    /// Who sent it: login or program name.
    pub actor: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// Until when it may be delivered.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent: Option<Timestamp>,
    /// When the device had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered: Option<Timestamp>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Why it failed: the device's words, or a code of ours (`device.command.…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the device answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
}

/// What is told of a new command.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// Name, as the device's profile declares it.
    pub command: String,
    /// Parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Seconds for which it waits for the device; at most what the profile says.
    #[serde(default)]
    pub expires_s: Option<u32>,
}

/// Which commands are listed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CommandQuery {
    /// Device.
    pub device: Option<String>,
    /// State.
    #[param(value_type = Option<String>)]
    pub state: Option<CommandState>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A command on its way, as the broker needs it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: Uuid,
    pub(crate) device: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) expires: Timestamp,
    /// Goes to a network server: what that acknowledges is sent, not delivered.
    pub(crate) network: bool,
    answers: bool,
    answer_s: u32,
    state: CommandState,
}

/// What happened to a command on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is on the wire, or with the network server.
    Sent,
    /// The device has it.
    Delivered,
    /// It was given up on the way.
    Lost,
}

/// Commands under way, and whom to look at.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    open: Mutex<Open>,
    fresh: Mutex<HashSet<Arc<str>>>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Open {
    of: BTreeMap<Arc<str>, Vec<Waiting>>,
    device: HashMap<Uuid, Arc<str>>,
}

impl Open {
    fn add(&mut self, waiting: Waiting) {
        self.device.insert(waiting.id, waiting.device.clone());
        self.of.entry(waiting.device.clone()).or_default().push(waiting);
    }

    fn find(&mut self, id: Uuid) -> Option<&mut Waiting> {
        let device = self.device.get(&id)?;
        self.of.get_mut(device)?.iter_mut().find(|w| w.id == id)
    }

    fn remove(&mut self, id: Uuid) {
        let Some(device) = self.device.remove(&id) else { return };
        if let Some(list) = self.of.get_mut(&device) {
            list.retain(|w| w.id != id);
            if list.is_empty() {
                self.of.remove(&device);
            }
        }
    }
}

impl Commands {
    pub(super) async fn load(store: &Store) -> Result<Self> {
        let mut open = Open::default();
        let mut after = String::new();
        loop {
            let rows = tables::open(store, &after).await?;
            let Some(last) = rows.last() else { break };
            after = last.text("id")?;
            for row in &rows {
                open.add(Waiting {
                    id: row.uuid("id")?,
                    device: row.text("device")?.into(),
                    topic: row.text("topic")?.into(),
                    payload: row.bytes("payload")?.into(),
                    expires: row.time("expires")?,
                    network: row.flag("network")?,
                    answers: row.flag("answers")?,
                    answer_s: u32::try_from(row.int("answer_s")?).unwrap_or(u32::MAX),
                    state: CommandState::of(&row.text("state")?)?,
                });
            }
        }
        Ok(Self { open: Mutex::new(open), ..Self::default() })
    }

    /// Commands of a device under way.
    pub(super) fn of_device(&self, device: &str) -> usize {
        lock(&self.open).of.get(device).map_or(0, Vec::len)
    }

    pub(super) fn forget_device(&self, device: &str) {
        let mut open = lock(&self.open);
        for waiting in open.of.remove(device).unwrap_or_default() {
            open.device.remove(&waiting.id);
        }
    }

    /// Asks the broker to look at a device.
    pub(crate) fn look(&self, device: &Arc<str>) {
        lock(&self.fresh).insert(device.clone());
        self.wake.notify_one();
    }

    /// Asks the broker to look at all devices with waiting commands under topics that fit.
    pub(crate) fn look_where(&self, fits: impl Fn(&str) -> bool) {
        let devices: Vec<Arc<str>> = {
            let open = lock(&self.open);
            open.of.iter().filter(|(_, list)| list.iter().any(|w| w.wants() && fits(&w.topic))).map(|(device, _)| device.clone()).collect()
        };
        if !devices.is_empty() {
            lock(&self.fresh).extend(devices);
            self.wake.notify_one();
        }
    }

    /// Waits for devices that should be looked at.
    pub(crate) async fn awaited(&self) -> Vec<Arc<str>> {
        loop {
            let woken = self.wake.notified();
            let devices: Vec<Arc<str>> = lock(&self.fresh).drain().collect();
            if !devices.is_empty() {
                return devices;
            }
            woken.await;
        }
    }

    /// What a device has not got yet, oldest first.
    pub(crate) fn waiting(&self, device: &str, now: Timestamp) -> Vec<Waiting> {
        let open = lock(&self.open);
        open.of.get(device).map_or_else(Vec::new, |list| list.iter().filter(|w| w.wants() && now < w.expires).cloned().collect())
    }
}

impl Waiting {
    /// Whether it should be handed out. What a network server has once is its own affair.
    fn wants(&self) -> bool {
        self.state == CommandState::Queued || (self.state == CommandState::Sent && !self.network)
    }
}

fn read_command(row: &Row) -> Result<Command> {
    Ok(Command {
        id: row.uuid("id")?,
        device: row.text("device")?,
        command: row.text("command")?,
        parameters: row.json("parameters")?,
        state: CommandState::of(&row.text("state")?)?,
        actor: row.text("actor")?,
        created: row.time("created")?,
        expires: row.time("expires")?,
        sent: row.opt_time("sent")?,
        delivered: row.opt_time("delivered")?,
        ended: row.opt_time("ended")?,
        reason: row.opt_text("reason")?,
        result: row.opt_text("result")?.and_then(|t| serde_json::from_str(&t).ok()),
    })
}

fn no_command() -> Error {
    Error::not_found("device.command.missing", "There is no such command.")
}

impl Devices {
    /// Takes a command for a device; durable when it returns. The same `key` again gives the command of before.
    /// 404 `device.command.unknown`, 422 `device.command.parameter`, `device.command.no-way` or of the codec, 429
    /// `device.command.too-many`.
    pub async fn send_command(&self, caller: &Caller, device: &str, new: NewCommand, key: Option<&str>) -> Result<Command> {
        let entry = self.reach(caller, Permission::DeviceCommand, device)?;
        let undeclared = || Error::not_found("device.command.unknown", "The device's profile knows no such command.");
        let decoder = self.decoder(&entry.profile).ok_or_else(undeclared)?;
        let spec = decoder.profile.commands.iter().find(|c| c.name == new.command).ok_or_else(undeclared)?;
        let told = spec.fill(&new.parameters)?;
        let downlink = &decoder.profile.downlink;
        let most = spec.expires_s.unwrap_or(downlink.expires_s);
        let lasts = new.expires_s.unwrap_or(most);
        if lasts == 0 || lasts > most {
            return Err(Error::invalid("device.command.expires", "The command may wait at most as long as its profile says.").with("limit", most));
        }
        let expires = time::micros(caller.now.as_microsecond() + i64::from(lasts) * 1_000_000);
        {
            let open = lock(&self.commands.open);
            if open.of.get(device).is_some_and(|l| l.len() >= MAX_OF_DEVICE) || open.device.len() >= MAX_OPEN {
                return Err(
                    Error::too_many("device.command.too-many", "Too many commands wait for this device.").retry_after(std::time::Duration::from_secs(60))
                );
            }
        }
        let id = self.clock().id();
        let (topic, payload, network) = self.compose(&decoder, &entry, spec, told, id, expires).await?;
        let waiting = Waiting {
            id,
            device: entry.id.clone(),
            topic: topic.into(),
            payload: payload.into(),
            expires,
            network,
            answers: downlink.answers.unwrap_or(!decoder.profile.lorawan),
            answer_s: spec.answer_s.unwrap_or(downlink.answer_s),
            state: CommandState::Queued,
        };
        let command = Command {
            id,
            device: device.to_string(),
            command: new.command,
            parameters: new.parameters,
            state: CommandState::Queued,
            actor: caller.name.to_string(),
            created: caller.now,
            expires,
            sent: None,
            delivered: None,
            ended: None,
            reason: None,
            result: None,
        };
        let mut tx = self.store.begin(caller).await?;
        if let Some(key) = key
            && let Some(before) = tx.once("device.command", &format!("{device}:{key}"), &id.to_string()).await?
        {
            tx.rollback().await?;
            return tables::one(&self.store, &before).await?.map_or_else(|| Err(no_command()), |row| read_command(&row));
        }
        tables::insert(&mut tx, &command, &waiting, waiting.answers, waiting.answer_s).await?;
        tx.schedule(TIMER, &id.to_string(), expires).await?;
        let facts = json!({ "command": id, "name": command.command, "parameters": command.parameters });
        tx.audit("device.command.send", &format!("device:{device}"), &facts).await?;
        tx.commit().await?;
        lock(&self.commands.open).add(waiting);
        self.commands.look(&entry.id);
        Ok(command)
    }

    /// Topic and payload of a command, and whether it goes to a network server.
    async fn compose(
        &self,
        decoder: &Decoder,
        entry: &Entry,
        spec: &CommandSpec,
        told: Map<String, Value>,
        id: Uuid,
        expires: Timestamp,
    ) -> Result<(String, Vec<u8>, bool)> {
        let (profile, downlink) = (&decoder.profile, &decoder.profile.downlink);
        let mut port = downlink.port;
        // A converter reads messages and makes none: then the network server's own codec is told.
        let codec = profile.codec.as_ref().filter(|_| profile.codec_kind.converter().is_none());
        let frame = match codec {
            None => Frame::Data(told),
            Some(name) => {
                let missing = || Error::unprocessable("device.codec-unknown", "The profile's codec is not installed.");
                let source = read(&self.sources).get(name).cloned().ok_or_else(missing)?;
                let output = self.codecs()?.run(source, Call::EncodeDownlink { data: Value::Object(told), port, variables: Map::new() }).await?;
                if let Some(words) = output.errors.first() {
                    return Err(Error::unprocessable("codec.failed", words.clone()));
                }
                port = output.port.unwrap_or(port);
                Frame::Bytes(output.bytes)
            }
        };
        if profile.lorawan {
            let unknown = || Error::unprocessable("device.command.no-way", "The device's network server has not been heard over MQTT yet.");
            let way = lock(&entry.live).way.clone().ok_or_else(unknown)?;
            let message = way.message(&id.to_string(), downlink.confirmed, port, &frame);
            return Ok((way.topic(), message.to_string().into_bytes(), true));
        }
        let topic = downlink.topic.replace("{device}", &entry.id).replace("{command}", &spec.name);
        let payload = match frame {
            Frame::Bytes(bytes) => bytes,
            Frame::Data(told) => json!({ "id": id, "command": spec.name, "parameters": told, "expires": expires }).to_string().into_bytes(),
        };
        Ok((topic, payload, false))
    }

    /// One command. 404 `device.command.missing`.
    pub async fn command(&self, caller: &Caller, id: Uuid) -> Result<Command> {
        may_see(caller)?;
        tables::one(&self.store, &id.to_string()).await?.map_or_else(|| Err(no_command()), |row| read_command(&row))
    }

    /// Commands, newest first.
    pub async fn commands(&self, caller: &Caller, query: &CommandQuery) -> Result<Page<Command>> {
        may_see(caller)?;
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let state = query.state.map(CommandState::code);
        let rows = tables::list(&self.store, query.device.as_deref(), state, page.after.as_deref(), page.limit() + 1).await?;
        let commands = rows.iter().map(read_command).collect::<Result<Vec<_>>>()?;
        Ok(Page::of(commands, page.limit(), |c| c.id.to_string()))
    }

    /// Takes back a command that was not sent yet. 409 `device.command.under-way`.
    pub async fn cancel_command(&self, caller: &Caller, id: Uuid) -> Result<Command> {
        caller.require(Permission::DeviceCommand, dothi_kernel::Scope::ANY)?;
        let row = tables::one(&self.store, &id.to_string()).await?.ok_or_else(no_command)?;
        let command = read_command(&row)?;
        self.reach(caller, Permission::DeviceCommand, &command.device)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables::end(&mut tx, id, &[CommandState::Queued], CommandState::Cancelled, None, None).await? {
            return Err(Error::conflict("device.command.under-way", "The command is on its way, or has come to its end."));
        }
        tx.unschedule(TIMER, &id.to_string()).await?;
        tx.audit("device.command.cancel", &format!("device:{}", command.device), &json!({ "command": id })).await?;
        tx.commit().await?;
        lock(&self.commands.open).remove(id);
        Ok(Command { state: CommandState::Cancelled, ended: Some(caller.now), ..command })
    }

    /// The commands under way, for the broker.
    pub(crate) fn under_way(&self) -> &Commands {
        &self.commands
    }

    /// Notes what happened to commands on their way. Steps of commands that came to their end are of no interest.
    pub(crate) async fn note_steps(&self, steps: &[(Uuid, Step)]) -> Result<()> {
        let mut tx = self.store.begin_as("devices").await?;
        let now = tx.now();
        let mut ended = Vec::new();
        for (id, step) in steps {
            // Memory goes ahead, so that what a device has is not handed out again meanwhile.
            let known = {
                let mut open = lock(&self.commands.open);
                open.find(*id).map(|w| {
                    w.state = match step {
                        Step::Sent if w.state == CommandState::Queued => CommandState::Sent,
                        Step::Delivered => CommandState::Delivered,
                        _ => w.state,
                    };
                    (w.answers, w.answer_s)
                })
            };
            let Some((answers, answer_s)) = known else { continue };
            let timer = id.to_string();
            match step {
                Step::Sent => tables::sent(&mut tx, *id).await?,
                Step::Delivered if answers => {
                    if tables::delivered(&mut tx, *id, false).await? {
                        tx.schedule(TIMER, &timer, time::micros(now.as_microsecond() + i64::from(answer_s) * 1_000_000)).await?;
                    }
                }
                Step::Delivered => {
                    tables::delivered(&mut tx, *id, true).await?;
                    tx.unschedule(TIMER, &timer).await?;
                    ended.push(*id);
                }
                Step::Lost => {
                    let from = [CommandState::Queued, CommandState::Sent];
                    tables::end(&mut tx, *id, &from, CommandState::Failed, Some("device.command.lost"), None).await?;
                    tx.unschedule(TIMER, &timer).await?;
                    ended.push(*id);
                }
            }
        }
        tx.commit().await?;
        let mut open = lock(&self.commands.open);
        ended.into_iter().for_each(|id| open.remove(id));
        Ok(())
    }

    /// A device's answer: `{"id": …, "ok": true, "result": …, "reason": …}`; without `id` it means the oldest command that
    /// the device has. Durable when it returns; the same answer again changes nothing.
    pub(crate) async fn answer(&self, entry: &Entry, payload: &[u8]) -> Result<std::result::Result<Accepted, Refusal>> {
        let refuse = |code: &'static str| {
            self.note_error(entry, code);
            Ok(Err(Refusal::Payload(code)))
        };
        if payload.len() > MAX_ANSWER {
            return refuse("device.payload.too-many");
        }
        let Ok(Value::Object(mut answer)) = decode::parse(payload) else { return refuse("device.payload.json") };
        let id = match answer.get("id") {
            None => lock(&self.commands.open).of.get(&entry.id).and_then(|l| l.iter().find(|w| w.state != CommandState::Queued)).map(|w| w.id),
            Some(id) => id.as_str().and_then(|t| t.parse::<Uuid>().ok()),
        };
        let Some(id) = id else { return refuse("device.command.missing") };
        let ok = answer.get("ok").and_then(Value::as_bool).unwrap_or(true);
        let reason = answer.get("reason").and_then(Value::as_str).map(|r| r.chars().take(MAX_REASON).collect::<String>());
        let result = answer.remove("result").filter(|r| !r.is_null()).map(|r| r.to_string());
        let state = if ok { CommandState::Acknowledged } else { CommandState::Failed };
        let mut tx = self.store.begin_as(&format!("device:{}", entry.id)).await?;
        let from = [CommandState::Queued, CommandState::Sent, CommandState::Delivered];
        let known = tables::of(&mut tx, id, &entry.id).await?;
        if known {
            if tables::end(&mut tx, id, &from, state, reason.as_deref(), result.as_deref()).await? {
                tx.unschedule(TIMER, &id.to_string()).await?;
            }
            tx.commit().await?;
            lock(&self.commands.open).remove(id);
            let now = self.clock().now();
            self.note(entry, |live| live.last_seen = Some(now));
            return Ok(Ok(Accepted::Noted));
        }
        refuse("device.command.missing")
    }

    /// What a network server tells of a command.
    pub(super) async fn news(&self, entry: &Entry, payload: &[u8]) -> Result<std::result::Result<Accepted, Refusal>> {
        let refuse = |code: &'static str| {
            self.note_error(entry, code);
            Ok(Err(Refusal::Payload(code)))
        };
        let Some(notice) = decode::parse(payload).ok().and_then(|m| Notice::read(&m)) else { return refuse("device.payload.envelope") };
        let command = notice.command.and_then(|id| id.parse::<Uuid>().ok());
        let Some(id) = command else { return Ok(Ok(Accepted::Noted)) };
        let confirmed = self.decoder(&entry.profile).is_none_or(|d| d.profile.downlink.confirmed);
        let step = match notice.fate {
            // Nothing more is ever heard of what needs no confirmation.
            Fate::Sent if !confirmed => Step::Delivered,
            Fate::Queued | Fate::Sent => Step::Sent,
            Fate::Acknowledged => Step::Delivered,
            Fate::Lost => Step::Lost,
        };
        // A network server speaks of the device that it names, and of no other.
        if lock(&self.commands.open).device.get(&id).is_some_and(|d| *d == entry.id) {
            self.note_steps(&[(id, step)]).await?;
        }
        Ok(Ok(Accepted::Noted))
    }

    /// Hands a device that asks over HTTP what waits for it; that counts as delivered.
    pub(crate) async fn take_commands(&self, entry: &Entry) -> Result<Vec<Value>> {
        let now = self.clock().now();
        let waiting: Vec<Waiting> = self.commands.waiting(&entry.id, now).into_iter().filter(|w| !w.network).collect();
        self.note(entry, |live| live.last_seen = Some(now));
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let steps: Vec<(Uuid, Step)> = waiting.iter().map(|w| (w.id, Step::Delivered)).collect();
        self.note_steps(&steps).await?;
        use base64::Engine as _;
        let told = |w: &Waiting| {
            let bytes = || json!({ "id": w.id, "bytes": base64::engine::general_purpose::STANDARD.encode(&w.payload), "expires": w.expires });
            serde_json::from_slice::<Value>(&w.payload).ok().filter(Value::is_object).unwrap_or_else(bytes)
        };
        Ok(waiting.iter().map(told).collect())
    }

    /// Looks whether a command's time is over.
    pub(crate) async fn command_due(&self, id: &str) -> Result<()> {
        let Some(row) = tables::one(&self.store, id).await? else { return Ok(()) };
        let (command, answer_s) = (read_command(&row)?, row.int("answer_s")?);
        let (over, from, state, reason) = match command.state {
            CommandState::Queued | CommandState::Sent => (command.expires, command.state, CommandState::Expired, "device.command.not-delivered"),
            CommandState::Delivered if command.ended.is_none() => {
                let since = command.delivered.unwrap_or(command.created).as_microsecond();
                (time::micros(since + answer_s * 1_000_000), command.state, CommandState::Failed, "device.command.no-answer")
            }
            _ => return Ok(()),
        };
        let mut tx = self.store.begin_as("devices").await?;
        let due = over <= tx.now();
        if !due {
            tx.schedule(TIMER, id, over).await?;
        }
        let ended = due && tables::end(&mut tx, command.id, &[from], state, Some(reason), None).await?;
        tx.commit().await?;
        if ended {
            lock(&self.commands.open).remove(command.id);
        }
        Ok(())
    }
}

fn may_see(caller: &Caller) -> Result<()> {
    if caller.may(Permission::DeviceCommand, dothi_kernel::Scope::ANY) { Ok(()) } else { may_read(caller) }
}
