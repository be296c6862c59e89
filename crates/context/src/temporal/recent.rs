//! Superseded states of one commit, packed: format byte, then JSON compressed with zstd.

use dothi_kernel::{Error, Result};

use crate::model::Iri;
use crate::temporal::{Basis, Key, Row};

/// Version of the form; golden files in `tests/golden` must load for ever.
const FORMAT: u8 = 1;
/// Level of zstd: they are unpacked within seconds.
const LEVEL: i32 = 1;
/// Longest row, unpacked.
const MAX: usize = 256 << 20;

/// Entity, type, attribute, dataset, basis, t, observed, created, modified, deleted, state.
type Flat<T> = (T, T, T, Option<T>, i64, i64, Option<i64>, i64, i64, Option<i64>, Option<T>);

/// Packs states.
pub fn pack<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::internal("packing superseded states", e);
    let flat: Vec<Flat<&str>> = rows
        .map(|r| {
            let (dataset, doc) = (r.key.dataset.as_deref(), r.doc.as_deref());
            (&*r.entity, &*r.kind, &*r.name, dataset, r.key.basis.code(), r.key.t, r.observed, r.created, r.modified, r.deleted, doc)
        })
        .collect();
    let text = serde_json::to_vec(&flat).map_err(|e| failed(&e))?;
    let mut out = vec![FORMAT];
    out.extend(zstd::bulk::compress(&text, LEVEL).map_err(|e| failed(&e))?);
    Ok(out)
}

/// Unpacks them. An internal error when the bytes are of no known form.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Row>> {
    let failed = |e: &dyn std::fmt::Display| Error::internal("unpacking superseded states", e);
    let Some((&FORMAT, packed)) = bytes.split_first() else { return Err(failed(&"an unknown format")) };
    let text = zstd::stream::decode_all(packed).map_err(|e| failed(&e))?;
    if text.len() > MAX {
        return Err(failed(&"too long"));
    }
    let flat: Vec<Flat<String>> = serde_json::from_slice(&text).map_err(|e| failed(&e))?;
    let row = |(entity, kind, name, dataset, basis, t, observed, created, modified, deleted, doc): Flat<String>| Row {
        entity: entity.into(),
        kind,
        name: name.into(),
        key: Key { dataset: dataset.map(Iri::from), basis: Basis::of_code(basis), t },
        observed,
        created,
        modified,
        deleted,
        doc,
    };
    Ok(flat.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_once_is_read_for_ever() {
        let rows = [
            Row {
                entity: "urn:ngsi-ld:Lamp:1".into(),
                kind: "Lamp".into(),
                name: "https://uri.etsi.org/ngsi-ld/default-context/on".into(),
                key: Key { dataset: None, basis: Basis::Modified, t: 1_795_222_800_000_000 },
                observed: None,
                created: 1,
                modified: 1_795_222_800_000_000,
                deleted: None,
                doc: Some(r#"{"type":"Property","value":true}"#.into()),
            },
            Row {
                entity: "urn:ngsi-ld:Lamp:2".into(),
                kind: "Lamp".into(),
                name: "https://uri.etsi.org/ngsi-ld/default-context/level".into(),
                key: Key { dataset: Some("urn:d:1".into()), basis: Basis::Observed, t: -5 },
                observed: Some(-5),
                created: 2,
                modified: 3,
                deleted: Some(4),
                doc: None,
            },
        ];
        let shown = |rows: &[Row]| rows.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>();
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/recent-v1.bin");
        if std::env::var_os("DOTHI_GOLDEN").is_some() {
            std::fs::write(golden, pack(rows.iter()).unwrap()).unwrap();
        }
        assert_eq!(shown(&unpack(&std::fs::read(golden).unwrap()).unwrap()), shown(&rows));
        assert!(unpack(b"\x02").is_err() && unpack(b"").is_err() && unpack(b"\x01junk").is_err());
    }
}
