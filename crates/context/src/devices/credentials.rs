//! What a device signs in with beside its first secret: further secrets and X.509 certificates, each with its own
//! validity, so that they can be renewed without a break. Secrets are kept as hashes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dothi_kernel::{Caller, Error, Permission, Result, Timestamp};
use dothi_store::{Row, Store};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Devices, Entry, der, hash_of, may_read, new_secret, read, same, unknown, write};
use crate::tables_devices;

/// Credentials of one device.
const MAX_OF_DEVICE: usize = 20;

/// What kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A secret (MQTT password, HTTP Basic).
    Secret,
    /// One certificate, by the SHA-256 fingerprint of its DER form. Who issued it does not matter.
    Fingerprint,
    /// Any certificate of an authority trusted here that carries this name (common name, or subject alternative name: DNS,
    /// URI or mail address).
    Name,
}

impl CredentialKind {
    pub(crate) fn code(self) -> &'static str {
        match self {
            CredentialKind::Secret => "secret",
            CredentialKind::Fingerprint => "fingerprint",
            CredentialKind::Name => "name",
        }
    }

    fn of(code: &str) -> Self {
        match code {
            "fingerprint" => CredentialKind::Fingerprint,
            "name" => CredentialKind::Name,
            _ => CredentialKind::Secret,
        }
    }
}

/// A credential as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Kind.
    pub kind: CredentialKind,
    /// Fingerprint (64 hexadecimal digits) or name; none for a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it is for, in people's words.
    pub label: String,
    /// From when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_from: Option<Timestamp>,
    /// Until when it holds, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_to: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
}

/// What is told of a new credential. One of `certificate`, `fingerprint` and `name`, or none for a secret made here.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewCredential {
    /// A certificate in PEM form; its fingerprint is registered, with its validity.
    pub certificate: Option<String>,
    /// SHA-256 of a certificate's DER form: hexadecimal digits, with or without colons.
    pub fingerprint: Option<String>,
    /// A name that certificates of a trusted authority carry.
    pub name: Option<String>,
    /// What it is for.
    pub label: String,
    /// From when it holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_from: Option<Timestamp>,
    /// Until when it holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_to: Option<Timestamp>,
}

/// A credential just added.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NewKey {
    /// The credential.
    pub credential: Credential,
    /// Its secret, when it is one. Shown this once; only its hash is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A credential in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) kind: CredentialKind,
    /// Hash of the secret, fingerprint or name.
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) valid_to: Option<Timestamp>,
    pub(crate) created: Timestamp,
}

impl Key {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.uuid("id")?,
            kind: CredentialKind::of(&row.text("kind")?),
            value: row.text("value")?,
            label: row.text("label")?,
            valid_from: row.opt_time("valid_from")?,
            valid_to: row.opt_time("valid_to")?,
            created: row.time("created")?,
        })
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= now) && self.valid_to.is_none_or(|to| now < to)
    }

    fn described(&self) -> Credential {
        Credential {
            id: self.id,
            kind: self.kind,
            value: (self.kind != CredentialKind::Secret).then(|| self.value.clone()),
            label: self.label.clone(),
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            created: self.created,
        }
    }
}

/// A client's certificate whose private key the client has proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of its DER form, lower-case hexadecimal digits.
    pub fingerprint: String,
    /// Common names and subject alternative names.
    pub names: Vec<String>,
    /// Whether its chain was verified up to an authority trusted here. Without it only its fingerprint counts.
    pub trusted: bool,
    /// From when it holds.
    pub not_before: Timestamp,
    /// The last instant at which it holds.
    pub not_after: Timestamp,
}

impl PeerCertificate {
    /// Reads a certificate's DER form. 400 `device.certificate` when it is none.
    pub fn read(der: &[u8], trusted: bool) -> Result<Self> {
        let facts = der::facts(der).ok_or_else(|| Error::invalid("device.certificate", "This is not an X.509 certificate."))?;
        let fingerprint = Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { fingerprint, names: facts.names, trusted, not_before: facts.not_before, not_after: facts.not_after })
    }

    fn pem(text: &str) -> Result<Self> {
        let unreadable = |_| Error::invalid("device.certificate", "This is not a certificate in PEM form.");
        let der = CertificateDer::from_pem_slice(text.trim().as_bytes()).map_err(unreadable)?;
        Self::read(&der, false)
    }
}

impl Entry {
    /// Whether one of its further secrets has this hash and holds now.
    pub(super) fn has_key(&self, hash: &str, now: Timestamp) -> bool {
        read(&self.keys).iter().any(|k| k.kind == CredentialKind::Secret && same(&k.value, hash) && k.holds(now))
    }
}

impl Devices {
    /// Reads credentials and gives devices theirs; which device a certificate belongs to.
    pub(super) async fn load_credentials(store: &Store, entries: &BTreeMap<Arc<str>, Arc<Entry>>) -> Result<HashMap<(CredentialKind, String), Arc<str>>> {
        let (mut certificates, mut after) = (HashMap::new(), String::new());
        loop {
            let rows = tables_devices::credentials(store, &after, None).await?;
            let Some(last) = rows.last() else { return Ok(certificates) };
            after = last.text("id")?;
            for row in &rows {
                let Some(entry) = entries.get(row.text("device")?.as_str()) else { continue };
                let key = Key::read(row)?;
                if key.kind != CredentialKind::Secret {
                    certificates.insert((key.kind, key.value.clone()), entry.id.clone());
                }
                write(&entry.keys).push(key);
            }
        }
    }

    pub(super) async fn keys_of(store: &Store, device: &str) -> Result<Vec<Key>> {
        tables_devices::credentials(store, "", Some(device)).await?.iter().map(Key::read).collect()
    }

