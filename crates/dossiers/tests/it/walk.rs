//! Dossiers come in, run, wait, become late, are apologised for, and end.

use dothi_dossiers::model::SlipInput;
use jiff::civil::date;

use super::*;

#[tokio::test]
async fn what_is_told_twice_changes_nothing_and_what_changes_is_kept() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-16T10:00:00+07:00");
        let records = [record(1, json!({})), record(2, json!({"unit": "so-xd-33", "procedure": "1.009994", "channel": 1}))];
        let first = app.hand_in(&records).await;
        assert_eq!((first.read, first.added, first.rejected), (2, 2, 0), "{first:?}");
        let again = app.hand_in(&records).await;
        assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 2));
        let total = app.total().await;
        assert_eq!((total.received, total.online, total.open, total.late, total.on_time), (2, 1, 2, 0, Some(100.0)));

        // A later word changes it, and the change is history; an earlier one is passed over.
        let done = record(
            1,
            json!({"state": 10, "finished_at": "2026-11-17T09:00:00+07:00", "returned_at": "2026-11-17T10:00:00+07:00", "updated_at": "2026-11-17T03:00:00Z"}),
        );
        app.set("2026-11-17T11:00:00+07:00");
        assert_eq!(app.hand_in(&[done]).await.changed, 1);
        let old = app.hand_in(&[record(1, json!({"updated_at": "2026-11-16T03:00:00Z"}))]).await;
        assert_eq!((old.older, old.changed), (1, 0));
        let view = app.dossiers.get(&app.officer("ubnd-13225"), &code(1)).await.unwrap();
        assert_eq!(view.row.standing, "ended-on-time");
        assert_eq!(view.row.due_at, at("2026-11-19T17:30:00+07:00"));
        // From Monday 8 to Tuesday 9 are a day and an hour: three half-days.
        assert_eq!(view.took_days, Some(1.5));
        let states: Vec<_> = view.log.iter().filter(|l| l.kind == "state").map(|l| (l.was.clone(), l.became.clone())).collect();
        assert_eq!(states, [(Some("4".into()), Some("10".into())), (None, Some("4".into()))]);
        let total = app.total().await;
        assert_eq!((total.received, total.ended, total.open, total.median_days), (2, 1, 1, Some(1.5)));

        // A source that takes it back: the counts follow.
        app.hand_in(&[record(1, json!({"state": 4, "updated_at": "2026-11-17T05:00:00Z"}))]).await;
        let total = app.total().await;
        assert_eq!((total.received, total.ended, total.open, total.median_days), (2, 0, 2, None));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told_and_keeps_nothing_else_back() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let told = app
            .hand_in(&[
                record(1, json!({"code": "not a code"})),
                record(2, json!({"unit": "so-khac"})),
                record(3, json!({"state": 44})),
                record(4, json!({"procedure": "9.999999"})),
                record(5, json!({"procedure": "9.999999", "appointed_at": "2026-11-25T17:00:00+07:00"})),
                record(6, json!({"state": 10, "finished_at": "2026-11-15T09:00:00+07:00"})),
                record(7, json!({"received_at": "2027-11-16T08:00:00+07:00"})),
                record(8, json!({"commune": "00000"})),
                record(9, json!({"received_at": null})),
                record(10, json!({"state": 1, "received_at": null, "registered_at": "2026-11-16T08:00:00+07:00"})),
            ])
            .await;
        let codes: Vec<(u64, &str)> = told.rejects.iter().map(|r| (r.line, r.code.as_str())).collect();
        assert_eq!(
            codes,
            [
                (1, "dossiers.code"),
                (2, "dossiers.unit.unknown"),
                (3, "dossiers.state.unknown"),
                (4, "dossiers.procedure.unknown"),
                (6, "dossiers.order"),
                (7, "dossiers.future"),
                (8, "dossiers.commune.unknown"),
                (9, "dossiers.received-at"),
            ]
        );
        assert_eq!((told.added, told.rejected), (2, 8));
        // Newly registered is not received: it is known, but it does not count.
        assert_eq!(app.total().await.received, 1);
        // Without a procedure the source's own date of return is the deadline.
        let view = app.dossiers.get(&app.officer("ubnd-13225"), &code(5)).await.unwrap();
        assert_eq!(view.row.due_at, at("2026-11-25T17:00:00+07:00"));
        // Programs hand in; officers do not, and a program of one unit only for it.
        let refused = app.dossiers.hand_in(&app.officer("ubnd-13225"), given(&[record(20, json!({}))])).await.unwrap_err();
        assert_eq!(refused.code(), "access.not-allowed");
        let narrow = app.staff("mot-cua", &["so-xd-33"], &[Permission::DossierWrite]);
        let told = app.dossiers.hand_in(&narrow, given(&[record(20, json!({})), record(21, json!({"unit": "so-xd-33"}))])).await.unwrap();
        assert_eq!((told.added, told.rejects[0].code.as_str()), (1, "access.not-allowed"));
    })
    .await;
}

