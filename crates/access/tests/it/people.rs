//! Roles at units.

use dothi_access::model::{Credentials, NewGrant, NewPerson, PersonKind};
use dothi_access::{Access, MIGRATIONS};
use dothi_kernel::{Caller, PageQuery, Permission, Scope};
use dothi_store::testing::{TestStore, both};
use uuid::Uuid;

use crate::fixture::{PASSWORD, anonymous, small, staff, system};

async fn signed(store: &TestStore, access: &Access, login: &str) -> Caller {
    let session = access.sign_in(&anonymous(store), login, PASSWORD).await.unwrap().session;
    access.authenticate(&Credentials::Session(session), None).await.unwrap()
}

#[tokio::test]
async fn a_role_holds_at_its_unit_only() {
    both(&[MIGRATIONS], |store| async move {
        let access = small(&store).await;
        let id = staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
        let caller = signed(&store, &access, "canbo").await;
        assert!(caller.may(Permission::CaseHandle, Scope::unit("ubnd-10001")));
        assert!(caller.may(Permission::CaseHandle, Scope::unit("10001")), "the area it answers for");
        for other in ["ubnd-10003", "ubnd-33", "10003", "33"] {
            assert_eq!(caller.require(Permission::CaseHandle, Scope::unit(other)).unwrap_err().code(), "access.not-allowed", "{other}");
        }
        assert!(!caller.may(Permission::CaseApprove, Scope::unit("ubnd-10001")));

        // A centre serves every unit of its area; the province's committee covers those below it.
        staff(&store, &access, "dieuhanh", "centre-operator", "ioc-33").await;
        let centre = signed(&store, &access, "dieuhanh").await;
        assert!(["ubnd-10001", "ubnd-10003", "ubnd-33", "ioc-33"].iter().all(|u| centre.may(Permission::CaseTriage, Scope::unit(u))));
        staff(&store, &access, "vanphong", "officer", "ubnd-33").await;
        let office = signed(&store, &access, "vanphong").await;
        assert!(["ubnd-10001", "ubnd-33"].iter().all(|u| office.may(Permission::CaseRead, Scope::unit(u))));

        // A grant with sectors holds in these only, and taken away it is gone at once.
        let env = NewGrant { role: "unit-leader".into(), unit: "ubnd-10003".into(), sectors: Some(["environment".to_string()].into()) };
        let grant = access.grant(&system(&store), id, env).await.unwrap();
        let caller = signed(&store, &access, "canbo").await;
        assert!(caller.may(Permission::CaseApprove, Scope::unit("ubnd-10003").sector("environment")));
        assert!(!caller.may(Permission::CaseApprove, Scope::unit("ubnd-10003").sector("traffic")));
        access.revoke_grant(&system(&store), id, grant.id).await.unwrap();
        assert!(!signed(&store, &access, "canbo").await.may(Permission::CaseApprove, Scope::ANY));
        assert_eq!(access.revoke_grant(&system(&store), id, grant.id).await.unwrap_err().code(), "access.grant.unknown");
    })
    .await;
}

#[tokio::test]
async fn only_those_who_manage_people_do() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    let officer_id = staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    let officer = signed(&store, &access, "canbo").await;
    let page = PageQuery::default();
    let someone = || NewPerson { login: "moi".into(), name: "Mới".into(), password: PASSWORD.into() };
    let leader = || NewGrant { role: "unit-leader".into(), unit: "ubnd-10001".into(), sectors: None };
    for caller in [&officer, &anonymous(&store)] {
        let codes = [
            access.people(caller, None, &page).await.err().unwrap(),
            access.create_person(caller, PersonKind::Staff, someone()).await.err().unwrap(),
            access.grant(caller, officer_id, leader()).await.err().unwrap(),
            access.deactivate(caller, officer_id).await.err().unwrap(),
            access.audit(caller, "", &page).await.err().unwrap(),
            access.audit_verify(caller).await.err().unwrap(),
        ];
        assert!(codes.iter().all(|e| matches!(e.kind().status(), 401 | 403)), "{codes:?}");
    }
    staff(&store, &access, "admin", "admin", "33").await;
    let admin = signed(&store, &access, "admin").await;
    let made = access.create_person(&admin, PersonKind::Staff, someone()).await.unwrap();
    access.grant(&admin, made.id, leader()).await.unwrap();
    let found = access.people(&admin, Some("mới"), &page).await.unwrap();
    assert_eq!((found.items.len(), found.items[0].grants[0].role_name.as_str()), (1, "Lãnh đạo đơn vị"));
    assert_eq!(access.create_person(&admin, PersonKind::Staff, someone()).await.err().unwrap().code(), "access.login-taken");
    let odd = |role: &str, unit: &str| NewGrant { role: role.into(), unit: unit.into(), sectors: None };
    assert_eq!(access.grant(&admin, made.id, odd("emperor", "33")).await.err().unwrap().code(), "access.role.unknown");
    assert_eq!(access.grant(&admin, made.id, odd("officer", "atlantis")).await.err().unwrap().code(), "access.unit.unknown");
    assert_eq!(access.grant(&admin, Uuid::nil(), odd("officer", "33")).await.err().unwrap().code(), "access.person.unknown");
    access.deactivate(&admin, made.id).await.unwrap();
    assert_eq!(access.sign_in(&anonymous(&store), "moi", PASSWORD).await.err().unwrap().code(), "access.bad-credentials");
    let log = access.audit(&admin, "access.", &page).await.unwrap();
    assert!(log.items.iter().any(|r| r.action == "access.person.deactivated" && r.actor == "admin"));
    assert!(log.items.iter().any(|r| r.action == "access.grant.given"));
}

#[tokio::test]
async fn a_manager_of_one_unit_cannot_rise() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = crate::fixture::open(&store).await;
    let mut files = crate::fixture::small_files();
    let roles = files.iter_mut().find(|(p, _)| p == "roles.toml").unwrap();
    roles.1 += "\n[unit-manager]\nname = \"Quản lý\"\nname_en = \"Manager\"\nreach = \"below\"\npermissions = [\"people-manage\"]\n";
    access.install(&system(&store), "base", crate::fixture::pack(&files)).await.unwrap();
    let id = staff(&store, &access, "quanly", "unit-manager", "ubnd-10001").await;
    let other = staff(&store, &access, "khac", "officer", "ubnd-10003").await;
    let manager = signed(&store, &access, "quanly").await;
    let new = |role: &str, unit: &str| NewGrant { role: role.into(), unit: unit.into(), sectors: None };
    access.grant(&manager, id, new("officer", "ubnd-10001")).await.unwrap();
    for (role, unit) in [("admin", "ubnd-10001"), ("unit-manager", "ubnd-10001"), ("officer", "ubnd-10003"), ("officer", "ubnd-33"), ("officer", "33")] {
        assert_eq!(access.grant(&manager, id, new(role, unit)).await.err().unwrap().code(), "access.not-allowed", "{role} at {unit}");
    }
    let citizen = NewPerson { login: "congdan".into(), name: "Dân".into(), password: PASSWORD.into() };
    let citizen = access.create_person(&system(&store), PersonKind::Citizen, citizen).await.unwrap();
    for person in [other, citizen.id] {
        assert_eq!(access.deactivate(&manager, person).await.unwrap_err().code(), "access.not-allowed");
    }
    access.deactivate(&manager, id).await.unwrap();
}
