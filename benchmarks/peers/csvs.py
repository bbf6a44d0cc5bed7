"""CSV, one file a contract in one folder, as download scripts leave them; read with polars."""


import polars as pl

from peers.asked import BARS, LAST, Engine, Question
from peers.market import by_contract, contracts

COLUMNS = ("session", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise", "phase")
SCHEMA = {
    "session": pl.Date, "ts": pl.String, "open_paise": pl.Int64, "high_paise": pl.Int64, "low_paise": pl.Int64, "close_paise": pl.Int64,
    "volume": pl.Int64, "oi": pl.Int64, "vwap_paise": pl.Int64, "phase": pl.String,
}
FORM = "%Y-%m-%dT%H:%M:%S"


class Csvs(Engine):
    name = "CSV per symbol"

    def fill(self) -> None:
        facts = contracts(self.lake)
        facts.write_csv(self.folder / "contracts.csv")
        symbols = dict(facts.select("contract", "symbol").iter_rows())
        (self.folder / "bars").mkdir()
        for rows in by_contract(self.lake):
            for (contract,), own in rows.partition_by("contract", as_dict=True, maintain_order=True).items():
                own.select(COLUMNS).with_columns(pl.col("ts").dt.strftime(FORM)).write_csv(self.folder / "bars" / f"{symbols[contract]}.csv")

    def open(self) -> None:
        self.facts = pl.read_csv(self.folder / "contracts.csv", schema_overrides={"expiry": pl.Date})

    def close(self) -> None:
        del self.facts

    def _read(self, contract: int, symbol: str) -> pl.DataFrame:
        rows = pl.read_csv(self.folder / "bars" / f"{symbol}.csv", schema=SCHEMA)
        return rows.filter(pl.col("phase") == "continuous").with_columns(contract=pl.lit(contract))

    def _of(self, chosen: pl.DataFrame, q: Question, before, *, tail: int | None) -> pl.DataFrame:
        until = before.strftime(FORM)
        keep = (pl.col("session") == q.session) & (pl.col("ts") < until)
        found = (self._read(*one).filter(keep) for one in chosen.select("contract", "symbol").iter_rows())
        rows = pl.concat(each if tail is None else each.tail(tail) for each in found)
        return stamped(rows)

    def chain(self, q: Question) -> pl.DataFrame:
        chosen = self.facts.filter((pl.col("underlying") == q.underlying) & (pl.col("kind") == "option") & (pl.col("expiry") == q.expiry))
        return self._of(chosen, q, q.at, tail=1).select(LAST)

    def so_far(self, q: Question) -> pl.DataFrame:
        chosen = self.facts.filter((pl.col("underlying") == q.underlying) & (pl.col("kind") == "option") & (pl.col("expiry") == q.expiry))
        return summed(self._of(chosen, q, q.at, tail=None))

    def whole(self, q: Question) -> pl.DataFrame:
        return stamped(self._read(q.contract, q.symbol)).select(BARS)

    def last(self, q: Question) -> pl.DataFrame:
        return self._of(self.facts, q, q.closes, tail=1).select(LAST)

    def day(self, q: Question) -> pl.DataFrame:
        return self._of(self.facts.filter(pl.col("underlying") == q.underlying), q, q.closes, tail=None).select(BARS)


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    """Of bars in order: each contract's last, and what was traded."""
    return rows.group_by("contract").agg(pl.last("ts", "close_paise", "oi"), pl.sum("volume"))


def stamped(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(ts=pl.col("ts").str.to_datetime(FORM, time_unit="us", time_zone="UTC"))
