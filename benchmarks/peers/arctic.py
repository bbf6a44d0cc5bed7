"""ArcticDB on LMDB: one symbol a contract, indexed by time, as its users keep bars; written in batches."""

import shutil
import tempfile
from pathlib import Path

import polars as pl

from peers.asked import BARS, LAST, Engine, Question
from peers.csvs import summed
from peers.market import by_contract, contracts

VALUES = ("open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise", "phase")
PHASES = {"continuous": 0, "preopen": 1, "auction": 2}
AT_ONCE = 500


class Arctic(Engine):
    name = "ArcticDB"

    def _library(self, folder: Path):
        from arcticdb import Arctic as Client

        self.client = Client(f"lmdb://{folder}/lmdb?map_size=40GB")
        return self.client.get_library("bars", create_if_missing=True)

    def fill(self) -> None:
        # LMDB syncs the disk for each of a symbol's five keys, which is most of the time for tens of thousands of symbols: so it is filled in memory, and then moved.
        in_memory = Path("/dev/shm")
        with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else self.folder, prefix="fnolake-arctic-") as held:
            self._write(Path(held))
            shutil.copytree(held, self.folder, dirs_exist_ok=True)

    def _write(self, folder: Path) -> None:
        from arcticdb import WritePayload

        bars = self._library(folder)
        facts = contracts(self.lake)
        facts.write_parquet(self.folder / "contracts.parquet")
        symbols = dict(facts.select("contract", "symbol").iter_rows())
        for rows in by_contract(self.lake):
            # Integers with nothing in them become floats in pandas; minus one keeps them integers, and the phase as a number keeps text out.
            plain = rows.select("contract", pl.col("ts").cast(pl.Datetime("ns")), *VALUES).with_columns(
                pl.col("oi", "vwap_paise").fill_null(-1), pl.col("phase").replace_strict(PHASES, return_dtype=pl.Int8))
            frames = [
                WritePayload(symbols[contract], own.drop("contract").to_pandas().set_index("ts"))
                for (contract,), own in plain.partition_by("contract", as_dict=True, maintain_order=True).items()
            ]
            for start in range(0, len(frames), AT_ONCE):
                bars.write_batch(frames[start:start + AT_ONCE], prune_previous_versions=False)
        del bars
        self.close()

    def open(self) -> None:
        self.bars = self._library(self.folder)
        self.facts = pl.read_parquet(self.folder / "contracts.parquet")

    def close(self) -> None:
        self.bars = self.client = None

    def _read(self, chosen: pl.DataFrame, span, columns: list[str], *, tail: int | None) -> pl.DataFrame:
        from arcticdb import ReadRequest

        asked = [ReadRequest(symbol, date_range=span, columns=[*columns, "phase"]) for symbol in chosen["symbol"]]
        parts, ids = [], []
        for contract, one in zip(chosen["contract"], self.bars.read_batch(asked), strict=True):
            rows = one.data[one.data["phase"].to_numpy() == 0]
            rows = rows if tail is None else rows.iloc[-tail:]
            if len(rows):
                parts.append(rows)
                ids += [contract] * len(rows)
        return polars_of(parts, ids)

    def chain(self, q: Question) -> pl.DataFrame:
        chosen = self.facts.filter((pl.col("underlying") == q.underlying) & (pl.col("kind") == "option") & (pl.col("expiry") == q.expiry))
        return self._read(chosen, span(q.opens, q.at), ["close_paise", "oi"], tail=1).select(LAST)

    def so_far(self, q: Question) -> pl.DataFrame:
        chosen = self.facts.filter((pl.col("underlying") == q.underlying) & (pl.col("kind") == "option") & (pl.col("expiry") == q.expiry))
        return summed(self._read(chosen, span(q.opens, q.at), ["close_paise", "oi", "volume"], tail=None))

    def whole(self, q: Question) -> pl.DataFrame:
        columns = [name for name in BARS if name not in ("contract", "ts")]
        rows = self.bars.read(q.symbol, columns=[*columns, "phase"]).data
        rows = rows[rows["phase"].to_numpy() == 0]
        return polars_of([rows], [q.contract] * len(rows)).select(BARS)

    def last(self, q: Question) -> pl.DataFrame:
        alive = self.facts.filter(pl.col("expiry").is_null() | (pl.col("expiry") >= q.session))
        return self._read(alive, span(q.opens, q.closes), ["close_paise", "oi"], tail=1).select(LAST)

    def day(self, q: Question) -> pl.DataFrame:
        chosen = self.facts.filter((pl.col("underlying") == q.underlying) & (pl.col("expiry").is_null() | (pl.col("expiry") >= q.session)))
        columns = [name for name in BARS if name not in ("contract", "ts")]
        return self._read(chosen, span(q.opens, q.closes), columns, tail=None).select(BARS)


def span(start, end):
    """ArcticDB's ranges hold both ends; its index has no zone and is UTC here."""
    from pandas import Timedelta, Timestamp

    return Timestamp(start).tz_localize(None), Timestamp(end).tz_localize(None) - Timedelta(1, "us")


def polars_of(parts, ids: list[int]) -> pl.DataFrame:
    import pandas as pd

    rows = pl.from_pandas(pd.concat(parts).reset_index())
    return rows.with_columns(
        contract=pl.Series(ids, dtype=pl.Int64), oi=pl.when(pl.col("oi") >= 0).then("oi"),
        ts=pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )
