//! A domain with the real base pack, or with a small one.

use std::path::Path;
use std::sync::Arc;

use dothi_access::model::{NewGrant, NewPerson, PersonKind};
use dothi_access::pack::{AccessPack, load};
use dothi_access::{Access, AccessSettings};
use dothi_kernel::Caller;
use dothi_store::testing::TestStore;
use uuid::Uuid;

pub const PASSWORD: &str = "a long enough password";

/// The files of the base pack, with hashing made cheap.
pub fn real_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/access");
    let files = walkdir::WalkDir::new(&root).into_iter().map(|e| e.unwrap()).filter(|e| e.file_type().is_file());
    let text = |e: walkdir::DirEntry| {
        let path = e.path().strip_prefix(&root).unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(e.path()).unwrap();
        let text = if path == "policy.toml" { text.replace("memory_kib = 19456", "memory_kib = 8").replace("passes = 2", "passes = 1") } else { text };
        (path, text)
    };
    files.map(text).collect()
}

/// Real roles and policy; a province with two communes that were three.
pub fn small_files() -> Vec<(String, String)> {
    let mut files: Vec<_> = real_files().into_iter().filter(|(p, _)| !p.contains('/') || p.starts_with("calendars/")).collect();
    let units = "id,level,name,name_en,parent,valid_from,valid_to,source_act,dates\n\
        33,province,Tỉnh Hưng Yên,Hung Yen,,2020-01-01,,,list\n\
        10001,commune,Xã Một,Mot,33,2020-01-01,2025-07-01,,list\n\
        10001,commune,Xã Mới,Moi,33,2025-07-01,,1666/NQ,act\n\
        10002,commune,Xã Hai,Hai,33,2020-01-01,2025-07-01,,list\n\
        10003,commune,Phường Ba,Ba,33,2020-01-01,,,list\n";
    let succession =
        "old,new,date,kind,share,source_act\n10001,10001,2025-07-01,merge,,\n10002,10001,2025-07-01,split,0.7,\n10002,10003,2025-07-01,split,0.3,\n";
    let organisations = "id,level,name,name_en,parent,area,functions,valid_from,valid_to,source_act,dates\n\
        ubnd-33,committee,UBND tỉnh,,,33,province,2020-01-01,,,list\n\
        ioc-33,centre,Trung tâm,,ubnd-33,33,centre,2020-01-01,,,list\n\
        ubnd-10001,committee,UBND xã Mới,,ubnd-33,10001,report,2025-07-01,,,list\n\
        ubnd-10003,committee,UBND phường Ba,,ubnd-33,10003,report,2020-01-01,,,list\n";
    for (path, text) in [("units/units.csv", units), ("units/succession.csv", succession), ("organisations/33.csv", organisations)] {
        files.push((path.into(), text.into()));
    }
    files
}

pub fn pack(files: &[(String, String)]) -> AccessPack {
    let pack = load(files).expect("the files parse");
    assert_eq!(pack.check(), Vec::<String>::new());
    pack
}

pub fn system(store: &TestStore) -> Caller {
    Caller::system("test", store.clock.as_ref())
}

pub async fn open(store: &TestStore) -> Arc<Access> {
    let settings = AccessSettings { home_province: "33".into(), secure_cookies: false };
    Arc::new(Access::open(store.store.clone(), settings).await.unwrap())
}

pub async fn small(store: &TestStore) -> Arc<Access> {
    let access = open(store).await;
    access.install(&system(store), "base", pack(&small_files())).await.unwrap();
    access
}

/// A person in office with a role at a unit.
pub async fn staff(store: &TestStore, access: &Access, login: &str, role: &str, unit: &str) -> Uuid {
    let new = NewPerson { login: login.into(), name: format!("Tên {login}"), password: PASSWORD.into() };
    let person = access.create_person(&system(store), PersonKind::Staff, new).await.unwrap();
    access.grant(&system(store), person.id, NewGrant { role: role.into(), unit: unit.into(), sectors: None }).await.unwrap();
    person.id
}

pub fn anonymous(store: &TestStore) -> Caller {
    Caller::anonymous(store.clock.as_ref(), Some("192.0.2.1".parse().unwrap()))
}
