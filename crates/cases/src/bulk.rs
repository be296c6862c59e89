//! One move on many cases: each is its own transaction with its own result.

use std::collections::BTreeSet;

use dothi_kernel::flow::Phase;
use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Cases;
use crate::model::MoveInput;

/// Most cases of one bulk move.
const MOST: usize = 100;

/// A move on many cases.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkInput {
    /// The cases, each with the version the caller saw; at most 100.
    pub cases: Vec<BulkItem>,
    /// What the move carries, the same for all; its `version` is not used.
    #[serde(default)]
    pub input: MoveInput,
}

/// One case of a bulk move.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkItem {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// The version the caller saw.
    pub version: i64,
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code, when the move was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Phase after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Why it was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<BulkError>,
}

/// Why a case of a bulk move was left as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkError {
    /// Stable code.
    pub code: String,
    /// A sentence.
    pub detail: String,
}

impl Cases {
    /// Makes one move on many cases; results in the order asked. 400 `case.bulk.count`, 400 `case.bulk.twice`.
    pub async fn bulk_move(&self, caller: &Caller, step: &str, bulk: BulkInput) -> Result<Vec<BulkResult>> {
        caller.require(Permission::CaseRead, Scope::ANY)?;
        if bulk.cases.is_empty() || bulk.cases.len() > MOST {
            return Err(Error::invalid("case.bulk.count", "Choose 1 to 100 cases.").with("limit", MOST));
        }
        if bulk.cases.iter().map(|c| c.id).collect::<BTreeSet<_>>().len() < bulk.cases.len() {
            return Err(Error::invalid("case.bulk.twice", "A case was chosen twice."));
        }
        let mut results = Vec::with_capacity(bulk.cases.len());
        for item in bulk.cases {
            let input = MoveInput { version: item.version, ..bulk.input.clone() };
            results.push(match self.make_move(caller, item.id, step, input, Vec::new()).await {
                Ok(case) => BulkResult { id: item.id, code: Some(case.code), phase: Some(case.phase), error: None },
                // A fault of ours is one for the whole: what was made is told by the cases themselves.
                Err(e) if e.kind() == dothi_kernel::Kind::Internal => return Err(e),
                Err(e) => {
                    let error = BulkError { code: e.code().to_string(), detail: e.detail().to_string() };
                    BulkResult { id: item.id, code: None, phase: None, error: Some(error) }
                }
            });
        }
        Ok(results)
    }
}
