//! Sign-in, sessions, tokens, floods.

use dothi_access::MIGRATIONS;
use dothi_access::http_gate::COOKIE;
use dothi_access::model::{Credentials, NewPerson, NewToken, PersonKind};
use dothi_kernel::{Caller, CallerKind, PageQuery, Permission, Scope};
use dothi_store::params;
use dothi_store::testing::both;

use crate::fixture::{PASSWORD, anonymous, small, staff, system};

fn from(store: &dothi_store::testing::TestStore, address: [u8; 4]) -> Caller {
    Caller::anonymous(store.clock.as_ref(), Some(address.into()))
}

#[tokio::test]
async fn sessions_begin_slide_and_end() {
    both(&[MIGRATIONS], |store| async move {
        assert_eq!(COOKIE, "dothi_session");
        let access = small(&store).await;
        staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
        let wrong = access.sign_in(&anonymous(&store), "canbo", "wrong").await.err().unwrap();
        assert_eq!(wrong.code(), "access.bad-credentials");
        let unknown = access.sign_in(&anonymous(&store), "nobody", "wrong").await.err().unwrap();
        assert_eq!((unknown.code(), unknown.detail()), (wrong.code(), wrong.detail()), "nothing tells whether the login exists");

        let signed = access.sign_in(&anonymous(&store), " CanBo ", PASSWORD).await.unwrap();
        assert_eq!((signed.session.len(), signed.idle.as_secs()), (64, 720 * 60));
        let stored = store.row("select hash from access_session", params![]).await.unwrap().unwrap().text("hash").unwrap();
        assert_ne!(stored, signed.session, "only a hash is stored");

        let session = Credentials::Session(signed.session.clone());
        let caller = access.authenticate(&session, None).await.unwrap();
        assert_eq!((caller.kind, &*caller.name), (CallerKind::Staff, "canbo"));
        // Used every eleven hours it lives on; after twelve without use it is over.
        for _ in 0..5 {
            store.clock.advance_seconds(11 * 3600);
            access.authenticate(&session, None).await.unwrap();
        }
        store.clock.advance_seconds(12 * 3600);
        assert_eq!(access.authenticate(&session, None).await.unwrap_err().code(), "access.session-expired");

        let again = access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap();
        let session = Credentials::Session(again.session.clone());
        let caller = access.authenticate(&session, None).await.unwrap();
        access.sign_out(&caller, &again.session).await.unwrap();
        access.sign_out(&caller, &again.session).await.unwrap();
        assert_eq!(access.authenticate(&session, None).await.unwrap_err().code(), "access.session-expired");
        for odd in ["", "short", &"x".repeat(64), &"x".repeat(10_000)] {
            assert_eq!(access.authenticate(&Credentials::Session(odd.into()), None).await.unwrap_err().code(), "access.session-expired");
        }
        // Ended sessions are swept away.
        store.clock.advance_seconds(40 * 86_400);
        access.clone().jobs(dothi_store::JobRunner::new(store.store.clone())).run_due(10).await.unwrap();
        assert!(store.row("select hash from access_session", params![]).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn csrf_belongs_to_one_session() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    let one = access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap();
    let two = access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap();
    let csrf = one.me.csrf.clone().unwrap();
    assert!(access.check_csrf(&one.session, Some(&csrf)).is_ok());
    for given in [None, Some(""), Some("x"), two.me.csrf.as_deref()] {
        assert_eq!(access.check_csrf(&one.session, given).unwrap_err().code(), "access.csrf");
    }
    assert!(!csrf.contains(&one.session));
}

#[tokio::test]
async fn guessing_is_slowed() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    for _ in 0..5 {
        assert_eq!(access.sign_in(&anonymous(&store), "canbo", "wrong").await.err().unwrap().code(), "access.bad-credentials");
    }
    let refused = access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.err().unwrap();
    assert_eq!((refused.code(), refused.wait().unwrap().as_secs()), ("access.too-many-tries", 15 * 60));
    assert!(access.sign_in(&from(&store, [192, 0, 2, 9]), "canbo", PASSWORD).await.is_ok(), "another address is not locked out");
    store.clock.advance_seconds(15 * 60);
    assert!(access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.is_ok());
    // Failures at a known person are on record, without the login.
    let page = store.audit_page(&PageQuery::default(), "access.sign-in.failed").await.unwrap();
    assert_eq!(page.items.len(), 5);
    assert!(page.items.iter().all(|r| r.object.starts_with("person:") && r.actor == "anonymous"));
}

#[tokio::test]
async fn right_passwords_do_not_count() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    for _ in 0..12 {
        access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sign_ins_are_bounded() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    let begun = std::time::Instant::now();
    let tasks: Vec<_> = (0..10_000u32)
        .map(|i| {
            let (access, caller) = (access.clone(), from(&store, (0x0a00_0000 + i).to_be_bytes()));
            tokio::spawn(async move { access.sign_in(&caller, &format!("user{i}"), "some password").await.err().map(|e| (e.kind().status(), e.wait())) })
        })
        .collect();
    let (mut busy, mut wrong) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Some((503, Some(_))) => busy += 1,
            Some((401, None)) => wrong += 1,
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert!(busy > 0 && wrong > 0, "{busy} refused, {wrong} looked at");
    assert!(begun.elapsed().as_secs() < 60);
    // One address alone is stopped by the throttle, and the flood locks nobody else out.
    let (mut throttled, one) = (0, from(&store, [198, 51, 100, 7]));
    for i in 0..400 {
        throttled += usize::from(access.sign_in(&one, &format!("other{i}"), "some password").await.err().unwrap().code() == "access.too-many-tries");
    }
    assert_eq!(throttled, 200);
    access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn tokens_allow_no_more_than_their_maker() {
    both(&[MIGRATIONS], |store| async move {
        let access = small(&store).await;
        let id = staff(&store, &access, "thugom", "data-steward", "ubnd-10001").await;
        let signed = access.sign_in(&anonymous(&store), "thugom", PASSWORD).await.unwrap();
        let maker = access.authenticate(&Credentials::Session(signed.session), None).await.unwrap();
        let new = |permissions: &[Permission]| NewToken { name: "gateway-1".into(), permissions: permissions.iter().copied().collect(), expires_at: None };
        let more = access.create_token(&maker, new(&[Permission::ContextWrite, Permission::AuditRead])).await.unwrap_err();
        assert_eq!(more.code(), "access.token-exceeds");
        let made = access.create_token(&maker, new(&[Permission::ContextWrite])).await.unwrap();
        let bearer = Credentials::Bearer(made.secret.clone());
        let program = access.authenticate(&bearer, None).await.unwrap();
        assert_eq!((program.kind, &*program.name), (CallerKind::Program, "gateway-1"));
        assert!(program.may(Permission::ContextWrite, Scope::unit("ubnd-10001")));
        assert!(!program.may(Permission::ContextWrite, Scope::unit("ubnd-10003")));
        assert!(!program.may(Permission::ContextRead, Scope::ANY));
        let list = access.tokens(&maker, &PageQuery::default()).await.unwrap();
        assert!(!serde_json::to_string(&list).unwrap().contains(&made.secret));
        let stored = store.row("select hash from access_token", params![]).await.unwrap().unwrap().text("hash").unwrap();
        assert!(!made.secret.contains(&stored));

        // A program makes no tokens; strangers do not see this one.
        assert_eq!(access.create_token(&program, new(&[Permission::ContextWrite])).await.unwrap_err().code(), "access.not-allowed");
        staff(&store, &access, "khac", "officer", "ubnd-10003").await;
        let other = access.sign_in(&anonymous(&store), "khac", PASSWORD).await.unwrap();
        let other = access.authenticate(&Credentials::Session(other.session), None).await.unwrap();
        assert_eq!(access.revoke_token(&other, made.token.id).await.unwrap_err().code(), "access.token.unknown");
        assert_eq!(access.create_token(&anonymous(&store), new(&[])).await.unwrap_err().code(), "access.sign-in-needed");

        access.revoke_token(&maker, made.token.id).await.unwrap();
        assert_eq!(access.authenticate(&bearer, None).await.unwrap_err().code(), "access.token-invalid");

        // Tokens end by time and with their maker.
        let mut short = new(&[Permission::ContextRead]);
        short.expires_at = Some(dothi_kernel::time::micros(store.clock().now().as_microsecond() + 60_000_000));
        let short = access.create_token(&maker, short).await.unwrap();
        let long = access.create_token(&maker, new(&[Permission::ContextRead])).await.unwrap();
        store.clock.advance_seconds(61);
        assert_eq!(access.authenticate(&Credentials::Bearer(short.secret), None).await.unwrap_err().code(), "access.token-invalid");
        access.authenticate(&Credentials::Bearer(long.secret.clone()), None).await.unwrap();
        access.deactivate(&system(&store), id).await.unwrap();
        assert_eq!(access.authenticate(&Credentials::Bearer(long.secret), None).await.unwrap_err().code(), "access.token-invalid");
        let past = NewToken { expires_at: Some(store.clock().now()), ..new(&[Permission::ContextRead]) };
        assert_eq!(access.create_token(&system(&store), past).await.unwrap_err().code(), "access.token-life");
        // The installation's own token is nobody's and works everywhere.
        let own = access.create_token(&system(&store), new(&[Permission::ContextWrite])).await.unwrap();
        let program = access.authenticate(&Credentials::Bearer(own.secret), None).await.unwrap();
        assert!(program.may(Permission::ContextWrite, Scope::unit("anything")) && !program.may(Permission::ContextRead, Scope::ANY));
    })
    .await;
}

#[tokio::test]
async fn citizens_stay_nameless_outside() {
    both(&[MIGRATIONS], |store| async move {
        let access = small(&store).await;
        let new = |login: &str| NewPerson { login: login.into(), name: "Nguyễn Thị Bí Mật".into(), password: "mat khau".into() };
        let signed = access.register(&anonymous(&store), new("+84 912.345.678")).await.unwrap();
        assert_eq!((signed.me.kind, signed.me.login.as_deref(), signed.idle.as_secs()), (CallerKind::Citizen, Some("0912345678"), 30 * 86_400));
        assert_eq!(access.register(&anonymous(&store), new("0912345678")).await.err().unwrap().code(), "access.login-taken");
        access.register(&anonymous(&store), new("Ai.Do@example.vn")).await.unwrap();
        for odd in ["", "admin", "12345", "a@b", "@example.vn", "x y@example.vn", &"9".repeat(200)] {
            let code = access.register(&anonymous(&store), new(odd)).await.err().unwrap().code();
            assert!(["access.login-form", "input.too-long"].contains(&code), "{odd}: {code}");
        }
        let short = NewPerson { password: "1234567".into(), ..new("0912345679") };
        assert_eq!(access.register(&anonymous(&store), short).await.err().unwrap().code(), "access.password-short");

        let caller = access.authenticate(&Credentials::Session(signed.session), None).await.unwrap();
        assert_eq!((&*caller.name, caller.grants.len()), ("citizen", 0));
        assert_eq!(caller.require(Permission::CaseRead, Scope::ANY).unwrap_err().code(), "access.not-allowed");
        assert!(access.people(&system(&store), None, &PageQuery::default()).await.unwrap().items.is_empty(), "citizens are in no list");
        // Neither the audit log nor the events carry the number, the address or the name.
        let mut kept = String::new();
        for row in store.rows("select actor, object, detail from audit", params![]).await.unwrap() {
            kept += &format!("{} {} {}\n", row.text("actor").unwrap(), row.text("object").unwrap(), row.text("detail").unwrap());
        }
        for row in store.rows("select body from event", params![]).await.unwrap() {
            kept += &row.text("body").unwrap();
        }
        assert!(kept.contains("access.") || kept.contains("person:"));
        for secret in ["912345678", "example.vn", "Bí Mật", "ai.do"] {
            assert!(!kept.contains(secret), "{secret} leaked");
        }
        assert!(store.audit_verify().await.unwrap().broken_at.is_none());
    })
    .await;
}

#[tokio::test]
async fn one_address_makes_few_accounts() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    let new = |i: usize| NewPerson { login: format!("09{i:08}"), name: "A".into(), password: "mat khau".into() };
    for i in 0..20 {
        access.register(&anonymous(&store), new(i)).await.unwrap();
    }
    assert_eq!(access.register(&anonymous(&store), new(20)).await.err().unwrap().code(), "access.too-many-tries");
    access.create_person(&system(&store), PersonKind::Citizen, new(21)).await.unwrap();
}

#[tokio::test]
async fn a_new_password_ends_sessions() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    staff(&store, &access, "canbo", "officer", "ubnd-10001").await;
    let session = Credentials::Session(access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.unwrap().session);
    let caller = access.authenticate(&session, None).await.unwrap();
    assert_eq!(access.change_password(&caller, "wrong", "another long password").await.unwrap_err().code(), "access.bad-credentials");
    assert_eq!(access.change_password(&caller, PASSWORD, "short").await.unwrap_err().code(), "access.password-short");
    access.change_password(&caller, PASSWORD, "another long password").await.unwrap();
    assert!(access.authenticate(&session, None).await.is_err());
    assert!(access.sign_in(&anonymous(&store), "canbo", PASSWORD).await.is_err());
    access.sign_in(&anonymous(&store), "canbo", "another long password").await.unwrap();
}
