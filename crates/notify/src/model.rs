//! What goes in and out.

use async_trait::async_trait;
use dothi_kernel::{Caller, Permission, Result, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::pack::Urgency;

/// A name in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NotifyNamed)]
pub struct Named {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// What can be followed, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it is called.
    pub title: Named,
    /// Page about it.
    pub path: String,
    /// Whether the asker reported it.
    pub own: bool,
}

/// Knows what can be followed; the server wires it.
#[async_trait]
pub trait Subjects: Send + Sync {
    /// What a topic is called. None when there is no such thing, or it is not this caller's to follow. `key` is the reporter's.
    async fn subject(&self, caller: &Caller, topic: &Topic, key: Option<&str>) -> Result<Option<Subject>>;
    /// Whether a person in office holds a permission in a unit today.
    async fn may(&self, person: Uuid, permission: Permission, unit: &str) -> Result<bool>;
}

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One case, by its public code.
    Case(String),
    /// Cases of a commune, of a category, or of both.
    Place {
        /// Commune code.
        area: Option<String>,
        /// Category code.
        category: Option<String>,
    },
    /// New work of an officer's units.
    Work,
    /// Deadlines of an officer's units.
    Due,
}

impl Topic {
    /// From its form on the wire: `case:CODE`, `place:AREA/CATEGORY` (either may be empty), `work`, `due`.
    pub fn parse(text: &str) -> Option<Self> {
        let fine = |t: &str| t.len() <= 60 && t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        match text {
            "work" => return Some(Topic::Work),
            "due" => return Some(Topic::Due),
            _ => {}
        }
        if let Some(code) = text.strip_prefix("case:") {
            return (fine(code) && !code.is_empty()).then(|| Topic::Case(code.to_uppercase()));
        }
        let (area, category) = text.strip_prefix("place:")?.split_once('/')?;
        let part = |t: &str| (!t.is_empty()).then(|| t.to_string());
        (fine(area) && fine(category) && (!area.is_empty() || !category.is_empty())).then(|| Topic::Place { area: part(area), category: part(category) })
    }

    /// Whether only people in office follow it.
    pub fn of_office(&self) -> bool {
        matches!(self, Topic::Work | Topic::Due)
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Topic::Case(code) => write!(f, "case:{code}"),
            Topic::Place { area, category } => write!(f, "place:{}/{}", area.as_deref().unwrap_or(""), category.as_deref().unwrap_or("")),
            Topic::Work => f.write_str("work"),
            Topic::Due => f.write_str("due"),
        }
    }
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = NotifyVia)]
pub enum Via {
    /// E-mail.
    Mail,
    /// Web push.
    Push,
}

impl Via {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Via::Mail => "mail",
            Via::Push => "push",
        }
    }
    pub(crate) fn of(code: &str) -> Self {
        if code == "push" { Via::Push } else { Via::Mail }
    }
}

/// A browser's push subscription, as `PushSubscription.toJSON()` gives it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PushInput {
    /// Address of the push service.
    pub endpoint: String,
    /// Its keys.
    pub keys: PushKeys,
}

impl std::fmt::Debug for PushInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushInput(personal)")
    }
}

/// Keys of a push subscription (base64url).
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PushKeys {
    /// Public key.
    pub p256dh: String,
    /// Shared secret.
    pub auth: String,
}

/// Somebody wants to follow something.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FollowRequest {
    /// `case:CODE`, `place:AREA/CATEGORY`, `work` or `due`.
    pub topic: String,
    /// The reporter's key, when the case is their own.
    pub key: Option<String>,
    /// Mail address, or …
    pub mail: Option<String>,
    /// … a browser.
    pub push: Option<PushInput>,
    /// `vi` or `en`.
    pub lang: String,
    /// `now` or `daily` (one mail a day); by itself cases are told at once and areas by the day.
    pub pace: Option<String>,
}

impl std::fmt::Debug for FollowRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FollowRequest({})", self.topic)
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FollowReceipt {
    /// `confirm` (a mail was sent: the link in it begins it) or `following`.
    pub state: String,
    /// Opens "what I follow" for this browser; with a mail address it is in the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// One thing that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FollowView {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// What.
    pub topic: String,
    /// What it is called.
    pub title: Named,
    /// Page about it.
    pub path: String,
    /// Which way word comes.
    pub via: Via,
    /// The address, shortened so that only its owner knows it.
    pub address: String,
    /// `now` or `daily`.
    pub pace: String,
    /// Whether it still waits for the link in the mail.
    pub waiting: bool,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What browsers need to know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotifyOffer)]
pub struct Offer {
    /// Whether mail goes out here.
    pub mail: bool,
    /// Key for `PushManager.subscribe` (base64url).
    pub push_key: String,
}

/// A link's token.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(as = NotifyToken)]
pub struct TokenInput {
    /// From the mail.
    pub token: String,
}

/// A message in the list of who runs the platform: no address, no words.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MessageRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Which way.
    pub via: Via,
    /// Address, shortened.
    pub address: String,
    /// Which words.
    pub template: String,
    /// Case it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `waiting`, `held` (for the digest), `sent`, `dead` (given up), `withdrawn`, `folded` (into a digest).
    pub state: String,
    /// How pressing.
    pub urgency: Urgency,
    /// Tries so far.
    pub tries: u32,
    /// When it is due, or was.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// What the other side said when it took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which messages.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct MessageQuery {
    /// A state; all when left out.
    pub state: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// How the sending stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotifyHealth)]
pub struct Health {
    /// Whether mail is set up.
    pub mail: bool,
    /// Messages that wait, digests included.
    pub waiting: i64,
    /// Messages given up.
    pub dead: i64,
    /// Messages sent within the last 24 hours.
    pub sent_today: i64,
    /// All templates.
    pub templates: Vec<TemplateRef>,
}

/// What messages are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateRef {
    /// Code, as messages carry it.
    pub code: String,
    /// Name.
    pub name: Named,
}

/// Which template is shown.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// Name.
    pub template: String,
    /// `vi` or `en`.
    pub lang: Option<String>,
}

/// A template with made-up values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotifyPreview)]
pub struct Preview {
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
    /// HTML.
    pub html: String,
    /// Push message.
    pub push: String,
}
