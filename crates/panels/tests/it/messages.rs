//! From messages to signals.

use std::net::{IpAddr, Ipv4Addr};

use dothi_kernel::{Caller, Event};
use dothi_panels::dc09::{Inside, Key, compose, stamp};
use dothi_panels::model::{AckInput, KeyForm, KeyInput, MaintenanceInput, VerdictInput};
use dothi_store::testing::both;
use serde_json::json;

use super::{App, MIGRATIONS, read};

#[tokio::test]
async fn what_is_told_twice_counts_once_and_strangers_are_shown() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let account = app.account("AB12", json!({"supervision": 0})).await;
        assert_eq!(app.tell("AB12", 1, "Nri1/FA12^Kho^").await.as_deref(), Some("ACK"));
        assert_eq!(app.tell("AB12", 1, "Nri1/FA12^Kho^").await.as_deref(), Some("ACK"), "a repetition is acknowledged again");
        let messages = app.panels.messages(&app.system(), account.id).await.unwrap();
        assert_eq!((messages.len(), messages[0].code.as_str(), messages[0].words.as_str()), (1, "FA", "Kho"));
        // Long after, the same number is another message: panels count from one again.
        app.wait(3_600);
        assert_eq!(app.tell("AB12", 1, "Nri1/FA12^Kho^").await.as_deref(), Some("ACK"));
        let signals = app.signals("open").await;
        assert_eq!((signals.len(), signals[0].repeats), (1, 1), "one detector, one signal");
        assert_eq!(app.tell("FFFF", 1, "Nri1/FA1").await.as_deref(), Some("DUH"));
        let strangers = app.panels.strangers(&app.system()).unwrap();
        assert_eq!((strangers.len(), strangers[0].account.as_str(), strangers[0].n), (1, "FFFF", 1));
        // A code that no pack explains is seen, not dropped; broken sums are not answered.
        assert_eq!(app.tell("AB12", 2, "NXX9").await.as_deref(), Some("ACK"));
        assert!(app.signals("open").await.iter().any(|s| s.kind == "unknown" && s.code == "XX"));
        let mut broken = compose("SIA-DCS", 3, None, "0", "AB12", Inside::Plain("#AB12|NFA9]"));
        broken[1] = if broken[1] == b'0' { b'1' } else { b'0' };
        assert_eq!(app.answer(&broken).await, None);
        // More than the rate is not answered, so the panel keeps it and tells again.
        let mut unanswered = 0;
        for n in 10..90 {
            unanswered += usize::from(app.tell("AB12", n, "NRP0").await.is_none());
        }
        assert!(unanswered > 0 && unanswered < 40, "{unanswered}");
    })
    .await;
}