    /// The device that a certificate belongs to: by its fingerprint, or, when its chain was verified, by a name that it
    /// carries. None when it belongs to nobody, or does not hold now, or its names belong to different devices.
    pub fn authenticate_certificate(&self, certificate: &PeerCertificate) -> Option<Arc<str>> {
        self.certified(certificate).map(|entry| entry.id.clone())
    }

    pub(crate) fn certified(&self, certificate: &PeerCertificate) -> Option<Arc<Entry>> {
        let now = self.clock().now();
        if now < certificate.not_before || now > certificate.not_after {
            return None;
        }
        let owner = |kind: CredentialKind, value: &str| {
            let device = read(&self.certificates).get(&(kind, value.to_string())).cloned()?;
            let entry = self.entry(&device)?;
            let holds = read(&entry.keys).iter().any(|k| k.kind == kind && k.value == value && k.holds(now));
            holds.then_some(entry)
        };
        if let Some(entry) = owner(CredentialKind::Fingerprint, &certificate.fingerprint) {
            return Some(entry);
        }
        if !certificate.trusted {
            return None;
        }
        let mut found: Option<Arc<Entry>> = None;
        for entry in certificate.names.iter().filter_map(|name| owner(CredentialKind::Name, name)) {
            if found.as_ref().is_some_and(|f| f.id != entry.id) {
                return None;
            }
            found = Some(entry);
        }
        found
    }

    /// The credentials of a device beside its first secret.
    pub fn credentials(&self, caller: &Caller, device: &str) -> Result<Vec<Credential>> {
        may_read(caller)?;
        let entry = self.entry(device).ok_or_else(unknown)?;
        Ok(read(&entry.keys).iter().map(Key::described).collect())
    }

    /// Adds a credential; those before it keep holding. 409 `device.credential.taken` when a fingerprint or name is in use.
    pub async fn add_credential(&self, caller: &Caller, device: &str, new: NewCredential) -> Result<NewKey> {
        let entry = self.reach(caller, Permission::DeviceManage, device)?;
        let bad = |field: &'static str, why: &str| Error::invalid("device.credential.invalid", why.to_string()).with("field", field);
        if new.label.len() > 200 {
            return Err(bad("label", "The label is too long."));
        }
        if read(&entry.keys).len() >= MAX_OF_DEVICE {
            return Err(Error::too_many("device.credential.too-many", "A device has at most 20 credentials; remove old ones."));
        }
        let (mut valid_from, mut valid_to) = (new.valid_from, new.valid_to);
        let (kind, value, secret) = match (&new.certificate, &new.fingerprint, &new.name) {
            (None, None, None) => {
                let secret = new_secret();
                (CredentialKind::Secret, hash_of(&secret), Some(secret))
            }
            (Some(pem), None, None) => {
                let certificate = PeerCertificate::pem(pem)?;
                valid_from = valid_from.or(Some(certificate.not_before));
                valid_to = valid_to.or(Some(certificate.not_after));
                (CredentialKind::Fingerprint, certificate.fingerprint, None)
            }
            (None, Some(text), None) => {
                let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
                if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(bad("fingerprint", "The fingerprint must be a SHA-256: 64 hexadecimal digits."));
                }
                (CredentialKind::Fingerprint, digits, None)
            }
            (None, None, Some(name)) => {
                let name = name.trim();
                if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                    return Err(bad("name", "The name must have 1 to 200 bytes."));
                }
                (CredentialKind::Name, name.to_string(), None)
            }
            _ => return Err(bad("certificate", "Only one of certificate, fingerprint and name can be said.")),
        };
        if valid_from.zip(valid_to).is_some_and(|(from, to)| from >= to) || valid_to.is_some_and(|to| to <= caller.now) {
            return Err(bad("valid_to", "It would never hold."));
        }
        let key = Key { id: self.clock().id(), kind, value, label: new.label.trim().to_string(), valid_from, valid_to, created: caller.now };
        let mut tx = self.store.begin(caller).await?;
        tables_devices::put_credential(&mut tx, device, &key).await.map_err(|e| match e.code() {
            "store.exists" => Error::conflict("device.credential.taken", "This certificate or name is registered already."),
            _ => e,
        })?;
        tx.audit("device.credential.add", &format!("device:{device}"), &json!({ "credential": key.id, "kind": kind.code() })).await?;
        tx.commit().await?;
        // What the registry holds now may be another entry than that of the beginning.
        let entry = self.entry(device).ok_or_else(unknown)?;
        if kind != CredentialKind::Secret {
            write(&self.certificates).insert((kind, key.value.clone()), entry.id.clone());
        }
        let described = key.described();
        let mut keys = write(&entry.keys);
        if !keys.iter().any(|k| k.id == key.id) {
            keys.push(key);
        }
        Ok(NewKey { credential: described, secret })
    }

    /// Removes a credential. The device's connections end; it comes back with another.
    pub async fn drop_credential(&self, caller: &Caller, device: &str, id: Uuid) -> Result<()> {
        let entry = self.reach(caller, Permission::DeviceManage, device)?;
        let key = read(&entry.keys).iter().find(|k| k.id == id).cloned();
        let key = key.ok_or_else(|| Error::not_found("device.credential.unknown", "There is no such credential."))?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_devices::drop_credential(&mut tx, device, id).await? {
            return Err(Error::not_found("device.credential.unknown", "There is no such credential."));
        }
        tx.audit("device.credential.remove", &format!("device:{device}"), &json!({ "credential": id, "kind": key.kind.code() })).await?;
        tx.commit().await?;
        write(&self.certificates).remove(&(key.kind, key.value));
        self.reload(device).await.map(|_| ())
    }
}
