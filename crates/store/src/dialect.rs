//! The few differences between the engines. SQL everywhere else is written once, with `?` placeholders and the
//! portable types TEXT, BIGINT, DOUBLE PRECISION and BYTEA (SQLite gives them fitting affinities).

use sea_orm::{DbBackend, Statement};

use crate::Param;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// Server.
    Postgres,
}

impl Engine {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Engine::Sqlite => DbBackend::Sqlite,
            Engine::Postgres => DbBackend::Postgres,
        }
    }

    pub(crate) fn statement(self, sql: &str, params: Vec<Param>) -> Statement {
        let sql = match self {
            Engine::Sqlite => sql.to_string(),
            Engine::Postgres => numbered(sql),
        };
        Statement::from_sql_and_values(self.backend(), sql, params.into_iter().map(|p| p.0))
    }
}

/// `?` → `$1`, `$2`, …; question marks inside quotes stay.
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut n, mut quote) = (0, None);
    for c in sql.chars() {
        match (quote, c) {
            (None, '?') => {
                n += 1;
                out.push('$');
                out.push_str(&n.to_string());
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_placeholders_outside_quotes() {
        assert_eq!(super::numbered("select '?' from t where a=? and \"b?\"=?"), "select '?' from t where a=$1 and \"b?\"=$2");
    }
}
