"""DuckDB's own file: one table with our columns in our order, so that its zone maps prune as our row groups do."""

import duckdb
import polars as pl

from peers.asked import BARS, Engine, Question
from peers.market import by_session, contracts

SETTINGS = {"memory_limit": "1200MB"}


class DuckFile(Engine):
    name = "DuckDB file"

    def fill(self) -> None:
        with duckdb.connect(self.folder / "bars.duckdb", config=SETTINGS) as at:
            at.execute("set enable_progress_bar = false")
            for number, rows in enumerate(by_session(self.lake)):
                at.register("piece", rows.to_arrow())
                at.execute("insert into bars select * from piece" if number else "create table bars as select * from piece")
                at.unregister("piece")
            at.register("piece", contracts(self.lake).to_arrow())
            at.execute("create table contracts as select * from piece")
            at.execute("checkpoint")

    def open(self) -> None:
        self.at = duckdb.connect(self.folder / "bars.duckdb", read_only=True, config=SETTINGS)

    def close(self) -> None:
        self.at.close()

    def _ask(self, asked: str, values: tuple[object, ...]) -> pl.DataFrame:
        return self.at.sql(asked, params=values).pl()

    def chain(self, q: Question) -> pl.DataFrame:
        return self._ask(
            "select contract, max(ts) ts, arg_max(close_paise, ts) close_paise, arg_max(oi, ts) oi from bars where session = ? and underlying = ? "
            "and kind = 'option' and expiry = ? and ts < ? and phase = 'continuous' group by contract",
            (q.session, q.underlying, q.expiry, q.at),
        )

    def so_far(self, q: Question) -> pl.DataFrame:
        return self._ask(
            "select contract, max(ts) ts, arg_max(close_paise, ts) close_paise, arg_max(oi, ts) oi, sum(volume) volume from bars where session = ? "
            "and underlying = ? and kind = 'option' and expiry = ? and ts < ? and phase = 'continuous' group by contract",
            (q.session, q.underlying, q.expiry, q.at),
        )

    def whole(self, q: Question) -> pl.DataFrame:
        return self._ask(
            f"select {', '.join(BARS)} from bars where contract = (select contract from contracts where symbol = ?) and phase = 'continuous' order by ts",
            (q.symbol,),
        )

    def last(self, q: Question) -> pl.DataFrame:
        return self._ask(
            "select contract, max(ts) ts, arg_max(close_paise, ts) close_paise, arg_max(oi, ts) oi from bars where session = ? "
            "and phase = 'continuous' group by contract", (q.session,),
        )

    def day(self, q: Question) -> pl.DataFrame:
        return self._ask(
            f"select {', '.join(BARS)} from bars where session = ? and underlying = ? and phase = 'continuous'", (q.session, q.underlying),
        )
