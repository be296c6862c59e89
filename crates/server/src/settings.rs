//! Settings: `dothi.toml`, then `DOTHI_*` variables, then flags, in rising order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dothi_kernel::{Error, Result};
use serde::Deserialize;

/// What one installation is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of everything that is kept (`DOTHI_DATA`).
    pub data: PathBuf,
    /// Where people and programs connect (`DOTHI_LISTEN`).
    pub listen: SocketAddr,
    /// Where people and programs connect by HTTPS (`DOTHI_HTTPS_LISTEN`); none: nowhere.
    pub https_listen: Option<SocketAddr>,
    /// Where devices connect by MQTT (`DOTHI_MQTT_LISTEN`).
    pub mqtt_listen: SocketAddr,
    /// Where devices connect by MQTT inside TLS (`DOTHI_MQTTS_LISTEN`); none: nowhere.
    pub mqtts_listen: Option<SocketAddr>,
    /// PEM file of the authorities that vouch for certificates of devices (`DOTHI_MQTT_CLIENT_CA`); none: certificates count by
    /// their registered fingerprints only.
    pub mqtt_client_ca: Option<PathBuf>,
    /// `postgres://…`, or none for the embedded database (`DOTHI_DATABASE_URL`).
    pub database_url: Option<String>,
    /// Folder of the packs (`DOTHI_PACKS`).
    pub packs: PathBuf,
    /// Code of the province served (`DOTHI_HOME`); none: what the base pack says.
    pub home: Option<String>,
    /// Callers on loopback are administrators of the machine APIs (`DOTHI_TRUST_LOOPBACK=1`). For trying out only.
    pub trust_loopback: bool,
    /// Cookies only over HTTPS (`DOTHI_SECURE_COOKIES=1`); set it behind a TLS proxy.
    pub secure_cookies: bool,
    /// Subscriptions may notify private addresses (`DOTHI_NOTIFY_PRIVATE=1`).
    pub notify_private: bool,
    /// Instances that one answer of the temporal API holds at most (`DOTHI_TEMPORAL_PAGE`); 0: 10,000.
    pub temporal_page: usize,
    /// Days for which superseded states of entities are kept (`DOTHI_HISTORY_DAYS`); 0: ten years.
    pub history_days: u32,
    /// Where fire and robbery panels report by SIA DC-09, TCP and UDP (`DOTHI_DC09_LISTEN`); none: nowhere.
    pub dc09_listen: Option<SocketAddr>,
    /// Cameras may have addresses of private networks (`DOTHI_CAMERA_PRIVATE=1`): where most of them are.
    pub camera_private: bool,
    /// Where other programs ask the lake over the PostgreSQL protocol (`DOTHI_PG_LISTEN`); none: nowhere.
    pub pg_listen: Option<SocketAddr>,
    /// Certificate chain and key as PEM files (`DOTHI_TLS_CERT`, `DOTHI_TLS_KEY`) for listeners that speak TLS themselves.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key.
    pub tls_key: Option<PathBuf>,
    /// Drop folder: files of readings put here are imported (`DOTHI_IMPORT_FOLDER`); none: there is none.
    pub import_folder: Option<PathBuf>,
    /// Our own address as people reach it, for links in messages (`DOTHI_PUBLIC_URL`); none: the one listened on.
    pub public_url: Option<String>,
    /// Mail server and sender (`DOTHI_SMTP_URL`, `DOTHI_MAIL_FROM`; in the file `[mail]` with `url` and `from`); empty: no mail goes out.
    pub mail: dothi_notify::mail::MailSettings,
    /// Days for which observations of an entity type are kept; `*` is for all types not named. Empty: for ever.
    pub retention: BTreeMap<String, u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: "./data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            mqtt_listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            https_listen: None,
            mqtts_listen: None,
            mqtt_client_ca: None,
            database_url: None,
            packs: "./packs".into(),
            home: None,
            trust_loopback: false,
            secure_cookies: false,
            notify_private: false,
            temporal_page: 0,
            history_days: 0,
            dc09_listen: None,
            camera_private: false,
            pg_listen: None,
            tls_cert: None,
            tls_key: None,
            import_folder: None,
            public_url: None,
            mail: dothi_notify::mail::MailSettings::default(),
            retention: BTreeMap::new(),
        }
    }
}

