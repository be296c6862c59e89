//! Groups of devices: a tree by path (`lighting/ward-1`). A device may be in several; what is said of a group holds for
//! those below it. A group may belong to an organisation: then only those who hold the permission there change its
//! devices or command them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use dothi_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Device, DeviceChange, DeviceState, Devices, Entry, NewCommand, may_read, read, unknown, write};
use crate::tables_devices;

/// Groups of one device.
const MAX_OF_DEVICE: usize = 20;
/// Groups in all.
const MAX_GROUPS: usize = 10_000;
/// Devices of one bulk action.
const MAX_BULK: usize = 1_000;

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Path: names of lower-case letters, digits and `-`, set apart by `/`.
    pub path: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// Organisation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What is told of a new or changed group.
pub type NewGroup = Group;

/// How the devices of a group are doing, those of the groups below it too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupLife {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// Devices.
    pub devices: usize,
    /// Of these, heard of in time.
    pub ok: usize,
    /// Silent for too long.
    pub silent: usize,
    /// Never heard of.
    pub never: usize,
    /// Whose last message was marked.
    pub doubtful: usize,
    /// Whose battery is low.
    pub battery_low: usize,
}

/// One action on many devices.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// Devices, at most 1,000.
    #[serde(default)]
    pub devices: Vec<String>,
    /// All devices of a group instead, and of those below it; at most 1,000.
    #[serde(default)]
    pub group: Option<String>,
    /// What to do.
    pub action: BulkAction,
}

/// What is done with each of many devices.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BulkAction {
    /// Send a command.
    Command(NewCommand),
    /// Put into a group.
    Join(String),
    /// Take out of a group.
    Leave(String),
    /// Remove the device.
    Remove,
}

/// What became of one device in a bulk action.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulkItem {
    /// Device.
    pub device: String,
    /// Whether it was done.
    pub ok: bool,
    /// The command, when one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Why it was not done: the code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

fn valid_path(path: &str) -> bool {
    let name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    path.len() <= 200 && path.split('/').count() <= 8 && path.split('/').all(name)
}

