//! Boards that people in office put together from widgets, and the walls that show them.
//!
//! A board is a document: who made it, who sees it, a grid of widgets, every version kept. It holds no data. Sharing a board
//! shares its layout; each widget asks the domains with the rights of whoever looks.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::time::later;
use dothi_kernel::{Caller, CallerKind, Directory, Error, Page, PageQuery, Permission, Result, Scope};
use dothi_store::Store;
use dothi_store::secret::{fresh, kept};
use serde_json::json;
use uuid::Uuid;

use crate::board_model::{
    BoardChange, BoardEntry, BoardTemplate, BoardVersion, BoardView, NewBoard, NewWall, SharedWith, StartBoard, Wall, WallWithSecret, Widget, faults,
};
use crate::tables_boards::{self as tables, BoardStored, Sight};

/// Boards one person may own.
const MOST: i64 = 50;
/// Versions of a board that are kept.
pub(crate) const VERSIONS: i64 = 100;
/// Walls that may be open at once.
const WALLS: i64 = 200;
/// Boards that a wall shows in turn.
const WALL_BOARDS: usize = 12;
const NAME: usize = 120;

/// What a wall may ask for, when its maker may: reading what widgets show, nothing else.
pub const WALL_PERMISSIONS: [Permission; 5] =
    [Permission::AlarmRead, Permission::IncidentRead, Permission::CaseRead, Permission::ContextRead, Permission::ScorecardRead];

/// The boards of this installation. Cheap to share by [`Arc`].
pub struct Boards {
    store: Store,
    directory: Arc<dyn Directory>,
}

fn unknown() -> Error {
    Error::not_found("oversight.board.unknown", "There is no such board, or it is not shared with you.")
}

fn unknown_wall() -> Error {
    Error::not_found("oversight.wall.unknown", "There is no such wall screen.")
}

/// The person in office who asks: 401 for nobody known, 403 for citizens and programs.
fn officer(caller: &Caller) -> Result<Uuid> {
    let person = caller.person()?;
    if caller.kind == CallerKind::Staff { Ok(person) } else { Err(Error::forbidden("access.not-allowed", "Your role does not allow this here.")) }
}

/// Who makes screens without a keyboard: those who manage people, and so access, everywhere.
fn keeper(caller: &Caller) -> Result<Uuid> {
    caller.require(Permission::PeopleManage, Scope::ANY)?;
    if caller.units_with(Permission::PeopleManage).is_some() {
        return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
    }
    officer(caller)
}

fn named(name: &str, most: usize) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > most || name.chars().any(char::is_control) {
        return Err(Error::unprocessable("oversight.board.name", "Give it a name.").with("limit", most));
    }
    Ok(name.to_string())
}

fn checked(widgets: &[Widget]) -> Result<()> {
    match faults(widgets) {
        None => Ok(()),
        Some((widget, why)) => {
            Err(Error::unprocessable("oversight.board.widget", "A widget of the board is not usable.").with("widget", widget).with("reason", why))
        }
    }
}

impl Boards {
    /// Opens the boards on what is stored; templates come with [`crate::Oversight::install`].
    pub fn open(store: Store, directory: Arc<dyn Directory>) -> Self {
        Self { store, directory }
    }

    /// Whether a unit is one the caller belongs to, or stands above one.
    fn belongs(&self, caller: &Caller, unit: &str) -> bool {
        caller.grants.iter().any(|g| g.unit == unit || self.directory.is_within(&g.unit, unit))
    }

    fn sees(&self, caller: &Caller, person: Uuid, board: &BoardStored) -> bool {
        let with = board.with.as_deref();
        board.owner == person
            || match board.shared {
                SharedWith::Me => false,
                SharedWith::All => true,
                SharedWith::Unit => with.is_some_and(|unit| self.belongs(caller, unit)),
                SharedWith::Role => with.is_some_and(|role| caller.grants.iter().any(|g| g.role == role)),
            }
    }

    fn entry(&self, board: BoardStored, person: Uuid, start: Option<Uuid>) -> BoardEntry {
        let with_name = board.with.as_deref().filter(|_| board.shared == SharedWith::Unit).and_then(|u| self.directory.unit(u)).map(|u| u.name);
        BoardEntry {
            mine: board.owner == person,
            start: start == Some(board.id),
            id: board.id,
            name: board.name,
            owner_name: board.owner_name,
            shared: board.shared,
            with: board.with,
            with_name,
            size: board.size,
            version: board.version,
            changed_at: board.changed_at,
        }
    }