#[tokio::test]
async fn two_detectors_confirm_and_one_that_repeats_does_not() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let premises = app.premises("TR-01", json!({"zones": [{"zone": "12", "name": "Kho tầng 1"}]})).await;
        app.account("AB12", json!({"premises": premises.row.id, "supervision": 0})).await;
        for sequence in 1..5 {
            app.tell("AB12", sequence, "Nri1/FA12").await;
            app.wait(20);
        }
        let signals = app.signals("open").await;
        assert_eq!((signals.len(), signals[0].repeats, signals[0].confirmed_at), (1, 3, None));
        assert_eq!(signals[0].zone_name.as_deref(), Some("Kho tầng 1"));
        // Another kind that does not go with fire confirms nothing; a second detector does, both ways.
        app.tell("AB12", 6, "Nri1/BA3").await;
        assert!(app.signals("open").await.iter().all(|s| s.confirmed_at.is_none()));
        app.tell("AB12", 7, "Nri1/KA15").await;
        let confirmed: Vec<String> = app.signals("open").await.into_iter().filter(|s| s.confirmed_at.is_some()).map(|s| s.kind).collect();
        assert_eq!(confirmed, ["fire", "heat"]);
        let events = app.events().await;
        let told = |want: fn(&Event) -> bool| events.iter().filter(|e| want(e)).count();
        assert_eq!(told(|e| matches!(e, Event::PanelSignalled { .. })), 3);
        assert_eq!(told(|e| matches!(e, Event::PanelConfirmed { .. })), 2);
        // Too late is too late.
        app.account("CD34", json!({"supervision": 0})).await;
        app.tell("CD34", 1, "NFA1").await;
        app.wait(181);
        app.tell("CD34", 2, "NFA2").await;
        assert!(app.signals("open").await.iter().filter(|s| s.account == "CD34").all(|s| s.confirmed_at.is_none()));
        // A hold-up needs no second one; Contact ID's restoral ends what it names, and a person judges.
        app.answer(&compose("ADM-CID", 3, None, "0", "CD34", Inside::Plain("#CD34|1122 01 007]"))).await;
        app.answer(&compose("ADM-CID", 4, None, "0", "CD34", Inside::Plain("#CD34|3122 01 007]"))).await;
        let robbery = app.signals("open").await.into_iter().find(|s| s.kind == "holdup").unwrap();
        assert!(robbery.confirmed_why.as_deref() == Some("at-once") && robbery.restored_at.is_some() && robbery.open);
        // Troubles are over with their restoral.
        app.tell("CD34", 5, "NAT0").await;
        assert_eq!(app.signals("open").await.iter().filter(|s| s.kind == "power").count(), 1);
        app.tell("CD34", 6, "NAR0").await;
        assert_eq!(app.signals("open").await.iter().filter(|s| s.kind == "power").count(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_silent_path_is_told_after_a_restart_too_and_comes_back() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.account("AB12", json!({"supervision": 60, "backup_line": "2", "backup_supervision": 600})).await;
        app.alive("AB12", "1").await;
        app.alive("AB12", "2").await;
        app.wait(30);
        app.run_jobs().await;
        assert!(app.signals("open").await.is_empty());
        app.wait(40);
        app.run_jobs().await;
        let lost = app.signals("open").await;
        assert_eq!((lost.len(), lost[0].kind.as_str(), lost[0].zone.as_str()), (1, "path-loss", "primary"), "the backup path is well");
        // Told once, and known after a restart.
        let app = app.again().await;
        app.wait(120);
        app.run_jobs().await;
        assert_eq!(app.signals("open").await.len(), 1);
        assert_eq!(app.panels.board(&app.system()).await.unwrap().lost, 1);
        assert_eq!(app.alive("AB12", "1").await.as_deref(), Some("ACK"));
        assert!(app.signals("open").await.is_empty());
        assert!(app.events().await.iter().any(|e| matches!(e, Event::PanelRestored { .. })));
        // After a restart nobody is silent since before it.
        app.wait(10_000);
        let app = app.again().await;
        app.wait(2);
        app.run_jobs().await;
        assert!(app.signals("open").await.is_empty());
        app.wait(700);
        app.run_jobs().await;
        assert_eq!(app.signals("open").await.len(), 2, "both paths");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_needed_once_it_is_set_and_the_clock_must_be_right() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let account = app.account("AB12", json!({"supervision": 0})).await;
        let hex = "000102030405060708090a0b0c0d0e0f1011121314151617";
        let input = KeyInput { form: Some(KeyForm::Hex), key: Some(hex.into()) };
        assert_eq!(app.panels.set_key(&app.system(), account.id, &input).await.unwrap().key_bits, Some(192));
        let key = Key::new(hex::decode(hex).unwrap()).unwrap();
        let now = app.system().now;
        let sealed = |sequence: u16, text: String| compose("SIA-DCS", sequence, None, "0", "AB12", Inside::Sealed { text: &text, key: &key, salt: &[7; 16] });
        assert_eq!(app.tell("AB12", 1, "NFA1").await.as_deref(), Some("DUH"), "plain messages are not believed any more");
        assert_eq!(app.answer(&sealed(2, "#AB12|NFA2]".into())).await.as_deref(), Some("NAK"), "without an instant anybody could send it again");
        let shifted = |seconds: i64| stamp(dothi_kernel::time::micros(now.as_microsecond() + seconds * 1_000_000));
        for (seconds, answer) in [(-41i64, "NAK"), (21, "NAK"), (-40, "*ACK"), (20, "*ACK")] {
            let text = format!("#AB12|NFA{}]{}", seconds.abs(), shifted(seconds));
            assert_eq!(app.answer(&sealed(3, text)).await.as_deref(), Some(answer), "{seconds} s");
        }
        // The answer is encrypted and tells our time; another account inside is refused.
        let frame = sealed(4, format!("#AB12|NFA9]{}", shifted(0)));
        let answer = app.panels.receive(&frame[1..frame.len() - 1], IpAddr::V4(Ipv4Addr::LOCALHOST)).await.unwrap();
        assert_eq!(read(&answer).open(Some(&key)).unwrap().at.map(|t| t.as_second()), Some(now.as_second()));
        assert_eq!(app.answer(&sealed(5, format!("#CD34|NFA9]{}", shifted(0)))).await.as_deref(), Some("DUH"));
        let row = app.panels.accounts(&app.system(), &Default::default()).await.unwrap().items.remove(0);
        let mut why: Vec<&str> = row.refused.iter().map(|r| r.why.as_str()).collect();
        why.sort_unstable();
        assert_eq!(why, ["account", "clock", "plain"]);
        assert_eq!(app.signals("open").await.len(), 3, "what was refused is not there");
    })
    .await;
}