#[tokio::test]
async fn lateness_is_written_down_when_it_happens_and_apologised_for_once() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-16T10:00:00+07:00");
        app.hand_in(&[record(1, json!({})), record(2, json!({})), record(3, json!({"state": 5, "state_at": "2026-11-17T09:00:00+07:00"}))]).await;
        app.set("2026-11-19T17:30:00+07:00");
        app.run_jobs().await;
        assert_eq!(app.codes("overdue").await, Vec::<String>::new(), "at the very deadline nothing is late");
        let mut soon = app.codes("soon").await;
        soon.sort();
        assert_eq!(soon, [code(1), code(2)]);
        // The second one was ended in time; the source says so only later.
        app.set("2026-11-20T09:00:00+07:00");
        app.run_jobs().await;
        assert_eq!(app.codes("overdue").await.len(), 2);
        let total = app.total().await;
        assert_eq!((total.overdue, total.late, total.waiting, total.on_time), (2, 2, 1, Some(33.33)));
        app.hand_in(&[record(2, json!({"state": 9, "finished_at": "2026-11-19T16:00:00+07:00"}))]).await;
        assert_eq!(app.codes("overdue").await, [code(1)]);
        assert_eq!(app.total().await.late, 1);
        let view = app.dossiers.get(&app.officer("ubnd-13225"), &code(1)).await.unwrap();
        let late = view.log.iter().find(|l| l.kind == "late").unwrap();
        assert_eq!((Some(late.at), Some(late.noted_at), late.by.as_str()), (at("2026-11-19T17:30:00+07:00"), at("2026-11-20T09:00:00+07:00"), "dossiers"));

        // The supplement is brought after two days: these days do not count.
        app.hand_in(&[record(3, json!({"state": 4, "state_at": "2026-11-19T08:00:00+07:00"}))]).await;
        let third = app.dossiers.get(&app.officer("ubnd-13225"), &code(3)).await.unwrap();
        assert_eq!((third.row.due_at, third.row.supplements), (at("2026-11-23T17:30:00+07:00"), 1));
        // Asked a second time it counts as overdue, whatever the deadline.
        app.hand_in(&[record(3, json!({"state": 5, "state_at": "2026-11-20T08:30:00+07:00"}))]).await;
        let third = app.dossiers.get(&app.officer("ubnd-13225"), &code(3)).await.unwrap();
        assert_eq!((third.row.supplements, third.row.late_why.as_deref(), third.late_at), (2, Some("supplements"), at("2026-11-20T08:30:00+07:00")));
        assert_eq!(third.waits.len(), 2);

        // One apology with a new date; it does not make the dossier any less late.
        let officer = app.officer("ubnd-13225");
        let slip = |day, version| SlipInput { version, day, reason: "Chờ xác minh của cơ quan khác".into() };
        let refused = app.dossiers.issue_slip(&officer, &code(1), &slip(date(2026, 11, 22), view.version)).await.unwrap_err();
        assert_eq!(refused.code(), "dossiers.slip.day", "a Sunday");
        let refused = app.dossiers.issue_slip(&app.officer("so-xd-33"), &code(1), &slip(date(2026, 11, 24), view.version)).await.unwrap_err();
        assert_eq!(refused.code(), "access.not-allowed");
        let after = app.dossiers.issue_slip(&officer, &code(1), &slip(date(2026, 11, 24), view.version)).await.unwrap();
        assert_eq!((after.row.promised_at, after.row.standing.as_str(), after.may_slip), (at("2026-11-24T17:30:00+07:00"), "overdue", false));
        assert_eq!(after.slips[0].was_due_at, at("2026-11-19T17:30:00+07:00"));
        let (name, pdf) = app.dossiers.slip_paper(&officer, &code(1), 1, None).await.unwrap();
        assert!(name.ends_with("-1.pdf"), "{name}");
        if let Some(text) = dothi_paper::testing::words(&pdf) {
            for said in [
                "Độc lập – Tự do – Hạnh phúc",
                "PHIẾU XIN LỖI VÀ HẸN LẠI NGÀY TRẢ KẾT QUẢ",
                "hẹn trả kết quả 19/11/2026",
                "17:30 24/11/2026",
                "Chờ xác minh của cơ quan khác",
            ] {
                assert!(text.contains(said), "`{said}` is missing in\n{text}");
            }
        }
        assert_eq!(app.dossiers.slip_paper(&officer, &code(1), 2, None).await.unwrap_err().code(), "dossiers.slip.none");
        assert_eq!(app.dossiers.slip_paper(&app.officer("so-xd-33"), &code(1), 1, None).await.unwrap_err().kind(), dothi_kernel::Kind::Forbidden);
        let again = app.dossiers.issue_slip(&officer, &code(1), &slip(date(2026, 11, 25), after.version)).await.unwrap_err();
        assert_eq!(again.code(), "dossiers.slip.again");
        let stale = app.dossiers.issue_slip(&officer, &code(3), &slip(date(2026, 11, 25), 1)).await.unwrap_err();
        assert_eq!(stale.code(), "dossiers.version");
        assert_eq!(app.total().await.late, 2);
    })
    .await;
}