    /// One's own boards and those shared with one, oldest first.
    pub async fn boards(&self, caller: &Caller, page: &PageQuery) -> Result<Page<BoardEntry>> {
        let person = officer(caller)?;
        let mut units = tables::shared_units(&self.store).await?;
        units.retain(|unit| self.belongs(caller, unit));
        let roles: Vec<String> = caller.grants.iter().map(|g| g.role.clone()).collect();
        let start = tables::start(&self.store, person).await?;
        let found = tables::boards(&self.store, &Sight { person, units: &units, roles: &roles }, page).await?;
        Ok(Page { items: found.items.into_iter().map(|b| self.entry(b, person, start)).collect(), next: found.next, total: None })
    }

    /// A board. A wall sees those it was made for, as long as its maker does. 404 `oversight.board.unknown`.
    pub async fn board(&self, caller: &Caller, id: Uuid) -> Result<BoardView> {
        // Who may see no board is told so before one is looked for.
        let person = if caller.kind == CallerKind::Program { caller.person()? } else { officer(caller)? };
        let (board, widgets) = tables::board(&self.store, id).await?.ok_or_else(unknown)?;
        if caller.kind == CallerKind::Program {
            let wall = self.wall(caller).await?;
            if !wall.boards.contains(&id) || !self.sees(caller, wall.owner, &board) {
                return Err(unknown());
            }
            // Nobody who looks at a wall may change what hangs there.
            return Ok(BoardView { row: BoardEntry { mine: false, ..self.entry(board, Uuid::nil(), None) }, widgets });
        }
        if !self.sees(caller, person, &board) {
            return Err(unknown());
        }
        let start = tables::start(&self.store, person).await?;
        Ok(BoardView { row: self.entry(board, person, start), widgets })
    }

    /// Makes a board of one's own: empty, from a template, or as a copy. 409 `oversight.board.many`, 404 `oversight.board.template`.
    pub async fn add(&self, caller: &Caller, new: NewBoard) -> Result<BoardView> {
        let person = officer(caller)?;
        let english = new.lang.as_deref() == Some("en");
        let (name, widgets) = match (&new.template, new.copy_of) {
            (Some(_), Some(_)) => return Err(Error::unprocessable("oversight.board.twice", "A board is made from a template or from another board.")),
            (Some(code), None) => {
                let all = tables::templates(&self.store).await?;
                let template = all.into_iter().find(|t| t.code == *code && offered(caller, t));
                let template = template.ok_or_else(|| Error::not_found("oversight.board.template", "There is no such template."))?;
                (if english { template.title_en } else { template.title }, template.widgets.into_iter().map(|w| spoken(w, english)).collect())
            }
            (None, Some(other)) => {
                let other = self.board(caller, other).await?;
                (other.row.name, other.widgets)
            }
            (None, None) => (String::new(), Vec::new()),
        };
        let name = named(new.name.as_deref().unwrap_or(&name), NAME)?;
        checked(&widgets)?;
        let mut tx = self.store.begin(caller).await?;
        if tables::count(&mut tx, person).await? >= MOST {
            return Err(Error::conflict("oversight.board.many", "You have too many boards; delete one first.").with("limit", MOST));
        }
        let board = BoardStored {
            id: tx.id(),
            owner: person,
            owner_name: caller.name.to_string(),
            name,
            shared: SharedWith::Me,
            with: None,
            version: 1,
            size: u32::try_from(widgets.len()).unwrap_or_default(),
            changed_at: caller.now,
        };
        tables::insert(&mut tx, &board, &widgets).await?;
        tx.audit("oversight.board.made", &format!("board:{}", board.id), &json!({ "template": new.template, "copy_of": new.copy_of })).await?;
        tx.commit().await?;
        Ok(BoardView { row: self.entry(board, person, None), widgets })
    }

    /// Changes a board of one's own; the version before is kept. 409 `oversight.board.changed`, 403 `oversight.board.not-yours`.
    pub async fn change(&self, caller: &Caller, id: Uuid, change: BoardChange) -> Result<BoardView> {
        let person = officer(caller)?;
        let (before, _) = tables::board(&self.store, id).await?.filter(|(b, _)| self.sees(caller, person, b)).ok_or_else(unknown)?;
        if before.owner != person {
            return Err(Error::forbidden("oversight.board.not-yours", "Only its owner changes a board; make a copy of your own."));
        }
        let name = named(&change.name, NAME)?;
        checked(&change.widgets)?;
        let with = self.audience(caller, change.shared, change.with.as_deref())?;
        let stale = || Error::conflict("oversight.board.changed", "The board was changed elsewhere meanwhile.").with("version", before.version);
        if change.version != before.version {
            return Err(stale());
        }
        let told = (before.shared, before.with.clone());
        let board = BoardStored {
            name,
            shared: change.shared,
            with,
            version: before.version + 1,
            size: u32::try_from(change.widgets.len()).unwrap_or_default(),
            changed_at: caller.now,
            ..before.clone()
        };
        let mut tx = self.store.begin(caller).await?;
        if tables::update(&mut tx, &board, &change.widgets).await? == 0 {
            return Err(stale());
        }
        if told != (board.shared, board.with.clone()) {
            tx.audit("oversight.board.shared", &format!("board:{id}"), &json!({ "shared": board.shared, "with": board.with })).await?;
        }
        tx.commit().await?;
        let start = tables::start(&self.store, person).await?;
        Ok(BoardView { row: self.entry(board, person, start), widgets: change.widgets })
    }

