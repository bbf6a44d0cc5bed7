"""fnolake through its public face: rupees, IST and symbols, as a user gets them."""

from zoneinfo import ZoneInfo

import polars as pl

from fnolake.lake import Lake, open_lake
from fnolake.query import bars as reading
from peers.asked import Engine, Question

INDIA = ZoneInfo("Asia/Kolkata")


class Ours(Engine):
    name = "fnolake"
    at: Lake

    def fill(self) -> None:
        """It is where the others get their rows from."""

    def open(self) -> None:
        self.at = open_lake(self.lake, environ={})

    def close(self) -> None:
        self.at.close()

    def chain(self, q: Question) -> pl.DataFrame:
        rows = self.at.scan(q.underlying, kind="option", expiry=q.expiry, start=q.session, end=q.session)
        return rows.filter(pl.col("ts") < q.at.astimezone(INDIA)).group_by("symbol").agg(pl.max("ts"), pl.col("close", "oi").max_by("ts")).collect()

    def so_far(self, q: Question) -> pl.DataFrame:
        """Lake.chain without greeks; it tells the change in open interest, PCR and max pain too, which nobody else is asked for."""
        rows = self.at.chain(q.underlying, q.at, q.expiry, greeks=False).rows.filter(pl.col("last").is_not_null())
        return rows.select("symbol", "oi", "volume", close="last", ts=pl.col("at") - pl.duration(minutes=pl.col("age") + 1))

    def whole(self, q: Question) -> pl.DataFrame:
        return self.at.bars(q.symbol)

    def last(self, q: Question) -> pl.DataFrame:
        rows = reading.scan(self.at.store, None, [q.session])
        return rows.group_by("symbol").agg(pl.max("ts"), pl.col("close", "oi").max_by("ts")).collect()

    def day(self, q: Question) -> pl.DataFrame:
        of = {"start": q.session, "end": q.session}
        return pl.concat([self.at.bars(q.underlying, **of), self.at.bars(q.underlying, kind="future", **of), self.at.bars(q.underlying, kind="option", **of)])

    def plain(self, answer: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
        """An answer in the others' words: ids and paise."""
        ids = self.at.instruments().select("symbol", "contract")
        rows = answer.join(ids, on="symbol").with_columns(pl.col("ts").dt.convert_time_zone("UTC"))
        prices = [name.removesuffix("_paise") for name in columns if name.endswith("_paise")]
        return rows.with_columns((pl.col(name) * 100).round().cast(pl.Int64).alias(f"{name}_paise") for name in prices).select(columns)


