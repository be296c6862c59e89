//! Boards: whose they are, who sees them, what they may hold; walls and what they let through.

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use dothi_kernel::{Caller, CallerKind, Grant, PageQuery, Permission};
use dothi_oversight::{BoardChange, Boards, MIGRATIONS, NewBoard, NewWall, SharedWith, StartBoard, Widget, http_boards, pack::load};
use dothi_store::testing::{TestStore, both, store};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{Places, World, caller};

/// The boards beside the domain, with the templates of the project's packs installed.
struct Rig {
    boards: Boards,
    world: World,
}

fn page() -> PageQuery {
    PageQuery::default()
}

fn pack_files(pack: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs").join(pack).join("boards");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let named = |p: &Path| format!("boards/{}", p.file_name().unwrap().to_string_lossy());
    files.iter().map(|p| (named(p), std::fs::read_to_string(p).unwrap())).collect()
}

impl Rig {
    async fn on(test: TestStore) -> Self {
        let boards = Boards::open(test.store.clone(), Arc::new(Places));
        let world = World::on(test).await;
        for pack in ["environment", "operations"] {
            world.oversight.install(&crate::system(&world.test), pack, load(&pack_files(pack)).unwrap()).await.unwrap();
        }
        Self { boards, world }
    }

    fn officer(&self, person: u128, unit: &str) -> Caller {
        let mut caller = caller(&self.world.test, person, unit, &[Permission::AlarmRead, Permission::IncidentRead]);
        caller.grants = caller.grants.iter().map(|g| Grant { role: format!("role-{unit}"), ..g.clone() }).collect();
        caller
    }

    fn keeper(&self) -> Caller {
        let officer = self.officer(9, "ubnd-33");
        let all = Grant { permissions: [Permission::PeopleManage, Permission::AlarmRead].into(), units: None, ..officer.grants[0].clone() };
        Caller { grants: Arc::new([all]), ..officer }
    }

    async fn share(&self, who: &Caller, id: Uuid, version: u32, shared: SharedWith, with: Option<&str>) -> Result<(), dothi_kernel::Error> {
        let now = self.boards.board(who, id).await?;
        let change = BoardChange { version, name: now.row.name, shared, with: with.map(str::to_string), widgets: now.widgets };
        self.boards.change(who, id, change).await.map(|_| ())
    }
}

fn code<T>(result: Result<T, dothi_kernel::Error>) -> &'static str {
    result.err().map_or("fine", |e| e.code())
}

fn widget(id: &str, x: u16, y: u16) -> Widget {
    serde_json::from_value(json!({"id": id, "kind": "figure", "x": x, "y": y, "w": 3, "h": 2, "set": {"count": "alarms-waiting"}})).unwrap()
}

#[tokio::test]
async fn a_board_is_its_owners_and_is_seen_by_those_it_is_shared_with() {
    both(&[MIGRATIONS], |test| async move {
        let rig = Rig::on(test).await;
        let (owner, near, far) = (rig.officer(1, "ubnd-11111"), rig.officer(2, "ubnd-11111"), rig.officer(3, "ubnd-22222"));
        let made = rig.boards.add(&owner, NewBoard { template: Some("air".into()), lang: Some("en".into()), ..NewBoard::default() }).await.unwrap();
        assert!(made.row.mine && made.row.version == 1 && !made.widgets.is_empty());
        assert!(made.widgets.iter().all(|w| w.title_en.is_empty()), "words in one language");
        let id = made.row.id;
        // Nobody else knows of it.
        assert_eq!(code(rig.boards.board(&near, id).await), "oversight.board.unknown");
        assert!(rig.boards.boards(&near, &page()).await.unwrap().items.is_empty());
        // A unit's people see it, others do not; a unit that is not near cannot be chosen.
        assert_eq!(code(rig.share(&owner, id, 1, SharedWith::Unit, Some("ubnd-22222")).await), "oversight.board.audience");
        rig.share(&owner, id, 1, SharedWith::Unit, Some("ubnd-11111")).await.unwrap();
        assert_eq!(rig.boards.board(&near, id).await.unwrap().row.with_name.as_deref(), Some("ubnd-11111"));
        assert_eq!(code(rig.boards.board(&far, id).await), "oversight.board.unknown");
        rig.share(&owner, id, 2, SharedWith::Role, Some("role-ubnd-11111")).await.unwrap();
        assert_eq!(rig.boards.boards(&near, &page()).await.unwrap().items[0].id, id);
        assert_eq!(code(rig.boards.board(&far, id).await), "oversight.board.unknown");
        rig.share(&owner, id, 3, SharedWith::All, None).await.unwrap();
        let theirs = rig.boards.board(&far, id).await.unwrap();
        assert!(!theirs.row.mine);
        // Whoever sees it may copy it, not change it.
        assert_eq!(code(rig.share(&far, id, 4, SharedWith::Me, None).await), "oversight.board.not-yours");
        assert_eq!(code(rig.boards.remove(&far, id).await), "oversight.board.not-yours");
        let copy = rig.boards.add(&far, NewBoard { copy_of: Some(id), name: Some("Của tôi".into()), ..NewBoard::default() }).await.unwrap();
        assert_eq!((copy.row.mine, copy.row.shared, &copy.widgets), (true, SharedWith::Me, &theirs.widgets));
        // Who was slower is told, and every version is kept.
        assert_eq!(code(rig.share(&owner, id, 1, SharedWith::Me, None).await), "oversight.board.changed");
        let versions = rig.boards.versions(&owner, id, &page()).await.unwrap().items;
        assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [4, 3, 2, 1]);
        assert_eq!(code(rig.boards.versions(&far, id, &page()).await), "oversight.board.unknown");
        // One begins with what one sees; what is no longer shared is no start.
        rig.boards.set_start(&far, &StartBoard { board: Some(id) }).await.unwrap();
        assert!(rig.boards.boards(&far, &page()).await.unwrap().items.iter().any(|b| b.id == id && b.start));
        rig.share(&owner, id, 4, SharedWith::Me, None).await.unwrap();
        assert_eq!(rig.boards.start(&far).await.unwrap().board, None);
        rig.boards.remove(&owner, id).await.unwrap();
        assert_eq!(code(rig.boards.board(&owner, id).await), "oversight.board.unknown");
    })
    .await;
}

