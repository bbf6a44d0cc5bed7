"""SQLite: bars clustered by (contract, ts), an index on the session, the contracts' facts in a table of their own."""

import sqlite3

import polars as pl

from peers.asked import BARS, LAST, SO_FAR, Engine, Question
from peers.market import by_contract, contracts

TABLES = """
create table contracts (contract integer primary key, symbol text unique, underlying text, kind text, expiry text, strike_paise integer, option_right text, venue text);
create index chains on contracts (underlying, kind, expiry);
create table bars (
    contract integer not null, ts integer not null, session text not null, open_paise integer, high_paise integer, low_paise integer, close_paise integer,
    volume integer, oi integer, vwap_paise integer, phase text, provider text, primary key (contract, ts)
) without rowid;
"""
COLUMNS = ("contract", "ts", "session", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise", "phase", "provider")
ROWS = 100_000
LAST_OF = """
select c.contract, b.ts, b.close_paise, b.oi from contracts c join bars b on b.contract = c.contract and b.ts = (
    select max(ts) from bars where contract = c.contract and ts >= ? and ts < ? and phase = 'continuous')
"""


class Lite(Engine):
    name = "SQLite"

    def fill(self) -> None:
        with sqlite3.connect(self.folder / "bars.sqlite", isolation_level=None) as at:
            at.executescript("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -200000;" + TABLES)
            facts = contracts(self.lake).with_columns(pl.col("expiry").cast(pl.String))
            at.executemany("insert into contracts values (?, ?, ?, ?, ?, ?, ?, ?)", facts.iter_rows())
            for rows in by_contract(self.lake):
                plain = rows.with_columns(pl.col("session").cast(pl.String), pl.col("ts").dt.epoch("us")).select(COLUMNS)
                at.execute("begin")
                for piece in plain.iter_slices(ROWS):
                    at.executemany(f"insert into bars values ({', '.join('?' * len(COLUMNS))})", piece.rows())
                at.execute("commit")
            at.executescript("create index sessions on bars (session, contract); analyze; pragma wal_checkpoint(truncate);")

    def open(self) -> None:
        self.at = sqlite3.connect(f"file:{self.folder / 'bars.sqlite'}?mode=ro", uri=True)
        self.at.executescript("pragma cache_size = -200000; pragma mmap_size = 8000000000;")

    def close(self) -> None:
        self.at.close()

    def _ask(self, asked: str, values: tuple[object, ...], columns: tuple[str, ...]) -> pl.DataFrame:
        rows = self.at.execute(asked, values).fetchall()
        schema = dict.fromkeys(columns, pl.Int64)
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(ts=pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))

    def chain(self, q: Question) -> pl.DataFrame:
        asked = LAST_OF + "where c.underlying = ? and c.kind = 'option' and c.expiry = ?"
        return self._ask(asked, (micros(q.opens), micros(q.at), q.underlying, q.expiry.isoformat()), LAST)

    def so_far(self, q: Question) -> pl.DataFrame:
        asked = ("select b.contract, max(b.ts), b.close_paise, b.oi, sum(b.volume) from contracts c join bars b on b.contract = c.contract "
                 "where c.underlying = ? and c.kind = 'option' and c.expiry = ? and b.ts >= ? and b.ts < ? and b.phase = 'continuous' group by b.contract")
        return self._ask(asked, (q.underlying, q.expiry.isoformat(), micros(q.opens), micros(q.at)), SO_FAR)

    def whole(self, q: Question) -> pl.DataFrame:
        asked = f"select {', '.join(BARS)} from bars where contract = (select contract from contracts where symbol = ?) and phase = 'continuous' order by ts"
        return self._ask(asked, (q.symbol,), BARS)

    def last(self, q: Question) -> pl.DataFrame:
        return self._ask(LAST_OF, (micros(q.opens), micros(q.closes)), LAST)

    def day(self, q: Question) -> pl.DataFrame:
        asked = (f"select {', '.join(f'b.{name}' for name in BARS)} from contracts c join bars b on b.contract = c.contract "
                 "where c.underlying = ? and b.ts >= ? and b.ts < ? and b.phase = 'continuous'")
        return self._ask(asked, (q.underlying, micros(q.opens), micros(q.closes)), BARS)


def micros(instant) -> int:
    return round(instant.timestamp() * 1_000_000)
