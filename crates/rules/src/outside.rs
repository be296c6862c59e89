//! Alarms of other sources than rules: panels, cameras, people. One life cycle for all of them.

use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use uuid::Uuid;

use crate::life::{CAUSE, Rise};
use crate::model::Outside;
use crate::{Rules, tables};

const KEY: usize = 200;
const WORDS: usize = 500;

fn name(source: &str, key: &str) -> Result<String> {
    let plain = !source.is_empty() && source.len() <= 40 && source.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || source == "rule" || source == CAUSE || key.is_empty() || key.len() > KEY || key.chars().any(char::is_control) {
        return Err(Error::invalid("alarm.source", "A source is a short plain name, and its key at most 200 characters.").with("source", source));
    }
    Ok(format!("{source}:{key}"))
}

impl Rules {
    /// A source says that its condition holds since `at`: the alarm's id, the same for the same source and key while it
    /// stands. None when the word is older than what is known (it came late or twice). 400 `alarm.source`, `alarm.outside`.
    pub async fn raise_from(&self, caller: &Caller, alarm: &Outside) -> Result<Option<Uuid>> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let rule = name(&alarm.source, &alarm.key)?;
        let long = |text: &str| text.chars().count() > WORDS;
        if alarm.title.is_empty()
            || alarm.title_en.is_empty()
            || long(&alarm.title)
            || long(&alarm.title_en)
            || alarm.text.as_deref().is_some_and(long)
            || alarm.name.as_deref().is_some_and(long)
        {
            return Err(Error::invalid("alarm.outside", "An alarm needs a title in both languages; texts have at most 500 characters."));
        }
        if alarm.sector.is_empty() || alarm.sector.len() > 40 || alarm.class.len() > 40 || alarm.entity.len() > 500 {
            return Err(Error::invalid("alarm.outside", "An alarm needs a sector; class and thing are short names."));
        }
        let at = seen(caller, alarm.at);
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(caller).await?;
        if let Some(known) = tables::newest(&mut tx, &rule, &alarm.entity).await?
            && (known.closed_at.is_some() || known.cleared_at.is_some())
            && known.cleared_at.unwrap_or(known.raised_at).max(known.raised_at) >= at
        {
            return Ok(None);
        }
        let rise = Rise {
            source: &alarm.source,
            rule: &rule,
            title: (&alarm.title, &alarm.title_en),
            severity: alarm.severity.unwrap_or(Severity::Medium),
            sector: &alarm.sector,
            class: &alarm.class,
            latch: alarm.latch,
            entity: &alarm.entity,
            name: alarm.name.as_deref(),
            area: alarm.area.as_deref(),
            location: alarm.location,
            value: None,
            limit: None,
            text: alarm.text.as_deref(),
            at,
            designed: false,
        };
        let done = async {
            let id = self.rise(&mut tx, &mut live.room, rise).await?;
            tx.commit().await?;
            Ok(Some(id))
        };
        let done = done.await;
        if done.is_err() {
            // The memory of causes ran ahead of the store.
            self.rebuild(&mut live).await?;
        }
        done
    }

    /// A source says that its condition is gone since `at`; nothing happens when none stood, or the word is older than the alarm.
    pub async fn return_to_normal(&self, caller: &Caller, source: &str, key: &str, entity: &str, at: Option<Timestamp>) -> Result<()> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let rule = name(source, key)?;
        let at = seen(caller, at);
        let mut tx = self.store.begin(caller).await?;
        if tables::newest(&mut tx, &rule, entity).await?.is_none_or(|a| a.raised_at > at) {
            return Ok(());
        }
        self.fall(&mut tx, &rule, entity, at).await?;
        tx.commit().await
    }
}

/// When it was seen; a clock that runs ahead counts as now.
fn seen(caller: &Caller, at: Option<Timestamp>) -> Timestamp {
    at.map_or(caller.now, |at| at.min(caller.now))
}