fn bad(name: &str, why: impl std::fmt::Display) -> Error {
    Error::invalid("settings.invalid", "A setting cannot be used.").with("setting", name).with("reason", why)
}

fn flag(name: &str, text: &str) -> Result<bool> {
    match text {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" | "" => Ok(false),
        _ => Err(bad(name, "must be 1 or 0")),
    }
}

impl Settings {
    /// Our own address as people reach it.
    pub fn base(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// Reads the file (if it is there) and the variables given by `var`. 400 `settings.invalid` names what is wrong.
    pub fn read(file: &Path, var: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut settings = match std::fs::read_to_string(file) {
            Ok(text) => toml::from_str(&text).map_err(|e| bad("dothi.toml", e.message()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(e) => return Err(bad("dothi.toml", e)),
        };
        let address = |name: &str, text: &str| text.parse::<SocketAddr>().map_err(|e| bad(name, e));
        if let Some(v) = var("DOTHI_DATA") {
            settings.data = v.into();
        }
        if let Some(v) = var("DOTHI_LISTEN") {
            settings.listen = address("DOTHI_LISTEN", &v)?;
        }
        if let Some(v) = var("DOTHI_MQTT_LISTEN") {
            settings.mqtt_listen = address("DOTHI_MQTT_LISTEN", &v)?;
        }
        if let Some(v) = var("DOTHI_HTTPS_LISTEN") {
            settings.https_listen = if v.is_empty() { None } else { Some(address("DOTHI_HTTPS_LISTEN", &v)?) };
        }
        if let Some(v) = var("DOTHI_MQTTS_LISTEN") {
            settings.mqtts_listen = if v.is_empty() { None } else { Some(address("DOTHI_MQTTS_LISTEN", &v)?) };
        }
        if let Some(v) = var("DOTHI_MQTT_CLIENT_CA") {
            settings.mqtt_client_ca = (!v.is_empty()).then(|| v.into());
        }
        if let Some(v) = var("DOTHI_DATABASE_URL") {
            settings.database_url = (!v.is_empty()).then_some(v);
        }
        if let Some(v) = var("DOTHI_PACKS") {
            settings.packs = v.into();
        }
        if let Some(v) = var("DOTHI_PUBLIC_URL") {
            settings.public_url = (!v.is_empty()).then_some(v);
        }
        if let Some(v) = var("DOTHI_SMTP_URL") {
            settings.mail.url = dothi_notify::mail::Secret(v);
        }
        if let Some(v) = var("DOTHI_MAIL_FROM") {
            settings.mail.from = v;
        }
        if let Some(v) = var("DOTHI_HOME") {
            settings.home = Some(v);
        }
        if let Some(v) = var("DOTHI_TRUST_LOOPBACK") {
            settings.trust_loopback = flag("DOTHI_TRUST_LOOPBACK", &v)?;
        }
        if let Some(v) = var("DOTHI_SECURE_COOKIES") {
            settings.secure_cookies = flag("DOTHI_SECURE_COOKIES", &v)?;
        }
        if let Some(v) = var("DOTHI_NOTIFY_PRIVATE") {
            settings.notify_private = flag("DOTHI_NOTIFY_PRIVATE", &v)?;
        }
        if let Some(v) = var("DOTHI_TEMPORAL_PAGE") {
            settings.temporal_page = v.parse().map_err(|e| bad("DOTHI_TEMPORAL_PAGE", e))?;
        }
        if let Some(v) = var("DOTHI_HISTORY_DAYS") {
            settings.history_days = v.parse().map_err(|e| bad("DOTHI_HISTORY_DAYS", e))?;
        }
        if let Some(v) = var("DOTHI_PG_LISTEN") {
            settings.pg_listen = if v.is_empty() { None } else { Some(address("DOTHI_PG_LISTEN", &v)?) };
        }
        if let Some(v) = var("DOTHI_DC09_LISTEN") {
            settings.dc09_listen = if v.is_empty() { None } else { Some(address("DOTHI_DC09_LISTEN", &v)?) };
        }
        if let Some(v) = var("DOTHI_CAMERA_PRIVATE") {
            settings.camera_private = flag("DOTHI_CAMERA_PRIVATE", &v)?;
        }
        if let Some(v) = var("DOTHI_TLS_CERT") {
            settings.tls_cert = (!v.is_empty()).then(|| v.into());
        }
        if let Some(v) = var("DOTHI_TLS_KEY") {
            settings.tls_key = (!v.is_empty()).then(|| v.into());
        }
        if let Some(v) = var("DOTHI_IMPORT_FOLDER") {
            settings.import_folder = (!v.is_empty()).then(|| v.into());
        }
        settings.check()?;
        Ok(settings)
    }

    /// Refuses combinations that would open the platform to strangers.
    pub fn check(&self) -> Result<()> {
        let listeners = [Some(self.listen), self.https_listen, Some(self.mqtt_listen), self.mqtts_listen, self.dc09_listen];
        if self.trust_loopback && !listeners.iter().flatten().all(|l| l.ip().is_loopback()) {
            return Err(bad("DOTHI_TRUST_LOOPBACK", "needs every listener on loopback"));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(bad("DOTHI_TLS_CERT", "needs DOTHI_TLS_KEY, and the other way round"));
        }
        for (name, listener) in [("DOTHI_HTTPS_LISTEN", self.https_listen), ("DOTHI_MQTTS_LISTEN", self.mqtts_listen)] {
            if listener.is_some() && self.tls_cert.is_none() {
                return Err(bad(name, "needs DOTHI_TLS_CERT and DOTHI_TLS_KEY"));
            }
        }
        if self.mqtt_client_ca.is_some() && self.mqtts_listen.is_none() {
            return Err(bad("DOTHI_MQTT_CLIENT_CA", "needs DOTHI_MQTTS_LISTEN"));
        }
        // Tokens travel over it.
        if self.pg_listen.is_some_and(|a| !a.ip().is_loopback()) && self.tls_cert.is_none() {
            return Err(bad("DOTHI_PG_LISTEN", "beyond this machine it needs DOTHI_TLS_CERT"));
        }
        let address = |u: &String| url::Url::parse(u).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.host().is_some());
        if self.public_url.as_ref().is_some_and(|u| !address(u) || u.ends_with('/')) {
            return Err(bad("DOTHI_PUBLIC_URL", "looks like https://dothi.example.vn, without a slash at its end"));
        }
        dothi_notify::mail::Mailer::new(&self.mail)?;
        if self.retention.values().any(|days| *days == 0) {
            return Err(bad("retention", "must be at least a day"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_win_over_the_file_and_bad_ones_are_named() {
        let folder = std::env::temp_dir().join(format!("dothi-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("dothi.toml");
        std::fs::write(&file, "data = \"/a\"\nhome = \"33\"\n").unwrap();
        let got = Settings::read(&file, |n| (n == "DOTHI_DATA").then(|| "/b".to_string())).unwrap();
        assert_eq!((got.data, got.home.as_deref()), (PathBuf::from("/b"), Some("33")));
        let error = Settings::read(&file, |n| (n == "DOTHI_LISTEN").then(|| "nowhere".to_string())).unwrap_err();
        assert!(error.context().iter().any(|(_, v)| v == "DOTHI_LISTEN"), "{error}");
        std::fs::write(&file, "colour = 1").unwrap();
        assert_eq!(Settings::read(&file, |_| None).unwrap_err().code(), "settings.invalid");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn loopback_trust_is_refused_on_open_listeners() {
        let open = Settings { trust_loopback: true, listen: "0.0.0.0:8080".parse().unwrap(), ..Settings::default() };
        assert_eq!(open.check().unwrap_err().code(), "settings.invalid");
        let closed = Settings { trust_loopback: true, ..Settings::default() };
        assert!(closed.check().is_ok());
        let bare = Settings { pg_listen: "0.0.0.0:5432".parse().ok(), ..Settings::default() };
        assert_eq!(bare.check().unwrap_err().code(), "settings.invalid");
        let plain = Settings { mqtts_listen: "127.0.0.1:8883".parse().ok(), ..Settings::default() };
        assert_eq!(plain.check().unwrap_err().code(), "settings.invalid");
        let half = Settings { tls_cert: Some("c.pem".into()), ..Settings::default() };
        assert_eq!(half.check().unwrap_err().code(), "settings.invalid");
    }
}
