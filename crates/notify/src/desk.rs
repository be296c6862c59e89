//! For who runs the platform: the queue, what was given up, previews. No address and no words of messages are shown.

use std::time::Duration;

use dothi_kernel::time::earlier;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::model::{Health, MessageQuery, MessageRow, Preview, TemplateRef};
use crate::pack::sample;
use crate::render::render;
use crate::{CURSORS, Notify, tables};

/// States a message can be in.
const STATES: [&str; 6] = ["waiting", "held", "sent", "dead", "withdrawn", "folded"];

fn unknown() -> Error {
    Error::not_found("notify.message.unknown", "There is no such message, or it is not in this state any more.")
}

impl Notify {
    /// Messages, newest first. Needs `system-read`.
    pub async fn messages(&self, caller: &Caller, query: &MessageQuery) -> Result<Page<MessageRow>> {
        caller.require(Permission::SystemRead, Scope::ANY)?;
        let state = query.state.as_deref().filter(|s| !s.is_empty());
        if state.is_some_and(|s| !STATES.contains(&s)) {
            return Err(Error::invalid("notify.message.state", "There is no such state of messages."));
        }
        let before = CURSORS.after(query.after.as_deref())?;
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let rows = tables::messages(&self.store, state, before, limit + 1).await?;
        Ok(Page::of(rows, limit, |m| CURSORS.write(m.at, m.id)))
    }

    /// How the sending stands. Needs `system-read`.
    pub async fn health(&self, caller: &Caller) -> Result<Health> {
        caller.require(Permission::SystemRead, Scope::ANY)?;
        let (waiting, dead, sent_today) = tables::counts(&self.store, earlier(caller.now, Duration::from_secs(86_400))).await?;
        let templates = self.declared().template.iter().map(|(code, t)| TemplateRef { code: code.clone(), name: t.name.clone() }).collect();
        Ok(Health { mail: self.mailer.is_some(), waiting, dead, sent_today, templates })
    }

    /// Tries a message again that was given up. Needs `pack-manage`; on record. 404 `notify.message.unknown`.
    pub async fn again(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables::again(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("notify.message.again", &format!("message:{id}"), &json!({})).await?;
        self.commit(tx).await
    }

    /// Takes a message back that has not gone out. Needs `pack-manage`; on record. 404 `notify.message.unknown`.
    pub async fn withdraw(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables::withdraw_one(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("notify.message.withdraw", &format!("message:{id}"), &json!({})).await?;
        tx.commit().await
    }

    /// A template with made-up values. Needs `system-read`. 404 `notify.template.unknown`.
    pub fn preview(&self, caller: &Caller, template: &str, lang: &str) -> Result<Preview> {
        caller.require(Permission::SystemRead, Scope::ANY)?;
        let declared = self.declared();
        let found = declared.template.get(template).ok_or_else(|| Error::not_found("notify.template.unknown", "There are no words of this name."))?;
        let mut data = sample();
        data["portal"] = json!(self.settings.portal);
        let r = render(found, lang, &data)?;
        Ok(Preview { subject: r.subject, text: r.text, html: r.html, push: r.push })
    }
}