    /// With whom a board may be shared: units the caller belongs to, stands above or below; any role; everybody in office.
    fn audience(&self, caller: &Caller, shared: SharedWith, with: Option<&str>) -> Result<Option<String>> {
        let refused = |why| Error::unprocessable("oversight.board.audience", "It cannot be shared with these.").with("reason", why);
        match (shared, with) {
            (SharedWith::Me | SharedWith::All, _) => Ok(None),
            (SharedWith::Unit, Some(unit)) => {
                let near = self.belongs(caller, unit) || caller.grants.iter().any(|g| self.directory.is_within(unit, &g.unit));
                if self.directory.unit(unit).is_none() || !near {
                    return Err(refused("the unit is not one of yours"));
                }
                Ok(Some(unit.to_string()))
            }
            (SharedWith::Role, Some(role)) if !role.is_empty() && role.len() <= 64 && role.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                Ok(Some(role.to_string()))
            }
            _ => Err(refused("say which unit or role")),
        }
    }

    /// Deletes a board: one's own, or for those who manage access any that is shared.
    pub async fn remove(&self, caller: &Caller, id: Uuid) -> Result<()> {
        let person = officer(caller)?;
        let (board, _) = tables::board(&self.store, id).await?.ok_or_else(unknown)?;
        if board.owner != person && !(board.shared != SharedWith::Me && keeper(caller).is_ok()) {
            let seen = self.sees(caller, person, &board);
            return Err(if seen { Error::forbidden("oversight.board.not-yours", "Only its owner deletes a board.") } else { unknown() });
        }
        let mut tx = self.store.begin(caller).await?;
        tables::remove(&mut tx, id).await?;
        tx.audit("oversight.board.removed", &format!("board:{id}"), &json!({ "owner": board.owner_name })).await?;
        tx.commit().await
    }

    /// What a board of one's own was, newest first.
    pub async fn versions(&self, caller: &Caller, id: Uuid, page: &PageQuery) -> Result<Page<BoardVersion>> {
        let person = officer(caller)?;
        tables::board(&self.store, id).await?.filter(|(b, _)| b.owner == person).ok_or_else(unknown)?;
        let before = match &page.after {
            Some(text) => text.parse::<i64>().map_err(|_| Error::invalid("page.after", "`after` is not a cursor of this list."))?,
            None => i64::MAX,
        };
        // A version carries a whole board.
        let limit = page.limit().min(50);
        let found = tables::versions(&self.store, id, before, limit + 1).await?;
        Ok(Page::of(found, limit, |v| v.version.to_string()))
    }

    /// Templates of the packs, as far as they are of use to the caller.
    pub async fn templates(&self, caller: &Caller) -> Result<Vec<BoardTemplate>> {
        officer(caller)?;
        let mut all = tables::templates(&self.store).await?;
        all.retain(|t| offered(caller, t));
        Ok(all)
    }

    /// The board the caller begins with, if there is one that still may be seen.
    pub async fn start(&self, caller: &Caller) -> Result<StartBoard> {
        let person = officer(caller)?;
        let Some(id) = tables::start(&self.store, person).await? else { return Ok(StartBoard::default()) };
        let seen = tables::board(&self.store, id).await?.is_some_and(|(b, _)| self.sees(caller, person, &b));
        Ok(StartBoard { board: seen.then_some(id) })
    }

    /// Says with which board the caller begins; none = the face's own page.
    pub async fn set_start(&self, caller: &Caller, wanted: &StartBoard) -> Result<StartBoard> {
        let person = officer(caller)?;
        if let Some(id) = wanted.board {
            tables::board(&self.store, id).await?.filter(|(b, _)| self.sees(caller, person, b)).ok_or_else(unknown)?;
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_start(&mut tx, person, wanted.board).await?;
        tx.commit().await?;
        Ok(wanted.clone())
    }

    /// Makes a screen without a keyboard. Its link lets a browser show these boards and nothing else, with what its maker may
    /// see at that time, until it ends. 422 `oversight.wall.boards`, `oversight.wall.life`; 409 `oversight.wall.many`.
    pub async fn add_wall(&self, caller: &Caller, new: NewWall) -> Result<WallWithSecret> {
        let owner = keeper(caller)?;
        let name = named(&new.name, 60)?;
        let seconds = new.seconds.unwrap_or(30);
        if !(5..=3_600).contains(&seconds) || !(1..=366).contains(&new.days) {
            return Err(Error::unprocessable("oversight.wall.life", "Each board is shown 5 to 3600 seconds, and the screen ends within 366 days."));
        }
        if new.boards.is_empty() || new.boards.len() > WALL_BOARDS {
            return Err(Error::unprocessable("oversight.wall.boards", "Choose one to twelve boards.").with("limit", WALL_BOARDS));
        }
        for id in &new.boards {
            tables::board(&self.store, *id).await?.filter(|(b, _)| self.sees(caller, owner, b)).ok_or_else(unknown)?;
        }
        let secret = fresh();
        let mut tx = self.store.begin(caller).await?;
        if tables::open_walls(&mut tx, caller.now).await? >= WALLS {
            return Err(Error::conflict("oversight.wall.many", "There are too many wall screens; end one first.").with("limit", WALLS));
        }
        let wall = Wall {
            id: tx.id(),
            name,
            boards: new.boards,
            seconds,
            owner_name: caller.name.to_string(),
            created_at: caller.now,
            expires_at: later(caller.now, Duration::from_secs(u64::from(new.days) * 86_400)),
            ended_at: None,
            entered_at: None,
            owner,
        };
        tables::add_wall(&mut tx, &wall, &kept(&secret)).await?;
        let detail = json!({ "name": wall.name, "boards": wall.boards, "expires_at": wall.expires_at });
        tx.audit("oversight.wall.made", &format!("wall:{}", wall.id), &detail).await?;
        tx.commit().await?;
        Ok(WallWithSecret { wall, secret })
    }

    /// Wall screens, newest first.
    pub async fn walls(&self, caller: &Caller, page: &PageQuery) -> Result<Page<Wall>> {
        keeper(caller)?;
        tables::walls(&self.store, page).await
    }

    /// Ends a wall screen at once; that it has ended already is fine.
    pub async fn end_wall(&self, caller: &Caller, id: Uuid) -> Result<()> {
        keeper(caller)?;
        tables::wall_by_id(&self.store, id).await?.ok_or_else(unknown_wall)?;
        let mut tx = self.store.begin(caller).await?;
        if tables::end_wall(&mut tx, id).await? == 1 {
            tx.audit("oversight.wall.ended", &format!("wall:{id}"), &json!({})).await?;
        }
        tx.commit().await
    }

    /// The wall whose link carries `secret`, if it is still open. For the door of the platform only.
    pub async fn wall_of(&self, system: &Caller, secret: &str) -> Result<Option<Wall>> {
        if system.kind != CallerKind::System || secret.len() > 200 {
            return Ok(None);
        }
        Ok(tables::wall_by_hash(&self.store, &kept(secret)).await?.filter(|w| w.is_open(system.now)))
    }

    /// A screen was let in with a wall's link. For the door of the platform only.
    pub async fn entered(&self, system: &Caller, wall: &Wall) -> Result<()> {
        if system.kind != CallerKind::System {
            return Err(unknown_wall());
        }
        let mut tx = self.store.begin(system).await?;
        tables::note_entry(&mut tx, wall.id).await?;
        tx.audit("oversight.wall.entered", &format!("wall:{}", wall.id), &json!({})).await?;
        tx.commit().await
    }

    /// The wall that asks. 404 `oversight.wall.unknown` for everybody else.
    pub async fn wall(&self, caller: &Caller) -> Result<Wall> {
        let id = caller.person()?;
        let wall = match caller.kind {
            CallerKind::Program => tables::wall_by_id(&self.store, id).await?,
            _ => None,
        };
        wall.filter(|w| w.is_open(caller.now)).ok_or_else(unknown_wall)
    }
}

fn offered(caller: &Caller, template: &BoardTemplate) -> bool {
    template.needs.is_empty() || template.needs.iter().any(|p| caller.may(*p, Scope::ANY))
}

/// A template's widget in one language.
fn spoken(mut widget: Widget, english: bool) -> Widget {
    let (title_en, text_en) = (std::mem::take(&mut widget.title_en), std::mem::take(&mut widget.set.text_en));
    if english {
        widget.title = if title_en.is_empty() { widget.title } else { title_en };
        widget.set.text = if text_en.is_empty() { widget.set.text } else { text_en };
    }
    widget
}