#[tokio::test]
async fn only_people_in_office_have_boards_and_not_without_end() {
    let rig = Rig::on(store(&[MIGRATIONS]).await).await;
    let owner = rig.officer(1, "ubnd-11111");
    let citizen = Caller { kind: CallerKind::Citizen, grants: Arc::new([]), ..owner.clone() };
    assert_eq!(code(rig.boards.boards(&rig.world.public(), &page()).await), "access.sign-in-needed");
    assert_eq!(code(rig.boards.boards(&citizen, &page()).await), "access.not-allowed");
    let named = |n: usize| NewBoard { name: Some(format!("Bảng {n}")), ..NewBoard::default() };
    for n in 0..50 {
        rig.boards.add(&owner, named(n)).await.unwrap();
    }
    assert_eq!(code(rig.boards.add(&owner, named(51)).await), "oversight.board.many");
    assert_eq!(code(rig.boards.add(&rig.officer(2, "ubnd-11111"), NewBoard::default()).await), "oversight.board.name");
}

#[tokio::test]
async fn what_a_board_may_hold() {
    let rig = Rig::on(store(&[MIGRATIONS]).await).await;
    let owner = rig.officer(1, "ubnd-11111");
    let id = rig.boards.add(&owner, NewBoard { name: Some("Bảng".into()), ..NewBoard::default() }).await.unwrap().row.id;
    let change = |widgets: Vec<Widget>| BoardChange { version: 1, name: "Bảng".into(), shared: SharedWith::Me, with: None, widgets };
    let with = |part: Value| -> Widget {
        let mut w = serde_json::to_value(widget("a", 0, 0)).unwrap();
        w.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        serde_json::from_value(w).unwrap()
    };
    let wrong = [
        vec![widget("a", 0, 0), widget("b", 2, 1)],
        vec![widget("a", 0, 0), widget("a", 4, 0)],
        vec![widget("a", 10, 0)],
        vec![with(json!({"h": 21}))],
        vec![with(json!({"id": "<b>"}))],
        vec![with(json!({"set": {"count": "alarms-waiting", "series": [{"thing": "urn:x", "attribute": "a"}]}}))],
        vec![with(json!({"kind": "chart", "set": {}}))],
        vec![with(json!({"kind": "gauge", "set": {"series": [{"thing": "urn:x", "attribute": "a"}], "levels": "own", "limits": [2.0, 1.0]}}))],
        vec![with(json!({"kind": "text", "set": {"text": " "}}))],
        vec![with(json!({"kind": "chart", "set": {"series": [{"thing": "urn:x", "attribute": "a"}], "hours": 100_000}}))],
        (0..41).map(|n| widget(&format!("w{n}"), (n % 4) * 3, n / 4 * 2)).collect(),
    ];
    for widgets in wrong {
        let told = format!("{widgets:?}");
        assert_eq!(code(rig.boards.change(&owner, id, change(widgets)).await), "oversight.board.widget", "{told}");
    }
    rig.boards.change(&owner, id, change((0..40).map(|n| widget(&format!("w{n}"), (n % 4) * 3, n / 4 * 2)).collect())).await.unwrap();
}