#[tokio::test]
async fn maintenance_keeps_messages_raises_nothing_and_ends_by_itself() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let account = app.account("AB12", json!({"supervision": 60})).await;
        let until = |hours: i64| Some(dothi_kernel::time::micros(app.system().now.as_microsecond() + hours * 3_600_000_000));
        let wanted = |until, reason: &str| MaintenanceInput { until, reason: reason.into() };
        let refused = app.panels.set_maintenance(&app.system(), account.id, &wanted(until(100), "thay đầu báo")).await.unwrap_err();
        assert_eq!(refused.code(), "panels.maintenance");
        app.panels.set_maintenance(&app.system(), account.id, &wanted(until(2), "thay đầu báo")).await.unwrap();
        assert_eq!(app.tell("AB12", 1, "NFA1").await.as_deref(), Some("ACK"));
        app.wait(600);
        app.run_jobs().await;
        assert!(app.signals("all").await.is_empty());
        let messages = app.panels.messages(&app.system(), account.id).await.unwrap();
        assert!(messages.len() == 1 && messages[0].maintenance);
        app.wait(7_000);
        assert_eq!(app.tell("AB12", 2, "NFA1").await.as_deref(), Some("ACK"));
        assert_eq!(app.signals("open").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn people_take_note_judge_and_premises_that_cry_wolf_are_listed() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let premises = app.premises("TR-01", json!({})).await;
        app.account("AB12", json!({"premises": premises.row.id, "supervision": 0})).await;
        let operator = app.operator();
        let as_now = |c: &Caller| Caller { now: app.system().now, ..c.clone() };
        for n in 1..5u16 {
            app.tell("AB12", n, &format!("NFA{n}")).await;
            app.wait(400);
            let signal = app.signals("open").await.remove(0);
            let noted = app.panels.acknowledge(&as_now(&operator), signal.id, &AckInput { version: signal.version }).await.unwrap();
            assert_eq!(noted.row.acked_by.as_deref(), Some("truc"));
            let verdict = |version, reason: &str| VerdictInput { version, verdict: "false".into(), reason: reason.into() };
            let stale = app.panels.judge(&as_now(&operator), signal.id, &verdict(signal.version, "khói bếp")).await.unwrap_err();
            assert_eq!(stale.code(), "panels.version");
            let silent = app.panels.judge(&as_now(&operator), signal.id, &verdict(noted.row.version, "")).await.unwrap_err();
            assert_eq!(silent.code(), "panels.empty", "a false alarm needs a reason");
            let done = app.panels.judge(&as_now(&operator), signal.id, &verdict(noted.row.version, "khói bếp")).await.unwrap();
            assert!(!done.row.open && done.verdict_why.as_deref() == Some("khói bếp"));
        }
        let offenders = app.panels.offenders(&app.system()).await.unwrap();
        assert_eq!((offenders.len(), offenders[0].code.as_str(), offenders[0].score.wrong), (1, "TR-01", 4));
        assert_eq!(app.panels.board(&app.system()).await.unwrap().noted_p90, Some(400));
        // Ninety days later it is forgotten.
        app.wait(91 * 86_400);
        assert!(app.panels.offenders(&app.system()).await.unwrap().is_empty());
        // A person confirms: it goes on, and is told to those who dispatch.
        app.tell("AB12", 9, "NBA7").await;
        let signal = app.signals("open").await.remove(0);
        let confirm = VerdictInput { version: signal.version, verdict: "confirm".into(), reason: "bảo vệ thấy người lạ".into() };
        let view = app.panels.judge(&as_now(&operator), signal.id, &confirm).await.unwrap();
        assert!(view.row.open && view.row.confirmed_why.as_deref() == Some("person"));
        assert!(app.events().await.iter().any(|e| matches!(e, Event::PanelConfirmed { signal: s, .. } if *s == signal.id)));
    })
    .await;
}
