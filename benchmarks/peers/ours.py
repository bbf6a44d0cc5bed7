"""fnolake through its public face: rupees, IST and symbols, as a user gets them."""

from zoneinfo import ZoneInfo

import polars as pl

from fnolake.lake import Lake, open_lake
from fnolake.query import bars as reading
from peers.asked import Engine, Question


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
        options = self.at.store.instruments().filter(
            (pl.col("underlying") == q.underlying) & (pl.col("kind") == "option") & (pl.col("expiry") == q.expiry))["contract"].to_list()
        rows = reading.scan(self.at.store, options, [q.session]).filter(pl.col("ts") < q.at.astimezone(ZoneInfo("Asia/Kolkata")))
        return rows.group_by("symbol").agg(pl.max("ts"), pl.col("close", "oi").get(pl.col("ts").arg_max())).collect()

    def whole(self, q: Question) -> pl.DataFrame:
        return self.at.bars(q.symbol)

    def last(self, q: Question) -> pl.DataFrame:
        rows = reading.scan(self.at.store, None, [q.session])
        return rows.group_by("symbol").agg(pl.max("ts"), pl.col("close", "oi").get(pl.col("ts").arg_max())).collect()

    def day(self, q: Question) -> pl.DataFrame:
        return reading.scan(self.at.store, self.at.store.instruments().filter(pl.col("underlying") == q.underlying)["contract"].to_list(), [q.session]).collect()

    def plain(self, answer: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
        """An answer in the others' words: ids and paise."""
        ids = self.at.instruments().select("symbol", "contract")
        rows = answer.join(ids, on="symbol").with_columns(pl.col("ts").dt.convert_time_zone("UTC"))
        prices = [name.removesuffix("_paise") for name in columns if name.endswith("_paise")]
        return rows.with_columns((pl.col(name) * 100).round().cast(pl.Int64).alias(f"{name}_paise") for name in prices).select(columns)


