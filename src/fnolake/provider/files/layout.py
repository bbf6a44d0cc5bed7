"""
How a user's file of minute bars is laid out: which column is what, in which zone and units, on which side the label is.

Pure values; the presets are a table with the source of each. Invariant: a layout says everything that a reader needs, so
that no reader guesses; what a file really holds is tested against the session hours by ``verify.clockfit``.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fnolake.errors import ConfigError

IST = "Asia/Kolkata"
DDMONYY, YYMON, YYMDD, YYMMDD = "DDMONYY", "YYMON", "YYMDD", "YYMMDD"
GRAMMARS = (DDMONYY, YYMON, YYMDD, YYMMDD)
"""How expiries are written in symbols: 25JUL24, 24JUL (the last of the month), 24704 (Kite's weeklies), 240725."""

_STEM = r"(?P<symbol>.+)"


@dataclass(frozen=True, slots=True)
class Layout:
    """
    One layout.

    Columns are alternatives, the first that a file has counts; capitals and blanks around do not matter. ``date`` is set where
    the day has a column of its own. ``symbol_from`` finds the symbol (and perhaps ``exchange``) in the file's name without its
    ending, for files without a symbol column. ``zone`` holds for stamps without an offset of their own. ``label`` is start or
    end; ``volume_in`` and ``oi_in`` are units or lots. ``grammars``: expiries in symbols, the usual first. ``checked``: refuse
    files whose rows fit the session hours only in another zone or on the other side.
    """

    name: str
    time: tuple[str, ...] = ("timestamp", "datetime", "date_time", "date/time", "time", "date", "ts")
    date: tuple[str, ...] = ()
    open: tuple[str, ...] = ("open", "o", "into")
    high: tuple[str, ...] = ("high", "h", "inth")
    low: tuple[str, ...] = ("low", "l", "intl")
    close: tuple[str, ...] = ("close", "c", "intc")
    volume: tuple[str, ...] = ("volume", "v", "vol", "intv")
    oi: tuple[str, ...] = ("oi", "open interest", "open_interest", "openinterest")
    symbol: tuple[str, ...] = ("symbol", "ticker", "tradingsymbol")
    exchange: tuple[str, ...] = ("exchange",)
    interval: tuple[str, ...] = ("interval",)
    symbol_from: str = _STEM
    time_format: str = ""
    zone: str = IST
    label: str = "start"
    volume_in: str = "units"
    oi_in: str = "units"
    grammars: tuple[str, ...] = GRAMMARS
    checked: bool = True
    source: str = ""


PRESETS: dict[str, Layout] = {
    "kite": Layout(
        "kite", time=("date", "timestamp", "datetime", "time"), symbol=("tradingsymbol", "symbol"), grammars=(YYMON, YYMDD, DDMONYY),
        source="https://kite.trade/docs/connect/v3/historical/ (candles: timestamp with +0530, open, high, low, close, volume, oi);"
        " label is the start: https://kite.trade/forum/discussion/15973/ (both read 2026-11-21)",
    ),
    "openalgo": Layout(
        "openalgo", date=("date",), symbol=("symbol",), grammars=(DDMONYY, YYMON),
        symbol_from=r"(?P<symbol>.+?)(?:_(?P<exchange>NSE_INDEX|BSE_INDEX|NSE|NFO|BSE|BFO))?(?:_1m)?(?:_history)?",
        source="github.com/marketcalls/openalgo database/historify_db.py, export_to_csv and export_to_zip (60156bc, 2026-08-22): symbol,"
        " exchange, interval, date, time, open, high, low, close, volume, oi; or SYMBOL_EXCHANGE_1m.csv without the first three;"
        " export_to_csv writes the server's own zone, the zip India's",
    ),
    "gdf": Layout(
        "gdf", time=("time",), date=("date",), symbol=("ticker",), time_format="%d/%m/%Y %H:%M:%S", label="end", grammars=(DDMONYY, YYMON),
        source="GlobalDataFeeds daily files (GFDLNFO_*, GFDLCM_*), as described in github.com/olo-labs/olo-testdata-nse-min-candle README:"
        " Ticker,Date,Time,Open,High,Low,Close,Volume,Open Interest; day first; stamps of the minute's last second, 10:48:59;"
        " tickers such as NIFTY03JUL2522800CE.NFO, 20MICRONS.NSE (read 2026-11-21)",
    ),
    "truedata": Layout(
        "truedata", time=("timestamp", "time"), symbol=("symbol", "ticker"), grammars=(YYMMDD, YYMON, DDMONYY),
        source="TrueData history API: timestamp,open,high,low,close,volume,oi, and o,h,l,c,v,oi of truedata-ws"
        " (https://pypi.org/project/truedata-ws/); first row of a day 09:15:00 in public tests, no word of the vendor on the label's side"
        " was found (2026-11-21), so the rows themselves are checked",
    ),
}

_COLUMNS = frozenset({"time", "date", "open", "high", "low", "close", "volume", "oi", "symbol", "exchange", "interval"})
_CHOICES = {"label": ("start", "end"), "volume_in": ("units", "lots"), "oi_in": ("units", "lots"), "check": ("on", "off")}
_PLAIN = frozenset({"symbol_from", "time_format", "zone", "name"})


def layout_of(preset: str | None, mapping: Mapping[str, str] | None = None) -> Layout:
    """
    A preset, a mapping, or a preset with some of it mapped otherwise.

    Args:
        preset: A key of ``PRESETS``, None for a mapping of the user's own.
        mapping: Column by name (time, date, open, high, low, close, volume, oi, symbol, exchange, interval), and symbol_from, time_format,
            zone, label, volume_in, oi_in, check, name.

    Raises:
        ConfigError: No such preset, key or value.
    """
    if preset is not None and preset.lower() not in PRESETS:
        raise ConfigError(f"no preset {preset!r}; there are {', '.join(sorted(PRESETS))}, or map the columns: --map time=…")
    made = PRESETS[preset.lower()] if preset else Layout("files")
    for key, value in (mapping or {}).items():
        made = replace(made, **_mapped(key.strip().lower(), value.strip()))  # type: ignore[arg-type]
    return made


def _mapped(key: str, value: str) -> dict[str, object]:
    if key in _COLUMNS:
        return {key: (value.lower(),) if value else ()}
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise ConfigError(f"--map {key}={value}: give {' or '.join(_CHOICES[key])}")
        return {"checked": value == "on"} if key == "check" else {key: value}
    if key not in _PLAIN:
        raise ConfigError(f"--map {key}: no such key; there are {', '.join(sorted({*_COLUMNS, *_CHOICES, *_PLAIN}))}")
    if key == "zone":
        _known_zone(value)
    if key == "symbol_from":
        _known_pattern(value)
    return {key: value}


def _known_zone(value: str) -> None:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--map zone={value}: no such zone; give one like Asia/Kolkata or UTC") from error


def _known_pattern(value: str) -> None:
    try:
        groups = re.compile(value).groupindex
    except re.error as error:
        raise ConfigError(f"--map symbol_from={value}: no pattern: {error}") from error
    if "symbol" not in groups:
        raise ConfigError(f"--map symbol_from={value}: name the part that is the symbol, for example (?P<symbol>.+)_1min")


def symbol_in(layout: Layout, name: str) -> tuple[str, str]:
    """Symbol and exchange (empty: not said) in a file's name; two empty texts where the pattern does not fit."""
    stem = Path(name).name
    for ending in (".gz", ".csv", ".txt", ".parquet", ".json"):
        stem = stem[: -len(ending)] if stem.lower().endswith(ending) else stem
    found = re.fullmatch(layout.symbol_from, stem, re.IGNORECASE)
    if found is None:
        return "", ""
    parts = found.groupdict(default="")
    return parts["symbol"], parts.get("exchange", "")