#[tokio::test]
async fn a_wall_shows_its_boards_until_it_ends_and_never_more_than_its_maker_sees() {
    let rig = Rig::on(store(&[MIGRATIONS]).await).await;
    let (keeper, owner) = (rig.keeper(), rig.officer(1, "ubnd-11111"));
    let board = |who: Caller, name: &'static str| async {
        let who = who;
        rig.boards.add(&who, NewBoard { name: Some(name.into()), ..NewBoard::default() }).await.unwrap().row.id
    };
    let (shown, other) = (board(keeper.clone(), "Treo tường").await, board(owner.clone(), "Riêng").await);
    let new = |boards: Vec<Uuid>| NewWall { name: "Phòng trực".into(), boards, seconds: Some(20), days: 30 };
    assert_eq!(code(rig.boards.add_wall(&owner, new(vec![other])).await), "access.not-allowed");
    assert_eq!(code(rig.boards.add_wall(&keeper, new(vec![other])).await), "oversight.board.unknown", "only what the maker sees");
    let made = rig.boards.add_wall(&keeper, new(vec![shown])).await.unwrap();
    let system = crate::system(&rig.world.test);
    let found = rig.boards.wall_of(&system, &made.secret).await.unwrap().unwrap();
    assert_eq!(found.id, made.wall.id);
    assert!(rig.boards.wall_of(&owner, &made.secret).await.unwrap().is_none(), "the door is the platform's");
    assert!(rig.boards.wall_of(&system, &found.id.to_string()).await.unwrap().is_none());
    let screen = Caller { kind: CallerKind::Program, id: Some(found.id), ..keeper.clone() };
    assert_eq!(rig.boards.wall(&screen).await.unwrap().boards, [shown]);
    assert!(!rig.boards.board(&screen, shown).await.unwrap().row.mine);
    assert_eq!(code(rig.boards.board(&screen, other).await), "oversight.board.unknown");
    assert_eq!(code(rig.boards.boards(&screen, &page()).await), "access.not-allowed");
    rig.boards.end_wall(&keeper, found.id).await.unwrap();
    assert!(rig.boards.wall_of(&system, &made.secret).await.unwrap().is_none());
    assert_eq!(code(rig.boards.board(&screen, shown).await), "oversight.wall.unknown");
    // Another ends by itself.
    let made = rig.boards.add_wall(&keeper, new(vec![shown])).await.unwrap();
    let late = Caller { now: made.wall.expires_at, ..system };
    assert!(rig.boards.wall_of(&late, &made.secret).await.unwrap().is_none());
}

#[tokio::test]
async fn boards_over_http() {
    let rig = Rig::on(store(&[MIGRATIONS]).await).await;
    let owner = rig.officer(1, "ubnd-11111");
    let boards = Arc::new(Boards::open(rig.world.test.store.clone(), Arc::new(Places)));
    let send = |method: &'static str, path: String, body: Option<Value>| {
        let (app, _) = http_boards::router(boards.clone()).split_for_parts();
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json").extension(owner.clone()).body(body).unwrap();
        async move {
            let response = app.oneshot(request).await.unwrap();
            let status = response.status();
            (status, serde_json::from_slice::<Value>(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap_or_default())
        }
    };
    let (_, templates) = send("GET", "/api/oversight/boards/templates".into(), None).await;
    assert!(templates.as_array().unwrap().iter().any(|t| t["code"] == "operations"), "{templates}");
    let (status, made) = send("POST", "/api/oversight/boards".into(), Some(json!({"template": "operations"}))).await;
    assert_eq!((status, &made["mine"]), (StatusCode::CREATED, &json!(true)));
    let path = format!("/api/oversight/boards/{}", made["id"].as_str().unwrap());
    let change = json!({"version": 1, "name": "Ca trực", "shared": "all", "widgets": [widget("a", 0, 0)]});
    let (status, changed) = send("PUT", path.clone(), Some(change)).await;
    assert_eq!((status, &changed["version"], &changed["widgets"][0]["set"]), (StatusCode::OK, &json!(2), &json!({"count": "alarms-waiting"})));
    let (status, problem) = send("PUT", path.clone(), Some(json!({"version": 2, "name": "x", "shared": "all", "widgets": [{"id": "a", "surprise": 1}]}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("request.malformed")));
    assert_eq!(send("DELETE", path.clone(), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send("GET", path, None).await.0, StatusCode::NOT_FOUND);
}
