//! A pack's own tests: `tests/*.toml`. Each top-level table is one domain's; its crate knows what to do with it.

use serde::Serialize;

use crate::Pack;

/// What a pack's tests came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// The pack.
    pub pack: String,
    /// Tests that ran.
    pub ran: usize,
    /// What failed, led by file and name.
    pub failed: Vec<String>,
}

impl Pack {
    /// Runs its own tests. Faults of a file are told once, by the first who cannot read it.
    pub fn test(&self) -> TestReport {
        let files: Vec<(String, String)> = self.tests.iter().filter(|(path, _)| path.ends_with(".toml")).cloned().collect();
        let mut report = TestReport { pack: self.manifest.name.clone(), ran: 0, failed: Vec::new() };
        for (path, text) in &files {
            match text.parse::<toml::Table>() {
                Err(e) => report.failed.push(format!("{path}: {}", e.message())),
                Ok(table) => {
                    let unknown = table.keys().filter(|key| !TABLES.contains(&key.as_str()));
                    report.failed.extend(unknown.map(|key| format!("{path}: nobody runs tests called `{key}` ({} are known)", TABLES.join(", "))));
                }
            }
        }
        if report.is_ok() {
            let runs = [
                dothi_rules::pack::run_tests(&self.rules, &files),
                dothi_cases::pack::run_tests(&self.cases, &files),
                dothi_dossiers::run_tests(&self.dossiers, &files),
                dothi_incidents::pack::run_tests(&self.incidents, &files),
                dothi_oversight::pack::run_tests(&self.oversight, &files),
                dothi_traffic::pack::run_tests(&self.traffic, &files),
            ];
            for (ran, failed) in runs {
                report.ran += ran;
                report.failed.extend(failed);
            }
        }
        report
    }
}

/// Tables that test files may have, each run by the domain of that name.
const TABLES: &[&str] = &["cases", "dossiers", "incidents", "oversight", "rules", "traffic"];

impl TestReport {
    /// Whether everything passed.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

impl std::fmt::Display for TestReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} test(s), {} failed", self.pack, self.ran, self.failed.len())?;
        for failed in &self.failed {
            write!(f, "\n  {}/{failed}", self.pack)?;
        }
        Ok(())
    }
}
