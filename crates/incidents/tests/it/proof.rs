//! Public warnings as CAP, the evidence pack, the review.

use std::io::Read;

use dothi_incidents::model::NewNote;
use dothi_incidents::model_ops::{NewWarning, Review, Settling, StepInput};

use super::*;

fn warning(more: Value) -> NewWarning {
    let mut new = json!({ "vi": { "headline": "Cháy lớn <kho> & chợ", "description": "Khói độc.", "instruction": "Đóng cửa sổ." }, "areas": ["13225"] });
    for (key, value) in more.as_object().unwrap() {
        new[key] = value.clone();
    }
    serde_json::from_value(new).unwrap()
}

/// Checks a message against the schema of the standard, where there are both a checker and the schema.
fn valid(xml: &str) {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cap/xsd/cap12.xsd");
    let folder = tempfile();
    let file = folder.join("alert.xml");
    std::fs::write(&file, xml).unwrap();
    let checked = std::process::Command::new("xmllint").arg("--noout").arg("--nonet").arg("--schema").arg(&schema).arg(&file).output();
    match checked {
        Ok(out) if schema.exists() => assert!(out.status.success(), "{}\n{xml}", String::from_utf8_lossy(&out.stderr)),
        _ => eprintln!("SKIPPED against the CAP schema: no xmllint, or no schema at {}", schema.display()),
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("dothi-cap-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn a_warning_is_sent_by_a_second_person_updated_cancelled_and_over() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let nobody = || Caller::anonymous(app.store.clock.as_ref(), None);
        let draft = app.incidents.draft_warning(&app.lead(), warning(json!({}))).await.unwrap();
        let yes = |w: &dothi_incidents::model_ops::PublicWarning| Settling { version: w.version, approve: true };
        assert_eq!(app.incidents.settle_warning(&app.lead(), draft.id, yes(&draft)).await.unwrap_err().code(), "incidents.second-person");
        assert_eq!(app.incidents.settle_warning(&app.operator(), draft.id, yes(&draft)).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.incidents.cap_alert(&nobody(), &draft.identifier).await.unwrap_err().code(), "incidents.unknown", "a draft is nobody's");
        let leader = || app.somebody(8, "leader", &[], &[Permission::IncidentRead, Permission::IncidentApprove]);
        let sent = app.incidents.settle_warning(&leader(), draft.id, yes(&draft)).await.unwrap();
        let xml = app.incidents.cap_alert(&nobody(), &sent.identifier).await.unwrap();
        assert!(xml.contains("<status>Actual</status>") && xml.contains("<sent>2026-11-21T01:00:00-00:00</sent>"), "{xml}");
        assert!(xml.contains("Cháy lớn &lt;kho&gt; &amp; chợ") && xml.contains("<value>13225</value>"), "{xml}");
        valid(&xml);
        assert_eq!(app.incidents.notices(&nobody()).await.unwrap().len(), 1);

        app.set("2026-11-21T09:00:00+07:00");
        let polygon = json!([[106.2, 20.4], [106.4, 20.4], [106.3, 20.5], [106.2, 20.4]]);
        let update = warning(json!({"replaces": sent.identifier, "polygon": polygon, "en": {"headline": "Large fire"}, "hours": 1}));
        let update = app.incidents.draft_warning(&app.operator(), update).await.unwrap();
        let update = app.incidents.settle_warning(&leader(), update.id, yes(&update)).await.unwrap();
        let xml = app.incidents.cap_alert(&nobody(), &update.identifier).await.unwrap();
        let reference = format!("<references>ioc@hungyen.gov.vn,{},2026-11-21T01:00:00-00:00</references>", sent.identifier);
        assert!(xml.contains("<msgType>Update</msgType>") && xml.contains(&reference) && xml.contains("<polygon>20.4,106.2 20.4,106.4"), "{xml}");
        valid(&xml);
        let notices = app.incidents.notices(&nobody()).await.unwrap();
        assert_eq!(notices.iter().map(|n| n.identifier.clone()).collect::<Vec<_>>(), std::slice::from_ref(&update.identifier));
        let over = app.incidents.draft_warning(&app.operator(), warning(json!({"replaces": sent.identifier}))).await.unwrap_err();
        assert_eq!(over.code(), "incidents.warning.over");

        // An exercise is in no public list, and says what it is.
        let exercise = app.incidents.draft_warning(&app.operator(), warning(json!({"drill": true}))).await.unwrap();
        let exercise = app.incidents.settle_warning(&leader(), exercise.id, yes(&exercise)).await.unwrap();
        let xml = app.incidents.cap_alert(&nobody(), &exercise.identifier).await.unwrap();
        assert!(xml.contains("<status>Exercise</status>"));
        valid(&xml);
        let asker = nobody();
        let feed = |all| app.incidents.cap_feed(&asker, "http://x", all);
        assert_eq!(feed(false).await.unwrap().matches("<entry>").count(), 2);
        assert_eq!(feed(true).await.unwrap().matches("<entry>").count(), 3);
        assert_eq!(app.incidents.notices(&nobody()).await.unwrap().len(), 1);

        let cancel = app.incidents.draft_warning(&app.operator(), warning(json!({"replaces": update.identifier, "cancel": true, "areas": []}))).await.unwrap();
        let cancel = app.incidents.settle_warning(&leader(), cancel.id, yes(&cancel)).await.unwrap();
        let xml = app.incidents.cap_alert(&nobody(), &cancel.identifier).await.unwrap();
        assert!(xml.contains("<msgType>Cancel</msgType>"));
        valid(&xml);
        assert_eq!(app.incidents.notices(&nobody()).await.unwrap().len(), 0);
        // Over by time.
        let last = app.incidents.draft_warning(&app.operator(), warning(json!({"hours": 1}))).await.unwrap();
        app.incidents.settle_warning(&leader(), last.id, yes(&last)).await.unwrap();
        assert_eq!(app.incidents.notices(&nobody()).await.unwrap().len(), 1);
        app.set("2026-11-21T10:00:00+07:00");
        assert_eq!(app.incidents.notices(&nobody()).await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_evidence_fits_its_manifest_and_the_review_proposes_a_revision() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let view = app.open(json!({"kind": "fire", "alarm": Uuid::from_u128(1), "drill": true})).await;
        let id = view.row.incident.id;
        app.incidents.note(&app.operator(), id, NewNote { text: "=HYPERLINK(1)".into(), message: true }).await.unwrap();
        let run = &view.runs[0];
        let skip = StepInput { version: run.version, step: "verify".into(), skip: true, reason: Some("diễn tập".into()), ..Default::default() };
        app.incidents.end_step(&app.operator(), id, run.id, skip).await.unwrap();
        let (name, bytes) = app.incidents.evidence(&app.operator(), id).await.unwrap();
        assert_eq!(name, "DT-2026-00001.zip");
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut read = |name: &str| {
            let mut out = Vec::new();
            zip.by_name(name).unwrap().read_to_end(&mut out).unwrap();
            out
        };
        let hash = |bytes: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes));
        let manifest = read("manifest.json");
        assert!(String::from_utf8(read("manifest.sha256")).unwrap().starts_with(&hash(&manifest)));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!((manifest["evidence"]["drill"].as_bool(), manifest["evidence"]["log_broken_at"].is_null()), (Some(true), true));
        for file in manifest["files"].as_array().unwrap() {
            let bytes = read(file["file"].as_str().unwrap());
            assert_eq!(file["sha256"], hash(&bytes), "{file}");
        }
        let alarm: Value = serde_json::from_slice(&read(&format!("alarms/{}.json", Uuid::from_u128(1)))).unwrap();
        assert_eq!(alarm["value"], 87.5);
        assert!(String::from_utf8(read("timeline.csv")).unwrap().contains("'=HYPERLINK(1)"), "no formula for a spreadsheet");
        assert_eq!(read("cameras/NT-LB-01-1.mp4"), b"mp4");
        assert!(read("cameras/NT-LB-02-1.json").starts_with(b"{"), "a piece that cannot be had is told");
        assert!(read("report.pdf").starts_with(b"%PDF-1."));
        assert!(app.incidents.evidence(&app.officer("ubnd-13225"), id).await.is_err());

        let review = Review {
            lessons: "Gọi sớm hơn".into(), procedure: Some("fire-basic".into()), proposal: "Bước 1 còn 1 phút".into(), ..Default::default()
        };
        let report = app.incidents.put_review(&app.operator(), id, review.clone()).await.unwrap();
        assert_eq!((report.review.version, report.review.draft), (1, Some(2)));
        let skipped: Vec<_> = report.incident.runs[0].steps.iter().filter(|s| s.state == "skipped").map(|s| s.reason.as_deref()).collect();
        assert_eq!(skipped, [Some("diễn tập")]);
        let (name, pdf) = app.incidents.report(&app.operator(), id, Some("en")).await.unwrap();
        assert_eq!(name, "DT-2026-00001.pdf");
        assert!(app.incidents.report(&app.officer("ubnd-11953"), id, None).await.is_err());
        assert_eq!(app.incidents.report(&app.operator(), id, Some("fr")).await.unwrap_err().code(), "paper.language");
        if let Some(text) = dothi_paper::testing::words(&pdf) {
            let last = &report.log.last().unwrap().hash;
            for said in
                ["DRILL. Not a real incident", "Skipped: diễn tập", "secondary source, verify", "Gọi sớm hơn", "=HYPERLINK(1)", "08:00:00", last.as_str()]
            {
                assert!(text.contains(said), "`{said}` is missing in\n{text}");
            }
        }
        let versions = app.incidents.procedure(&app.lead(), "fire-basic").await.unwrap();
        assert_eq!((versions[0].state.as_str(), versions[0].from_incident.as_deref()), ("draft", Some("DT-2026-00001")));
        assert_eq!(app.incidents.put_review(&app.operator(), id, review).await.unwrap_err().code(), "incidents.version");
        // A log that was touched is told.
        let mut tx = app.store.begin(&app.system()).await.unwrap();
        tx.exec("update incident_log set text = 'khác' where n = 2", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        let (_, bytes) = app.incidents.evidence(&app.operator(), id).await.unwrap();
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        zip.by_name("manifest.json").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["evidence"]["log_broken_at"], 2);
        let (_, pdf) = app.incidents.report(&app.operator(), id, None).await.unwrap();
        if let Some(text) = dothi_paper::testing::words(&pdf) {
            assert!(text.contains("gãy ở dòng 2"), "{text}");
        }
    })
    .await;
}
