//! Proof afterwards: the evidence pack with hashes, the after-action report, what was learned.

use std::io::{Cursor, Write};

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::model::{By, LogLine};
use crate::model_ops::{AfterAction, Review};
use crate::{Incidents, maybe, stale, tables, tables_ops};

/// Lines of a log that a pack holds.
const LINES: usize = 50_000;
/// Lines of a log on the report.
const SHOWN: usize = 2_000;
const WORDS: usize = 10_000;

fn page() -> dothi_kernel::PageQuery {
    dothi_kernel::PageQuery { limit: Some(200), after: None }
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|e| Error::internal("writing evidence", e))
}

/// The log as a table.
fn table(lines: &[LogLine]) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal("writing evidence", e);
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["n", "at", "by", "kind", "text", "data", "hash"]).map_err(failed)?;
    for l in lines {
        // A cell that a spreadsheet would take for a formula is led by a quote.
        let text = if l.text.starts_with(['=', '+', '-', '@']) { format!("'{}", l.text) } else { l.text.clone() };
        out.write_record([&l.n.to_string(), &l.at.to_string(), &l.by.name, &l.kind, &text, &l.data.to_string(), &l.hash]).map_err(failed)?;
    }
    out.into_inner().map_err(|e| Error::internal("writing evidence", e))
}

/// A ZIP with a manifest of SHA-256 hashes; the same files give the same bytes.
fn packed(files: Vec<(String, Vec<u8>)>, head: Value) -> Result<Bytes> {
    let failed = |e: zip::result::ZipError| Error::internal("packing evidence", e);
    let lost = |e: std::io::Error| Error::internal("packing evidence", e);
    let hashes: Vec<Value> =
        files.iter().map(|(name, bytes)| json!({ "file": name, "bytes": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes)) })).collect();
    let manifest = pretty(&json!({ "evidence": head, "files": hashes }))?;
    let sum = format!("{}  manifest.json\n", hex::encode(Sha256::digest(&manifest)));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files.into_iter().chain([("manifest.json".to_string(), manifest), ("manifest.sha256".to_string(), sum.into_bytes())]) {
        zip.start_file(name, options).map_err(failed)?;
        zip.write_all(&bytes).map_err(lost)?;
    }
    Ok(zip.finish().map_err(failed)?.into_inner().into())
}

impl Incidents {
    /// The evidence pack of an incident: log as JSON and table, incident, procedures, resources, tasks, attached alarms and cases,
    /// pieces of cameras' recordings, warnings as CAP, review, the after-action report as PDF, and a manifest with hashes. Needs `incident-handle`; the reading is on record.
    pub async fn evidence(&self, caller: &Caller, id: Uuid) -> Result<(String, Bytes)> {
        let view = self.incident(caller, id).await?;
        let incident = &view.row.incident;
        caller.require(Permission::IncidentHandle, Scope::unit(&incident.unit.id))?;
        let log = tables::log_all(&self.store, id, LINES).await?;
        let rules = self.rules();
        let policy = rules.policy()?;
        let warnings = tables_ops::warnings(&self.store, Some(id), &page()).await?;
        let messages: Vec<&LogLine> = log.iter().filter(|l| matches!(l.kind.as_str(), "note" | "message")).collect();
        let mut files = vec![
            ("incident.json".to_string(), pretty(incident)?),
            ("timeline.json".to_string(), pretty(&log)?),
            ("timeline.csv".to_string(), table(&log)?),
            ("messages.json".to_string(), pretty(&messages)?),
            ("procedures.json".to_string(), pretty(&view.runs)?),
            ("resources.json".to_string(), pretty(&view.dispatches)?),
            ("tasks.json".to_string(), pretty(&view.tasks)?),
            ("links.json".to_string(), pretty(&view.links)?),
            ("review.json".to_string(), pretty(&tables_ops::review(&self.store, id).await?)?),
        ];
        for link in view.links.iter().filter(|l| l.kind == "alarm") {
            let Ok(alarm) = link.reference.parse::<Uuid>() else { continue };
            // An alarm may be gone by now: that is told, not hidden.
            let document = match self.matters.alarm_document(caller, alarm).await {
                Ok(document) => document,
                Err(e) if e.kind() == dothi_kernel::Kind::Internal => return Err(e),
                Err(e) => json!({ "missing": e.code() }),
            };
            files.push((format!("alarms/{alarm}.json"), pretty(&document)?));
        }
        for clip in self.matters.clips(caller, id).await? {
            files.push((format!("cameras/{}.json", clip.name), pretty(&clip.about)?));
            files.extend(clip.file.map(|mp4| (format!("cameras/{}.mp4", clip.name), mp4.to_vec())));
        }
        for warning in warnings.iter().filter(|w| w.sent_at.is_some()) {
            files.push((format!("warnings/{}.xml", warning.identifier), crate::cap::alert(policy, warning)?.into_bytes()));
        }
        files.push(("report.pdf".to_string(), self.report_of(caller, &self.after_action(caller, id).await?).await?.to_vec()));
        let broken = tables::broken(&log);
        let head = json!({ "code": incident.code, "drill": incident.drill, "made_at": caller.now, "made_by": caller.name.to_string(),
            "log_lines": log.len(), "log_cut": log.len() >= LINES, "log_broken_at": broken, "log_head": log.last().map(|l| l.hash.clone()) });
        let name = format!("{}.zip", incident.code);
        let zip = packed(files, head)?;
        let sha256 = hex::encode(Sha256::digest(&zip));
        let mut tx = self.store.begin(caller).await?;
        tx.audit("incident.evidence", &format!("incident:{id}"), &json!({ "sha256": sha256, "bytes": zip.len(), "log_broken_at": broken })).await?;
        tx.commit().await?;
        Ok((name, zip))
    }