#[tokio::test]
async fn who_sees_what() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.hand_in(&[record(1, json!({})), record(2, json!({"unit": "so-xd-33", "commune": "11953"}))]).await;
        let own = app.officer("ubnd-13225");
        let list = app.dossiers.list(&own, &ListQuery::default()).await.unwrap();
        assert_eq!(list.items.iter().map(|d| d.code.clone()).collect::<Vec<_>>(), [code(1)]);
        assert_eq!(app.dossiers.get(&own, &code(2)).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.dossiers.board(&own, &BoardQuery::default()).await.unwrap().total.received, 1);
        let other = BoardQuery { unit: Some("so-xd-33".into()), ..BoardQuery::default() };
        assert_eq!(app.dossiers.board(&own, &other).await.unwrap_err().code(), "access.not-allowed");
        // The name is for those who handle it, and reading it is on record. Lists and the dossier carry none.
        assert_eq!(app.dossiers.applicant(&own, &code(1)).await.unwrap().name.as_deref(), Some("Nguyễn Thị Thử"));
        assert_eq!(app.dossiers.applicant(&app.leader(), &code(1)).await.unwrap_err().code(), "access.not-allowed");
        let view = app.dossiers.get(&own, &code(1)).await.unwrap();
        let told = serde_json::to_string(&(&list, &view)).unwrap();
        assert!(!told.contains("Nguyễn Thị Thử") && !told.contains("5678") && !told.contains("345 678"), "{told}");
        let nobody = Caller::anonymous(app.store.clock.as_ref(), None);
        assert_eq!(app.dossiers.list(&nobody, &ListQuery::default()).await.unwrap_err().code(), "access.sign-in-needed");
        assert_eq!(app.dossiers.board(&nobody, &BoardQuery::default()).await.unwrap_err().code(), "access.sign-in-needed");
        // By commune and procedure, narrowed.
        let by = |by: &str| BoardQuery { by: Some(by.into()), ..BoardQuery::default() };
        let rows = app.dossiers.board(&app.leader(), &by("commune")).await.unwrap().rows;
        let rows: Vec<(&str, &str, i64)> = rows.iter().map(|r| (r.key.as_str(), r.name.as_str(), r.cell.received)).collect();
        assert_eq!(rows, [("11953", "Phường Phố Hiến", 1), ("13225", "Phường Thái Bình", 1)]);
        let narrowed = BoardQuery { unit: Some("so-xd-33".into()), ..by("procedure") };
        let rows = app.dossiers.board(&app.leader(), &narrowed).await.unwrap().rows;
        assert_eq!((rows.len(), rows[0].cell.received), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_register_is_read_by_the_words_of_its_source() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        app.set("2026-11-18T10:00:00+07:00");
        let table = "\u{feff}Số hồ sơ,Mã thủ tục,Mã đơn vị,Mã xã,Kênh,Trạng thái,Ngày tiếp nhận,Ngày hẹn trả,Ngày có kết quả,Ngày trả,Các lần bổ sung,\"Phí, lệ phí\",Thanh toán trực tuyến,Người nộp,Điện thoại\n\
            H31.05.13-261102-0001,1.004873,ubnd-13225,13225,Trực tuyến,Đã trả kết quả,02/11/2026 08:15,05/11/2026,04/11/2026 10:00,05/11/2026 09:00,,15.000 đ,Có,Trần Văn Mẫu,0987654321\n\
            H31.05.13-261102-0002,1.004873,ubnd-13225,13225,trực tiếp,ĐANG XỬ LÝ,02/11/2026 08:30,,,,03/11/2026 09:00 - 05/11/2026 10:00; 09/11/2026 08:00 - 09/11/2026 11:00,,,Lê Thị Ví Dụ,\n\
            H31.05.13-261102-0003,1.004873,ubnd-13225,13225,Trực tiếp,Đang ngủ,02/11/2026,,,,,,,,\n\
            H31.05.13-261102-0004,1.004873,ubnd-13225,13225,Trực tiếp,Đang xử lý,hôm qua,,,,,,,,\n";
        let told = app.dossiers.import(&app.program(), "so-theo-doi", table.as_bytes()).await.unwrap();
        let rejects: Vec<(u64, &str)> = told.rejects.iter().map(|r| (r.line, r.code.as_str())).collect();
        assert_eq!((told.added, rejects), (2, vec![(5, "dossiers.sheet.instant"), (4, "dossiers.state.unknown")]));
        let officer = app.officer("ubnd-13225");
        let first = app.dossiers.get(&officer, "H31.05.13-261102-0001").await.unwrap();
        assert_eq!((first.row.channel, first.fee, first.paid_online, first.row.standing.as_str()), (2, 15_000, true, "ended-on-time"));
        // A day without a time is its last instant when it is a promise.
        assert_eq!(first.appointed_at, at("2026-11-05T23:59:59+07:00"));
        let second = app.dossiers.get(&officer, "H31.05.13-261102-0002").await.unwrap();
        assert_eq!((second.row.supplements, second.row.late_why.as_deref()), (2, Some("supplements")), "the second request came before the deadline");
        // Tuesday and Wednesday waited at their close; Monday waited only during the day.
        assert_eq!(second.row.due_at, at("2026-11-09T17:30:00+07:00"));
        let again = app.dossiers.import(&app.program(), "so-theo-doi", table.as_bytes()).await.unwrap();
        assert_eq!((again.unchanged, again.added, again.changed), (2, 0, 0));
        let broken = app.dossiers.import(&app.program(), "so-theo-doi", b"a,b\n1,2\n").await.unwrap_err();
        assert_eq!(broken.code(), "dossiers.sheet.columns");
        assert_eq!(app.dossiers.import(&app.program(), "none", b"").await.unwrap_err().code(), "dossiers.source");
    })
    .await;
}
