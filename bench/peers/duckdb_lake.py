"""The questions of `dothi-bench query`, asked by DuckDB of the same files through the DuckLake catalog.

usage: duckdb_lake.py CATALOG MIDNIGHT_US DAYS SERIES
"""

import pathlib
import statistics
import sys
import time

import duckdb


def extension(name: str) -> str:
    for place in sys.path:
        for found in pathlib.Path(place).glob(f"duckdb_extension_{name}/extensions/*/*.duckdb_extension"):
            return str(found)
    raise SystemExit(f"the package duckdb-extension-{name.replace('_', '-')} is not installed")


def main(catalog: str, midnight: int, days: int, series: int) -> None:
    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("sqlite_scanner", "ducklake"):
        db.execute(f"load '{extension(name)}'")
    db.execute("set timezone = 'UTC'")
    db.execute(f"attach 'ducklake:{catalog}' as lake (read_only)")
    day = 86_400_000_000
    table = "lake.main.observation"
    since = lambda back: f"t >= make_timestamptz({midnight - min(back, days) * day})"
    one = lambda i: f"attribute = 'pm25' and entity = 'urn:ngsi-ld:AirQualityObserved:s{(i * 7 + series // 2) % series:05d}'"
    questions = {
        "last value of a series": lambda i: f"select v from {table} where {one(i)} and {since(1)} order by t desc limit 1",
        "last day of a series, raw": lambda i: f"select epoch_us(t), v from {table} where {one(i)} and {since(1)} order by t",
        "hourly means of a series, 30 days": lambda i: f"select epoch_us(time_bucket(interval '1 hour', t)) h, avg(v), min(v), max(v) from {table} where {one(i)} and {since(30)} group by h order by h",
        "daily means of a series, 90 days": lambda i: f"select epoch_us(time_bucket(interval '1 day', t)) h, avg(v), min(v), max(v) from {table} where {one(i)} and {since(90)} group by h order by h",
        "count of everything (SQL)": lambda i: f"select count(*) from {table}",
        "hourly means by commune, last day (SQL)": lambda i: f"select area, epoch_us(time_bucket(interval '1 hour', t)) h, avg(v) from {table} where {since(1)} group by all",
    }
    print(f"DuckDB {duckdb.__version__} over the same files:")
    for what, ask in questions.items():
        times, rows = [], 0
        for i in range(7):
            start = time.perf_counter()
            rows = len(db.execute(ask(i)).fetchall())
            times.append((time.perf_counter() - start) * 1e3)
        print(f"{what:<48} {statistics.median(times):>9.2f} ms  (worst {max(times):>8.2f})   {rows} rows")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