    /// The after-action report.
    pub async fn after_action(&self, caller: &Caller, id: Uuid) -> Result<AfterAction> {
        let incident = self.incident(caller, id).await?;
        Ok(AfterAction {
            log: tables::log_all(&self.store, id, SHOWN).await?,
            warnings: tables_ops::warnings(&self.store, Some(id), &page()).await?,
            chain: self.chain_of(&self.rules(), &incident.row.incident, &incident.dispatches),
            review: tables_ops::review(&self.store, id).await?.unwrap_or_default(),
            incident,
        })
    }

    /// Writes down what was learned. A proposal for a procedure makes a draft of it, to be changed and approved at the procedures.
    pub async fn put_review(&self, caller: &Caller, id: Uuid, mut review: Review) -> Result<AfterAction> {
        let incident = self.readable(caller, id).await?;
        caller.require(Permission::IncidentHandle, Scope::unit(&incident.unit.id))?;
        for (text, field) in
            [(&review.summary, "summary"), (&review.good, "good"), (&review.bad, "bad"), (&review.lessons, "lessons"), (&review.proposal, "proposal")]
        {
            maybe(Some(text), field, WORDS)?;
        }
        let before = tables_ops::review(&self.store, id).await?;
        if before.as_ref().map_or(0, |b| b.version) != review.version {
            return Err(stale());
        }
        let mut tx = self.store.begin(caller).await?;
        review.draft = before.as_ref().and_then(|b| b.draft);
        review.by = Some(By::of(caller));
        let changed = before.is_none_or(|b| b.proposal != review.proposal || b.procedure != review.procedure);
        if let Some(code) = review.procedure.clone().filter(|_| changed && !review.proposal.trim().is_empty()) {
            let versions = tables_ops::versions_in(&mut tx, &code).await?;
            let approved = versions.into_iter().find(|v| v.state == "approved").ok_or_else(crate::unknown)?;
            let draft = self.draft(&mut tx, approved.def, review.proposal.trim().to_string(), Some(incident.code.clone())).await?;
            review.draft = Some(draft.version);
        }
        tables_ops::put_review(&mut tx, id, &mut review).await?;
        tables::log(&mut tx, id, &By::of(caller), "changed", "", &json!({ "what": "review", "version": review.version, "draft": review.draft })).await?;
        self.told(&mut tx, &incident, "review");
        tx.commit().await?;
        self.after_action(caller, id).await
    }
}
