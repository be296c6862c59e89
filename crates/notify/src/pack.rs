//! What a pack may declare: `notify/*.toml` with the texts of messages, who is told what when, and how much at most.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::render;

/// The part of a pack that is ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyPack {
    /// How much at most, and when not.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// Names of what is followed in office: `work`, `due`.
    #[serde(default)]
    pub title: BTreeMap<String, crate::model::Named>,
    /// Texts by name.
    #[serde(default)]
    pub template: BTreeMap<String, Template>,
    /// Who is told what when.
    #[serde(default)]
    pub news: Vec<News>,
}

/// Bounds of what goes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Nothing ordinary goes out from this hour (`22:00`) …
    pub quiet_from: String,
    /// … until this one.
    pub quiet_to: String,
    /// When digests go out.
    pub digest_at: String,
    /// Mails a minute, all together.
    pub mails_per_minute: u32,
    /// Push messages a minute, all together.
    pub pushes_per_minute: u32,
    /// Messages an hour to one address; more wait.
    pub per_address_hour: u32,
    /// Tries before a message is given up.
    pub tries: u32,
    /// Hours for which a push service keeps a message for a browser that is off.
    pub push_hours: u32,
    /// Hours within which a request to follow must be confirmed.
    pub confirm_hours: u32,
    /// Requests to follow an hour from one network address, and a day for one mail address.
    pub requests: u32,
    /// What one address may follow at most.
    pub follows: u32,
    /// Days for which what was sent is remembered (without its words and address).
    pub keep_days: u32,
}

/// How pressing a message is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Waits for the morning.
    #[default]
    Normal,
    /// Goes out at once, at night, too: somebody waits for it.
    High,
}

/// The words of one message in both languages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// What a message of this kind is called where messages are looked after.
    #[serde(default)]
    pub name: crate::model::Named,
    /// How pressing.
    #[serde(default)]
    pub urgency: Urgency,
    /// Vietnamese.
    pub vi: Words,
    /// English.
    pub en: Words,
}

/// Words in one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Subject of a mail and title of a push message.
    pub subject: String,
    /// Text of a mail.
    pub text: String,
    /// What a push message says: `code` and `state` are all it knows.
    pub push: String,
}

/// What news are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// A case came in.
    Opened,
    /// A case moved.
    Moved,
    /// A share of the time is used.
    Due,
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// Who reported it.
    Reporter,
    /// Who follows it.
    Followers,
    /// Who follows its area or category.
    Place,
    /// Officers who chose to hear of new work.
    Work,
    /// Officers who chose to hear of deadlines.
    Due,
}

/// One line of who is told what when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// After what.
    pub on: On,
    /// After which moves; empty: all.
    #[serde(default)]
    pub steps: Vec<String>,
    /// At which shares of the time; empty: all.
    #[serde(default)]
    pub percents: Vec<u16>,
    /// Who.
    pub tell: Tell,
    /// With which words.
    pub template: String,
    /// Permission that an officer must hold in the unit (`case-handle`).
    #[serde(default)]
    pub needs: Option<dothi_kernel::Permission>,
    /// Hours later, unless it is withdrawn before.
    #[serde(default)]
    pub after_hours: u32,
    /// Once a case, whatever happens to it later.
    #[serde(default)]
    pub once: bool,
}

fn clock(text: &str) -> bool {
    text.parse::<jiff::civil::Time>().is_ok()
}

impl NotifyPack {
    /// Reads the files below `notify/`: `(path, text)`.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            match toml::from_str::<Self>(text) {
                Err(e) => {
                    let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
                    faults.push(format!("{path}:{line}: {}", e.message()));
                }
                Ok(part) => {
                    pack.policy = part.policy.or(pack.policy);
                    pack.title.extend(part.title);
                    pack.template.extend(part.template);
                    pack.news.extend(part.news);
                }
            }
        }
        faults.extend(pack.check().into_iter().map(|f| format!("notify: {f}")));
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// What is wrong with it: words that cannot be written, news without words, hours that are none.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let sample = sample();
        for (name, template) in &self.template {
            if template.name.vi.is_empty() || template.name.en.is_empty() {
                faults.push(format!("template.{name}: say what it is called (name = {{ vi, en }})"));
            }
            for lang in ["vi", "en"] {
                if let Err(e) = render::render(template, lang, &sample) {
                    faults.push(format!("template.{name}.{lang}: {}", e.cause().unwrap_or(e.detail())));
                }
            }
        }
        for news in self.news.iter().filter(|n| !self.template.contains_key(&n.template)) {
            faults.push(format!("news: there is no template `{}`", news.template));
        }
        for news in self.news.iter().filter(|n| matches!(n.tell, Tell::Work | Tell::Due) && n.needs.is_none()) {
            faults.push(format!("news: say which permission officers need for `{}`", news.template));
        }
        if let Some(p) = &self.policy {
            for (name, value) in [("quiet_from", &p.quiet_from), ("quiet_to", &p.quiet_to), ("digest_at", &p.digest_at)] {
                if !clock(value) {
                    faults.push(format!("policy.{name}: an hour looks like 22:00"));
                }
            }
            let counts =
                [p.mails_per_minute, p.pushes_per_minute, p.per_address_hour, p.tries, p.push_hours, p.confirm_hours, p.requests, p.follows, p.keep_days];
            if counts.contains(&0) {
                faults.push("policy: every count is at least 1".into());
            }
        }
        faults
    }
}

/// Values as they are in life, for previews and for checking that every template can be written.
pub fn sample() -> serde_json::Value {
    let both = |vi: &str, en: &str| json!({ "vi": vi, "en": en });
    json!({
        "portal": "Dothi",
        "code": "HY-ABC234",
        "category": both("Rác thải", "Garbage"),
        "state": both("Đang xử lý", "In progress"),
        "unit": "UBND phường Thái Bình",
        "area": "Phường Thái Bình",
        "due": "24/11/2026 17:30",
        "link": "https://example.vn/r/HY-ABC234",
        "stop": "https://example.vn/stop?token=abc",
        "question": "Đống rác nằm ở phía nào của cổng chợ?",
        "percent": 80,
        "minutes": 60,
        "title": both("Phản ánh HY-ABC234", "Report HY-ABC234"),
        "into": "HY-DEF567",
        "items": [{ "code": "HY-ABC234", "category": both("Rác thải", "Garbage"), "state": both("Đã xử lý xong", "Solved"), "link": "https://example.vn/r/HY-ABC234" }],
    })
}
