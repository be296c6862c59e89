//! Packs: sectors as data. Load a folder, check it, run its own tests, compare it with what is installed, install it.
//!
//! A pack holds what each domain lets it declare; every domain parses its own part. What only shows when parts are put
//! side by side (a rule on an attribute nobody declares) is checked here.

mod check;
pub mod install;
mod library;
mod manifest;
mod tables;
mod testing;

use std::collections::BTreeMap;

use dothi_access::pack::AccessPack;
use dothi_cases::pack::CasesPack;
use dothi_context::pack::ContextPack;
use dothi_dossiers::pack::DossiersPack;
use dothi_incidents::pack::IncidentsPack;
use dothi_notify::pack::NotifyPack;
use dothi_oversight::pack::OversightPack;
use dothi_panels::pack::PanelsPack;
use dothi_rules::pack::RulesPack;
use dothi_traffic::pack::TrafficPack;
use dothi_video::pack::VideoPack;
use serde::Serialize;
use utoipa::ToSchema;

pub use install::{Difference, Domains, Installation, PackRow, Packs};
pub use library::Library;
pub use manifest::{Manifest, Requirement, Version};
pub use tables::MIGRATIONS;
pub use testing::TestReport;

/// A pack, read and parsed.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its head.
    pub manifest: Manifest,
    /// SHA-256 over all of its files.
    pub hash: String,
    /// SHA-256 of each file by path.
    pub files: BTreeMap<String, String>,
    /// Areas, organisations, roles, calendar.
    pub access: Option<AccessPack>,
    /// Entity types and device profiles.
    pub context: ContextPack,
    /// Rules.
    pub rules: RulesPack,
    /// Case types.
    pub cases: CasesPack,
    /// Messages: words, who is told what, bounds.
    pub notify: NotifyPack,
    /// Procedures, and how dossiers are reckoned.
    pub dossiers: DossiersPack,
    /// Signals of fire and robbery panels.
    pub panels: PanelsPack,
    /// How traffic is judged, messages of signs, segments and routes.
    pub traffic: TrafficPack,
    /// Cameras.
    pub video: VideoPack,
    /// Incident types, standard procedures, rosters, ladders, resources.
    pub incidents: IncidentsPack,
    /// Indicator sets.
    pub oversight: OversightPack,
    /// Words by language and key.
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
    tests: Vec<(String, String)>,
    functions: Vec<String>,
}

/// How much a pack holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Holds {
    /// Entity types.
    pub types: usize,
    /// Device profiles.
    pub profiles: usize,
    /// Rules.
    pub rules: usize,
    /// Case types.
    pub case_types: usize,
    /// Procedures, of one-stop centres and of operations.
    pub procedures: usize,
    /// Codes of panels.
    pub panel_codes: usize,
    /// Indicators.
    pub indicators: usize,
    /// Files with tests of its own.
    pub tests: usize,
}

impl Pack {
    /// How much it holds.
    pub fn holds(&self) -> Holds {
        Holds {
            types: self.context.types.len(),
            profiles: self.context.profiles.len(),
            rules: self.rules.rules.len(),
            case_types: self.cases.types.len(),
            procedures: self.dossiers.procedure.len() + self.incidents.procedure.len(),
            panel_codes: self.panels.code.len(),
            indicators: self.oversight.sets.iter().map(|s| s.indicators.len()).sum(),
            tests: self.tests.len(),
        }
    }
}

/// Measures indicators may name; `*` ends a family.
pub fn known_measures() -> &'static [&'static str] {
    check::MEASURES
}

/// What checking a pack found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The pack.
    pub pack: String,
    /// Faults, led by file and line where they have one.
    pub faults: Vec<String>,
    /// What it holds; all 0 when it could not be read.
    pub holds: Holds,
}

impl Report {
    fn faulty(pack: &str, faults: Vec<String>) -> Self {
        Self { pack: pack.to_string(), faults, holds: Holds::default() }
    }

    /// Whether it is without faults.
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let h = &self.holds;
        if self.is_ok() {
            return write!(
                f,
                "{}: ok ({} types, {} profiles, {} rules, {} case types, {} indicators, {} test files)",
                self.pack, h.types, h.profiles, h.rules, h.case_types, h.indicators, h.tests
            );
        }
        write!(f, "{}: {} fault(s)", self.pack, self.faults.len())?;
        for fault in &self.faults {
            write!(f, "\n  {}/{fault}", self.pack)?;
        }
        Ok(())
    }
}
