"""The catalog as nautilus_trader itself reads it: every instrument and bar, and a back-test over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from tests.export.conftest import FAR_SYMBOL, MON, NEAR, TUE, of

from fnolake.lake import Lake

catalogs = pytest.importorskip("nautilus_trader.persistence.catalog")


def ns(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000_000


def bars_of(catalog: object, kind: str) -> list[tuple[object, ...]]:
    return [
        (bar.ts_event, bar.ts_init, *(Decimal(str(price)) * 100 for price in (bar.open, bar.high, bar.low, bar.close)), int(bar.volume))
        for bar in catalog.bars(bar_types=[kind])
    ]


def went_in(truth: pl.DataFrame, symbol: str) -> list[tuple[object, ...]]:
    rows = of(truth, symbol).select("ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume").rows()
    return [(end := ns(ts + timedelta(minutes=1)), end, *rest) for ts, *rest in rows]


def test_every_instrument_and_bar_comes_back_stamped_by_its_close(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    for name, kind in (("M&M", "spot"), ("M&M", "option"), ("NIFTY", "spot"), ("NIFTY", "future"), ("NIFTY", "option")):
        lake.export("nautilus", tmp_path, name, kind=kind)
    catalog = catalogs.ParquetDataCatalog(str(tmp_path))
    found = {str(one.id): one for one in catalog.instruments()}
    symbols = {"M_M-EQ": "M&M-EQ", "M_M23NOV26P3122.5": "M&M23NOV26P3122.5"}
    assert len(found) == 7
    for name, instrument in found.items():
        symbol = symbols.get(name.removesuffix(".NSE"), name.removesuffix(".NSE"))
        assert instrument.raw_symbol.value == symbol
        assert bars_of(catalog, f"{name}-1-MINUTE-LAST-EXTERNAL") == went_in(truth, symbol)
    assert {name: type(one).__name__ for name, one in found.items()} == {
        "M_M-EQ.NSE": "Equity", "NIFTY.NSE": "IndexInstrument", "NIFTY23NOV26F.NSE": "FuturesContract", f"{FAR_SYMBOL}.NSE": "FuturesContract",
        "NIFTY23NOV26C24000.NSE": "OptionContract", "NIFTY23NOV26P24000.NSE": "OptionContract", "M_M23NOV26P3122.5.NSE": "OptionContract",
    }
    future, option, share = found["NIFTY23NOV26F.NSE"], found["M_M23NOV26P3122.5.NSE"], found["M_M-EQ.NSE"]
    assert (int(future.lot_size), int(future.multiplier), str(future.price_increment), future.underlying) == (65, 1, "0.05", "NIFTY")
    assert future.expiration_ns == ns(datetime(NEAR.year, NEAR.month, NEAR.day, 10, 10, tzinfo=UTC))  # 15:40 IST
    assert (str(option.strike_price), option.option_kind.name, int(option.lot_size)) == ("3122.50", "PUT", 200)
    assert (str(share.price_increment), share.quote_currency.code) == ("0.10", "INR")


def test_more_is_added_what_is_there_stays_and_overwriting_replaces_only_its_span(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    kind, symbol = "NIFTY23NOV26F.NSE-1-MINUTE-LAST-EXTERNAL", "NIFTY23NOV26F"
    lake.export("nautilus", tmp_path, symbol, start=TUE)
    added = lake.export("nautilus", tmp_path, symbol)
    assert (added.bars, added.kept) == (40, 2)
    catalog = catalogs.ParquetDataCatalog(str(tmp_path))
    assert bars_of(catalog, kind) == went_in(truth, symbol)
    again = lake.export("nautilus", tmp_path, symbol)
    assert (again.files, again.bars) == (0, 0)
    replaced = lake.export("nautilus", tmp_path, symbol, end=MON, overwrite=True)
    assert replaced.bars == 40
    assert bars_of(catalog, kind) == went_in(truth, symbol)


def test_longer_bars_end_where_their_session_ends(lake: Lake, tmp_path: Path) -> None:
    lake.export("nautilus", tmp_path, "NIFTY23NOV26F", interval="15m")
    lake.export("nautilus", tmp_path, "NIFTY23NOV26F", interval="1d")
    catalog = catalogs.ParquetDataCatalog(str(tmp_path))
    quarter = [bar.ts_event for bar in catalog.bars(bar_types=["NIFTY23NOV26F.NSE-15-MINUTE-LAST-EXTERNAL"])]
    assert quarter[:3] == [ns(datetime(2026, 11, 16, 4, minute, tzinfo=UTC)) for minute in (0, 15, 30)]
    days = [bar.ts_event for bar in catalog.bars(bar_types=["NIFTY23NOV26F.NSE-1-DAY-LAST-EXTERNAL"])]
    assert days == [ns(datetime(2026, 11, day, 10, 10, tzinfo=UTC)) for day in (16, 17)]


def test_a_back_test_buys_a_lot_and_earns_the_difference(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import INR
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.trading.strategy import Strategy

    lake.export("nautilus", tmp_path, "NIFTY23NOV26F")
    catalog = catalogs.ParquetDataCatalog(str(tmp_path))
    (future,) = catalog.instruments()
    data = catalog.bars()

    class TwoOrders(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            self.seen = 0
            self.subscribe_bars(data[0].bar_type)

        def on_bar(self, bar: object) -> None:
            self.seen += 1
            if self.seen in {5, 70}:
                side = OrderSide.BUY if self.seen == 5 else OrderSide.SELL
                self.submit_order(self.order_factory.market(future.id, side, future.lot_size))

    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("NSE"), OmsType.NETTING, AccountType.MARGIN, [Money(100_000_000, INR)], base_currency=INR)
    engine.add_instrument(future)
    engine.add_data(data)
    strategy = TwoOrders()
    engine.add_strategy(strategy)
    engine.run()
    (position,) = engine.cache.positions()
    closes = of(truth, "NIFTY23NOV26F")["close_paise"]
    assert strategy.seen == 80
    assert position.realized_pnl.as_decimal() == Decimal(closes[69] - closes[4]) / 100 * 65
    engine.dispose()
