//! Who may register and see which camera, over both engines.

use dothi_kernel::Permission;
use dothi_store::outside::Guard;
use dothi_store::testing::both;
use dothi_video::MIGRATIONS;
use dothi_video::model::{FindQuery, LogQuery};
use serde_json::json;

use crate::rig::App;

#[tokio::test]
async fn cameras_belong_to_units_and_passwords_to_nobody() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let manages = app.staff("ha", &["ubnd-13225"], &[Permission::CameraManage]);
        let watches = app.staff("lan", &["ubnd-13225"], &[Permission::CameraWatch]);
        let input = App::input("N-1", "rtsp://admin:bi-mat@203.0.113.7:8554/ch1", json!({"bearing": 90.0, "angle": 60.0, "reach": 80.0}));
        let made = app.video.put(&manages, None, input).await.unwrap();
        assert_eq!(
            (made.url.as_deref(), made.credentials, made.row.unit.as_ref().map(|u| u.id.as_str())),
            (Some("rtsp://203.0.113.7:8554/ch1"), Some(true), Some("ubnd-13225"))
        );
        // Those who watch see neither address nor whether there is a password.
        let seen = app.video.camera(&watches, made.row.id).await.unwrap();
        assert_eq!((seen.url, seen.credentials, seen.unmasked), (None, None, false));
        // Another unit's camera is neither listed, shown nor taken over.
        app.camera("N-2", "rtsp://203.0.113.8/", json!({"commune": "11953"})).await;
        let listed = app.video.list(&watches, &FindQuery::default()).unwrap();
        assert_eq!(listed.items.iter().map(|c| c.code.as_str()).collect::<Vec<_>>(), ["N-1"]);
        let other = app.video.list(&app.system(), &FindQuery { q: Some("n-2".into()), ..FindQuery::default() }).unwrap().items.remove(0);
        assert_eq!(app.video.camera(&watches, other.id).await.unwrap_err().code(), "access.not-allowed");
        let foreign = App::input("N-3", "rtsp://203.0.113.9/", json!({"commune": "11953"}));
        assert_eq!(app.video.put(&manages, None, foreign).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.video.log(&watches, &LogQuery::default()).await.unwrap_err().code(), "access.not-allowed");
        // A password goes to the host it was given for, and to no other.
        let mut moved = App::input("N-1", "rtsp://203.0.113.99/ch1", json!({}));
        moved.version = Some(1);
        assert_eq!(app.video.put(&manages, Some(made.row.id), moved.clone()).await.unwrap().credentials, Some(false));
        assert_eq!(app.video.put(&manages, Some(made.row.id), moved).await.unwrap_err().code(), "video.version");
        for (more, code) in [
            (json!({"purpose": "none"}), "video.camera.invalid"),
            (json!({"retention_days": 4_000}), "video.camera.invalid"),
            (json!({"masks": [{"corners": [[0.0, 0.0], [1.0, 1.0]]}]}), "video.camera.invalid"),
            (json!({"record": "hours"}), "video.camera.invalid"),
            (json!({"code": "N-1"}), "video.code.taken"),
            (json!({"url": "http://203.0.113.7/"}), "video.camera.invalid"),
            (json!({"url": "file:../../etc/passwd"}), "video.camera.invalid"),
        ] {
            let refused = app.video.put(&app.system(), None, App::input("N-9", "rtsp://203.0.113.7/", more.clone())).await.unwrap_err();
            assert_eq!(refused.code(), code, "{more}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_table_is_taken_row_by_row_and_private_networks_only_when_allowed() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::with(store, Guard::default(), |_| {}).await;
        let table = "code,name,url,purpose,lon,lat,bearing,commune,record\n\
                     T-1,Ngã tư,rtsp://203.0.113.1/,order,106.3,20.4,45,,always\n\
                     T-2,Nội bộ,rtsp://192.168.1.9/,order,,,,13225,\n\
                     T-3,Sai mục đích,rtsp://203.0.113.3/,khac,,,,13225,\n";
        let first = app.video.import(&app.system(), table.as_bytes()).await.unwrap();
        let codes: Vec<&str> = first.rejects.iter().map(|r| r.code.as_str()).collect();
        assert_eq!((first.read, first.added, first.rejected, codes), (3, 1, 2, vec!["outside.refused", "video.camera.invalid"]));
        let again = app.video.import(&app.system(), b"code,name,url,purpose\nT-1,T\xc3\xaan m\xe1\xbb\x9bi,rtsp://203.0.113.1/,order\n").await.unwrap();
        assert_eq!((again.added, again.changed), (0, 1));
        let row = app.video.list(&app.system(), &FindQuery::default()).unwrap().items.remove(0);
        assert_eq!((row.name.as_str(), row.bearing, row.location.map(|l| l.lat)), ("Tên mới", Some(45.0), Some(20.4)), "what a table does not say stays");
        assert_eq!(app.video.import(&app.system(), b"code,name\n").await.unwrap_err().code(), "video.import.columns");
    })
    .await;
}
