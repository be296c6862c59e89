"""Counts the lake with DuckDB alone: the proof that the registry is a DuckLake catalog.

usage: duckdb_count.py CATALOG      (CATALOG is sqlite:<file> or postgres:<connection string>)
Needs the PyPI packages duckdb, duckdb-extension-ducklake and duckdb-extension-sqlite-scanner (or -postgres-scanner)
in one version. Prints one JSON object.
"""

import json
import pathlib
import sys

import duckdb


def extension(name: str) -> str:
    for place in sys.path:
        for found in pathlib.Path(place).glob(f"duckdb_extension_{name}/extensions/*/*.duckdb_extension"):
            return str(found)
    raise SystemExit(f"the package duckdb-extension-{name.replace('_', '-')} is not installed")


def main(catalog: str) -> None:
    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    scanner = "postgres_scanner" if catalog.startswith("postgres:") else "sqlite_scanner"
    for name in (scanner, "ducklake"):
        db.execute(f"load '{extension(name)}'")
    db.execute("set timezone = 'UTC'")
    db.execute(f"attach 'ducklake:{catalog}' as lake (read_only)")
    one = lambda sql: db.execute(sql).fetchone()
    table = "lake.main.observation"
    count, average, first, last = one(f"select count(*), avg(v), epoch_us(min(t)), epoch_us(max(t)) from {table}")
    series = db.execute(f"select entity, attribute, count(*), sum(v) from {table} group by all order by all").fetchall()
    late = one(f"select count(*) from {table} where t >= '2026-11-21 00:00:00+00' and entity like 'urn:%'")[0]
    words = one(f"select count(*) from {table} where text is not null")[0]
    snapshots = one("select count(*) from ducklake_snapshots('lake')")[0]
    columns = [row[:2] for row in db.execute(f"describe {table}").fetchall()]
    print(json.dumps({"count": count, "avg": average, "first": first, "last": last, "series": series, "late": late,
                      "words": words, "snapshots": snapshots, "columns": columns}))


if __name__ == "__main__":
    main(sys.argv[1])
