//! Pieces of SQL text that every domain needs.

/// So many placeholders: `?, ?, ?`.
pub fn marks(n: usize) -> String {
    vec!["?"; n].join(", ")
}

/// Placeholders of rows: `(?, ?), (?, ?)`.
pub fn places(rows: usize, columns: usize) -> String {
    vec![format!("({})", marks(columns)); rows].join(", ")
}

/// Writes rows, new or changed. `columns` stand in the order of the values, parted by commas; the first is the key.
pub fn upsert(table: &str, columns: &str, rows: usize) -> String {
    let names: Vec<&str> = columns.split(',').map(str::trim).collect();
    let sets: Vec<String> = names.iter().skip(1).map(|c| format!("{c} = excluded.{c}")).collect();
    let (key, places) = (names.first().copied().unwrap_or_default(), places(rows, names.len()));
    format!("insert into {table} ({columns}) values {places} on conflict ({key}) do update set {}", sets.join(", "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_are_written_by_their_first_column() {
        assert_eq!(super::marks(0), "");
        assert_eq!(
            super::upsert("t", "id, a,\n b", 2),
            "insert into t (id, a,\n b) values (?, ?, ?), (?, ?, ?) on conflict (id) do update set a = excluded.a, b = excluded.b"
        );
    }
}
