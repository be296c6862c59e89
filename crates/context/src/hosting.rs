//! Contexts that are kept here (CIM 009, 5.13): those of users, copies of remote ones, and those that subscriptions with
//! contexts of their own made necessary.

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use dothi_store::Store;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fault::{bad, invalid, missing};
use crate::ld::{CACHED, Contexts, HOSTED, IMPLICIT, LOCAL_PATH, Ld, is_core};
use crate::{Context, tables_subs as tables};

/// Contexts that users may host.
const MAX_HOSTED: usize = 1_000;

impl Context {
    /// Hosts a `@context` document; returns its local id.
    pub async fn host_context(&self, caller: &Caller, document: Value) -> Result<String> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        if self.contexts.documents().iter().filter(|d| d.kind == HOSTED).count() >= MAX_HOSTED {
            return Err(Error::unprocessable(crate::fault::UNSUPPORTED, "There are too many hosted contexts."));
        }
        let id = self.store.clock().id().to_string();
        self.keep_context(caller, &id, HOSTED, json!({"@context": context_of(&document)?})).await?;
        Ok(id)
    }

    async fn keep_context(&self, caller: &Caller, id: &str, kind: &'static str, document: Value) -> Result<()> {
        let now = caller.now.as_microsecond();
        // Whatever it names must be there, and is there from now on.
        self.contexts.prepare(&document["@context"], now).await?;
        let mut tx = self.store.begin(caller).await?;
        tables::save_context(&mut tx, id, kind, &document).await?;
        tx.commit().await?;
        self.contexts.put(id, kind, document, now)
    }

    /// The context that notifications of a subscription speak, as one address: that of the request, or a new one here
    /// when the request's has no address of its own. `base` is where the caller found us.
    pub(crate) async fn context_with_address(&self, caller: &Caller, ld: &Ld, base: &str) -> Result<Ld> {
        let now = caller.now.as_microsecond();
        match &ld.source {
            None => Ok(ld.clone()),
            Some(Value::String(_)) => Ok(ld.clone()),
            Some(Value::Array(many)) if many.iter().all(Value::is_string) && many.iter().filter(|c| !c.as_str().is_some_and(is_core)).count() <= 1 => {
                let one = many.iter().find(|c| !c.as_str().is_some_and(is_core)).or(many.first());
                self.contexts.resolve(one.unwrap_or(&Value::Null), now).await
            }
            Some(source) => {
                let document = json!({"@context": source});
                let digest = Sha256::digest(document.to_string().as_bytes());
                let id: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
                if self.contexts.document(&id).is_none() {
                    self.keep_context(caller, &id, IMPLICIT, document).await?;
                }
                self.contexts.read(&Value::from(format!("{base}{LOCAL_PATH}{id}")), now)
            }
        }
    }

    /// Forgets the context that was made for a subscription when no other one speaks it.
    pub(crate) async fn drop_implicit_context(&self, caller: &Caller, speech: &Ld) -> Result<()> {
        let Some(document) = speech.source.as_ref().and_then(Value::as_str).and_then(|url| self.contexts.find(url)) else { return Ok(()) };
        let speaks = |l: &Ld| l.source.as_ref().and_then(Value::as_str).is_some_and(|u| u.ends_with(&document.url));
        if document.kind != IMPLICIT || !self.subscriptions.those(|s| speaks(&s.speech)).is_empty() {
            return Ok(());
        }
        self.forget_context(caller, &document.url).await
    }

    async fn forget_context(&self, caller: &Caller, id: &str) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        tables::delete_context(&mut tx, id).await?;
        tx.commit().await?;
        self.contexts.remove(id);
        Ok(())
    }

    /// Deletes a context, or (`reload`) fetches a copy of a remote one anew; when that fails the old copy stays. The core
    /// and those of packs stay.
    pub async fn drop_context(&self, caller: &Caller, id: &str, reload: bool) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        if is_core(id) {
            // It is a part of the program and always the newest there is.
            return if reload { Ok(()) } else { Err(bad("The core @context cannot be deleted.")) };
        }
        let found = self.contexts.find(id);
        if reload {
            let cached = found.filter(|d| d.kind == CACHED).ok_or_else(|| bad("Only copies of remote contexts can be loaded anew."))?;
            return self.contexts.reload(&cached.url, caller.now.as_microsecond()).await;
        }
        let found = found.ok_or_else(|| missing("There is no such @context here."))?;
        if found.fixed {
            return Err(bad("This @context belongs to a pack."));
        }
        self.forget_context(caller, &found.url).await
    }
}

fn context_of(document: &Value) -> Result<Value> {
    document.get("@context").cloned().ok_or_else(|| invalid("A context document needs a member @context."))
}

/// Reads what is kept. A document may include others; what cannot be read is told and left out.
pub(crate) async fn load(store: &Store, contexts: &Contexts) -> Result<()> {
    let mut all = tables::load_contexts(store).await?;
    // Those that include others come after them, whatever the order they were written in.
    for _ in 0..8 {
        let mut left = Vec::new();
        for (id, at, kind, document) in all {
            let kind_of = [HOSTED, CACHED, IMPLICIT].into_iter().find(|k| **k == *kind).unwrap_or(HOSTED);
            if contexts.put(&id, kind_of, document.clone(), at).is_err() {
                left.push((id, at, kind, document));
            }
        }
        all = left;
    }
    for (id, ..) in all {
        tracing::warn!(id, "a kept @context names others that are not here");
    }
    Ok(())
}
