//! Saved queries: a name for a statement, for oneself, one's unit or everybody who may ask the lake.

use dothi_kernel::{Caller, CallerKind, Error, Page, PageQuery, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Lake;
use crate::tables::{self, owner};

/// Who sees a saved query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Its owner.
    #[default]
    Me,
    /// Who may ask the lake in its unit.
    Unit,
    /// Everybody who may ask the lake.
    All,
}

impl Sharing {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Unit => "unit",
            Self::All => "all",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        match text {
            "unit" => Self::Unit,
            "all" => Self::All,
            _ => Self::Me,
        }
    }
}

/// A saved query.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SavedQuery {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// The statement.
    pub sql: String,
    #[serde(skip)]
    pub(crate) owner: String,
    /// Who made it.
    pub owner_name: String,
    /// Unit it is shared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Who sees it.
    pub shared: Sharing,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub changed_at: Timestamp,
    /// Whether it is the caller's own, who alone may change it.
    pub mine: bool,
}

/// What a saved query shall be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuery {
    /// Name, at most 120 characters.
    pub name: String,
    /// One read-only statement.
    pub sql: String,
    /// Who sees it.
    #[serde(default)]
    pub shared: Sharing,
    /// The unit, when it is shared with one.
    #[serde(default)]
    pub unit: Option<String>,
}

/// Queries of one owner at most.
const MOST: i64 = 500;
const SQL_LENGTH: usize = 20_000;

fn may_ask(caller: &Caller) -> Result<()> {
    caller.require(Permission::HistoryQuery, Scope::ANY)
}

fn unknown() -> Error {
    Error::not_found("history.query.unknown", "There is no such saved query.")
}

impl NewQuery {
    fn check(&self, caller: &Caller) -> Result<()> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 120 || name.chars().any(char::is_control) {
            return Err(Error::invalid("history.query.name", "Give the query a name of at most 120 characters."));
        }
        if self.sql.trim().is_empty() || self.sql.len() > SQL_LENGTH {
            return Err(Error::invalid("history.query.sql", "The statement is empty or too long.").with("limit", SQL_LENGTH));
        }
        match (self.shared, &self.unit) {
            (Sharing::Unit, Some(unit)) => caller.require(Permission::HistoryQuery, Scope::unit(unit)),
            (Sharing::Unit, None) => Err(Error::invalid("history.query.unit", "Say which unit the query is shared with.")),
            _ => Ok(()),
        }
    }
}

impl Lake {
    /// The saved queries the caller may see.
    pub async fn queries(&self, caller: &Caller, page: &PageQuery) -> Result<Page<SavedQuery>> {
        may_ask(caller)?;
        let units: Option<Vec<String>> = caller.units_with(Permission::HistoryQuery).map(|u| u.into_iter().collect());
        let mine = owner(caller)?;
        let mut found = tables::queries(&self.store, &mine, units.as_deref(), page).await?;
        found.items.iter_mut().for_each(|q| q.mine = q.owner == mine);
        Ok(found)
    }

    /// One saved query. 404 `history.query.unknown`, also for those of others.
    pub async fn query(&self, caller: &Caller, id: Uuid) -> Result<SavedQuery> {
        may_ask(caller)?;
        let mut found = tables::query(&self.store, id).await?.ok_or_else(unknown)?;
        found.mine = found.owner == owner(caller)?;
        let visible = match found.shared {
            Sharing::All => true,
            Sharing::Unit => found.unit.as_deref().is_some_and(|u| caller.may(Permission::HistoryQuery, Scope::unit(u))),
            Sharing::Me => false,
        };
        if found.mine || visible { Ok(found) } else { Err(unknown()) }
    }

    /// Saves a query.
    pub async fn save_query(&self, caller: &Caller, new: NewQuery) -> Result<SavedQuery> {
        may_ask(caller)?;
        new.check(caller)?;
        let owner = owner(caller)?;
        let mut tx = self.store.begin(caller).await?;
        if tables::count(&mut tx, &owner).await? >= MOST {
            return Err(Error::conflict("history.query.many", "You have saved too many queries; delete some first.").with("limit", MOST));
        }
        let unit = new.unit.filter(|_| new.shared == Sharing::Unit);
        let query = SavedQuery {
            id: tx.id(),
            name: new.name.trim().to_string(),
            sql: new.sql,
            owner,
            owner_name: caller.name.to_string(),
            unit,
            shared: new.shared,
            created_at: caller.now,
            changed_at: caller.now,
            mine: true,
        };
        tables::put_query(&mut tx, &query).await?;
        tx.audit("history.query.saved", &format!("query:{}", query.id), &serde_json::json!({ "name": query.name, "shared": query.shared })).await?;
        tx.commit().await?;
        Ok(query)
    }

    /// Changes a query of one's own.
    pub async fn change_query(&self, caller: &Caller, id: Uuid, new: NewQuery) -> Result<SavedQuery> {
        let mut query = self.own(caller, id).await?;
        new.check(caller)?;
        query.unit = new.unit.filter(|_| new.shared == Sharing::Unit);
        (query.name, query.sql, query.shared, query.changed_at) = (new.name.trim().to_string(), new.sql, new.shared, caller.now);
        let mut tx = self.store.begin(caller).await?;
        tables::put_query(&mut tx, &query).await?;
        tx.audit("history.query.changed", &format!("query:{id}"), &serde_json::json!({ "name": query.name, "shared": query.shared })).await?;
        tx.commit().await?;
        Ok(query)
    }

    /// Deletes a query of one's own.
    pub async fn drop_query(&self, caller: &Caller, id: Uuid) -> Result<()> {
        self.own(caller, id).await?;
        let mut tx = self.store.begin(caller).await?;
        tables::drop_query(&mut tx, id).await?;
        tx.audit("history.query.deleted", &format!("query:{id}"), &serde_json::json!({})).await?;
        tx.commit().await
    }

    async fn own(&self, caller: &Caller, id: Uuid) -> Result<SavedQuery> {
        let query = self.query(caller, id).await?;
        if query.mine || caller.kind == CallerKind::System {
            return Ok(query);
        }
        Err(Error::forbidden("history.query.not-yours", "Only its owner may change a saved query."))
    }
}