/// Whether `path` is `group` or below it.
fn within(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn missing() -> Error {
    Error::not_found("device.group.unknown", "There is no such group.")
}

impl Entry {
    /// Whether it is in a group or in one below it.
    pub(super) fn belongs(&self, group: &str) -> bool {
        read(&self.groups).iter().any(|g| within(g, group))
    }
}

impl Devices {
    /// Reads groups, and puts devices into theirs.
    pub(super) async fn load_groups(store: &Store, entries: &BTreeMap<Arc<str>, Arc<Entry>>) -> Result<BTreeMap<Arc<str>, Group>> {
        let mut groups = BTreeMap::new();
        for row in tables_devices::groups(store).await? {
            let group = Group { path: row.text("path")?, title: row.text("title")?, title_en: row.text("title_en")?, unit: row.opt_text("unit")? };
            groups.insert(Arc::from(group.path.as_str()), group);
        }
        let mut of: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
        let mut after = (String::new(), String::new());
        loop {
            let rows = tables_devices::memberships(store, &after.0, &after.1).await?;
            let Some(last) = rows.last() else { break };
            after = (last.text("device")?, last.text("path")?);
            for row in &rows {
                of.entry(row.text("device")?).or_default().push(row.text("path")?.into());
            }
        }
        for (device, paths) in of {
            if let Some(entry) = entries.get(device.as_str()) {
                *write(&entry.groups) = paths.into();
            }
        }
        Ok(groups)
    }

    /// Whether these can be the groups of a device.
    pub(super) fn check_groups(&self, paths: &[String]) -> Result<()> {
        let groups = read(&self.groups);
        match paths.iter().find(|p| !groups.contains_key(p.as_str())) {
            Some(path) => Err(Error::invalid("device.invalid", "There is no such group.").with("field", "groups").with("group", path)),
            None if paths.len() > MAX_OF_DEVICE => Err(Error::invalid("device.invalid", "A device is in at most 20 groups.").with("field", "groups")),
            None => Ok(()),
        }
    }

    /// The organisations that a device belongs to by its groups, or by the groups above them.
    fn owners(&self, paths: &[Arc<str>]) -> BTreeSet<String> {
        let groups = read(&self.groups);
        let above = |path: &str| groups.values().filter(|g| within(path, &g.path)).filter_map(|g| g.unit.clone()).collect::<Vec<_>>();
        paths.iter().flat_map(|p| above(p)).collect()
    }

    /// Whether a caller may do this with a device: anywhere for those that belong to nobody, else in an organisation that
    /// one of its groups belongs to.
    fn allowed(&self, caller: &Caller, permission: Permission, paths: &[Arc<str>]) -> Result<()> {
        caller.require(permission, Scope::ANY)?;
        let owners = self.owners(paths);
        if owners.is_empty() || owners.iter().any(|unit| caller.may(permission, Scope::unit(unit))) {
            return Ok(());
        }
        Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."))
    }

    /// The device, if the caller may do this with it. 404 `device.unknown`.
    pub(super) fn reach(&self, caller: &Caller, permission: Permission, id: &str) -> Result<Arc<Entry>> {
        caller.require(permission, Scope::ANY)?;
        let entry = self.entry(id).ok_or_else(unknown)?;
        let paths = read(&entry.groups).clone();
        self.allowed(caller, permission, &paths)?;
        Ok(entry)
    }

    /// Groups by path, with how their devices are doing.
    pub fn group_list(&self, caller: &Caller, page: &PageQuery) -> Result<Page<GroupLife>> {
        may_read(caller)?;
        let after = page.after.clone().unwrap_or_default();
        let wanted: Vec<Group> = read(&self.groups).values().filter(|g| *g.path > *after).take(page.limit() + 1).cloned().collect();
        let blank = |group: Group| GroupLife { group, devices: 0, ok: 0, silent: 0, never: 0, doubtful: 0, battery_low: 0 };
        let mut lives: Vec<GroupLife> = wanted.into_iter().map(blank).collect();
        for entry in read(&self.entries).values() {
            let paths = read(&entry.groups).clone();
            if paths.is_empty() {
                continue;
            }
            let mut device: Option<Device> = None;
            for life in lives.iter_mut().filter(|l| paths.iter().any(|p| within(p, &l.group.path))) {
                let device = device.get_or_insert_with(|| self.describe(entry, caller.now));
                life.devices += 1;
                match device.state {
                    DeviceState::Ok => life.ok += 1,
                    DeviceState::Silent => life.silent += 1,
                    DeviceState::Never => life.never += 1,
                }
                life.doubtful += usize::from(device.flags != 0);
                life.battery_low += usize::from(device.battery_low);
            }
        }
        Ok(Page::of(lives, page.limit(), |l| l.group.path.clone()))
    }

    /// Makes or changes a group. The one above it must be there.
    pub async fn put_group(&self, caller: &Caller, group: NewGroup) -> Result<Group> {
        self.allowed(caller, Permission::DeviceManage, &[group.path.as_str().into()])?;
        let bad = |field: &'static str, why: &str| Error::invalid("device.group.invalid", why.to_string()).with("field", field);
        if !valid_path(&group.path) {
            return Err(bad("path", "The path must be names of lower-case letters, digits and '-', set apart by '/'."));
        }
        if group.title.trim().is_empty() || group.title.len() > 200 || group.title_en.len() > 200 {
            return Err(bad("title", "A title of 1 to 200 bytes is needed."));
        }
        if let Some(unit) = &group.unit {
            if unit.is_empty() || unit.len() > 64 {
                return Err(bad("unit", "The unit must be an organisation's code."));
            }
            // Nobody gives away what is not theirs.
            caller.require(Permission::DeviceManage, Scope::unit(unit))?;
        }
        {
            let groups = read(&self.groups);
            if groups.len() >= MAX_GROUPS && !groups.contains_key(group.path.as_str()) {
                return Err(Error::too_many("device.group.too-many", "There are too many groups."));
            }
            if group.path.rsplit_once('/').is_some_and(|(above, _)| !groups.contains_key(above)) {
                return Err(bad("path", "The group above it must be there first."));
            }
        }
        let mut tx = self.store.begin(caller).await?;
        tables_devices::put_group(&mut tx, &group).await?;
        tx.audit("device.group.put", &format!("device-group:{}", group.path), &json!({ "title": group.title, "unit": group.unit })).await?;
        tx.commit().await?;
        write(&self.groups).insert(group.path.as_str().into(), group.clone());
        Ok(group)
    }

    /// Removes an empty group. 409 `device.group.in-use`.
    pub async fn drop_group(&self, caller: &Caller, path: &str) -> Result<()> {
        self.allowed(caller, Permission::DeviceManage, &[path.into()])?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_devices::drop_group(&mut tx, path).await? {
            return Err(missing());
        }
        tx.audit("device.group.remove", &format!("device-group:{path}"), &json!({})).await?;
        tx.commit().await?;
        write(&self.groups).remove(path);
        Ok(())
    }

    /// Changes a device. Its connections stay.
    pub async fn change(&self, caller: &Caller, id: &str, change: DeviceChange) -> Result<Device> {
        let entry = self.reach(caller, Permission::DeviceManage, id)?;
        if change.name.as_ref().is_some_and(|n| n.trim().is_empty() || n.len() > 200) {
            return Err(Error::invalid("device.invalid", "A name of 1 to 200 bytes is needed.").with("field", "name"));
        }
        let mut paths = None;
        if let Some(wanted) = &change.groups {
            self.check_groups(wanted)?;
            let wanted: BTreeSet<Arc<str>> = wanted.iter().map(|g| Arc::from(g.as_str())).collect();
            let wanted: Arc<[Arc<str>]> = wanted.into_iter().collect();
            // Into a group of others nobody puts what they could not reach there.
            self.allowed(caller, Permission::DeviceManage, &wanted)?;
            paths = Some(wanted);
        }
        let mut tx = self.store.begin(caller).await?;
        if let Some(name) = &change.name {
            tables_devices::set_name(&mut tx, id, name.trim()).await?;
        }
        if let Some(paths) = &paths {
            let paths: Vec<String> = paths.iter().map(|p| p.to_string()).collect();
            tables_devices::set_groups(&mut tx, id, &paths).await?;
        }
        tx.audit("device.change", &format!("device:{id}"), &json!({ "name": change.name, "groups": change.groups })).await?;
        tx.commit().await?;
        if let Some(name) = change.name {
            *write(&entry.name) = name.trim().into();
        }
        if let Some(paths) = paths {
            *write(&entry.groups) = paths;
        }
        Ok(self.describe(&entry, caller.now))
    }

    /// Does one thing with many devices; each has its own result. The outer error means that nothing was tried.
    pub async fn bulk(&self, caller: &Caller, bulk: Bulk) -> Result<Vec<BulkItem>> {
        let permission = if matches!(bulk.action, BulkAction::Command(_)) { Permission::DeviceCommand } else { Permission::DeviceManage };
        caller.require(permission, Scope::ANY)?;
        let ids: BTreeSet<String> = match &bulk.group {
            Some(group) if !read(&self.groups).contains_key(group.as_str()) => return Err(missing()),
            Some(group) => read(&self.entries).values().filter(|e| e.belongs(group)).map(|e| e.id.to_string()).take(MAX_BULK + 1).collect(),
            None => bulk.devices.into_iter().collect(),
        };
        if ids.is_empty() || ids.len() > MAX_BULK {
            return Err(Error::invalid("device.bulk", "A bulk action concerns 1 to 1,000 devices.").with("devices", ids.len()));
        }
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            let done = match &bulk.action {
                BulkAction::Command(new) => self.send_command(caller, &id, new.clone(), None).await.map(|c| Some(c.id.to_string())),
                BulkAction::Join(path) => self.move_one(caller, &id, path, true).await.map(|()| None),
                BulkAction::Leave(path) => self.move_one(caller, &id, path, false).await.map(|()| None),
                BulkAction::Remove => self.remove(caller, &id).await.map(|()| None),
            };
            items.push(match done {
                Ok(command) => BulkItem { device: id, ok: true, command, code: None, detail: None },
                Err(e) => BulkItem { device: id, ok: false, command: None, code: Some(e.code().to_string()), detail: Some(e.detail().to_string()) },
            });
        }
        Ok(items)
    }

    async fn move_one(&self, caller: &Caller, id: &str, path: &str, into: bool) -> Result<()> {
        let entry = self.reach(caller, Permission::DeviceManage, id)?;
        let mut groups: Vec<String> = read(&entry.groups).iter().map(|g| g.to_string()).filter(|g| g != path).collect();
        if into {
            groups.push(path.to_string());
        }
        self.change(caller, id, DeviceChange { groups: Some(groups), name: None }).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_a_tree() {
        assert!(valid_path("lighting/ward-1") && valid_path("a"));
        for bad in ["", "/", "a/", "/a", "A", "a b", "a//b", "a/b/c/d/e/f/g/h/i"] {
            assert!(!valid_path(bad), "{bad}");
        }
        assert!(within("a/b", "a") && within("a", "a") && !within("ab", "a") && !within("a", "a/b"));
    }
}
