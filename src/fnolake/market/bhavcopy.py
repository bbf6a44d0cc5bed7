"""
The exchange's end-of-day files (UDiFF, NSE and BSE, cash and derivatives) in one shape. Bytes in, a table out.

Volume is in **units** for both venues: NSE's derivatives file counts contracts, everything else counts units, and every
file proves it by its traded value. Invariant: a row of the file is a row of the table or counted by a refusing finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.market.csvtable import number, paise, read_table, refused, whole
from fnolake.market.units import check_units
from fnolake.market.unpack import plain
from fnolake.model.instrument import VENUES
from fnolake.model.verdict import Finding

_KINDS = {"STF": "future", "IDF": "future", "STO": "option", "IDO": "option"}
_PRICES = {
    "open_paise": "OpnPric", "high_paise": "HghPric", "low_paise": "LwPric", "close_paise": "ClsPric",
    "last_paise": "LastPric", "settle_paise": "SttlmPric",
}
_COUNTS = {
    "token": "FinInstrmId", "volume": "TtlTradgVol", "oi": "OpnIntrst", "oi_change": "ChngInOpnIntrst",
    "trades": "TtlNbOfTxsExctd", "lot": "NewBrdLotQty",
}
_NEEDED = (
    "TradDt", "Sgmt", "Src", "FinInstrmTp", "TckrSymb", "SctySrs", "XpryDt", "FininstrmActlXpryDt", "StrkPric", "OptnTp",
    "FinInstrmNm", "TtlTrfVal", *_PRICES.values(), *_COUNTS.values(),
)


@dataclass(frozen=True, slots=True)
class ExchangeDay:
    """
    One file: a venue's segment on a trading date. ``rows`` has :func:`exchange_schema`, unique by token.

    ``findings`` with ``refused`` count rows of the file that are not in ``rows``.
    """

    day: date
    venue: str
    segment: str
    rows: pl.DataFrame
    findings: tuple[Finding, ...] = ()


def exchange_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """
    Columns of an exchange day, in the order of the file.

    Prices are paise, 0 where the exchange states none (an untraded contract has no open, high, low). ``volume``, ``oi``,
    ``oi_change`` and ``lot`` are units; ``oi`` and ``oi_change`` are null for cash, ``expiry`` too; ``strike_paise`` and
    ``right`` are null unless an option; ``series`` is null unless cash. ``expiry`` is the date on which the contract ends
    (FininstrmActlXpryDt), ``stated_expiry`` the one that it is named by (XpryDt): they differ where an expiry was moved and
    where a demerger ends contracts early; null where the file has no such column. ``value_rupees`` of an option is notional:
    (strike + premium) * units. ``close_paise`` is no last trade: that is ``last_paise``.
    """
    text, integer = pl.String, pl.Int64
    return {
        "venue": text, "segment": text, "token": integer, "underlying": text, "kind": text, "expiry": pl.Date,
        "stated_expiry": pl.Date, "strike_paise": integer, "right": text, "series": text, **dict.fromkeys(_PRICES, integer), "volume": integer,
        "oi": integer, "oi_change": integer, "value_rupees": pl.Float64, "trades": integer, "lot": integer, "name": text,
    }


def read_fo(body: bytes) -> ExchangeDay:
    """
    Read a derivatives file (zip, gzip or plain).

    Raises:
        PayloadError: A web page, another file, a cut one, or its traded value contradicts the units of its volume.
    """
    return _read(body, "FO")


def read_cm(body: bytes) -> ExchangeDay:
    """
    Read a cash file (zip, gzip or plain).

    Raises:
        PayloadError: A web page, another file, a cut one, or its traded value contradicts the units of its volume.
    """
    return _read(body, "CM")


def _read(body: bytes, segment: str) -> ExchangeDay:
    raw, short = read_table(plain(body), _NEEDED, body, "an end-of-day file in the UDiFF format")
    day, venue = _identity(raw, segment, body)
    typed = _typed(raw, venue, segment)
    kept, findings = _sifted(typed)
    if kept.is_empty():
        raise refused(f"{venue} {segment} {day}: no row of the file can be read", body)
    tested = check_units(kept, f"{venue} {segment} {day}", body, lots=venue == "NSE" and segment == "FO")
    if venue == "NSE" and segment == "FO":
        kept = kept.with_columns(volume=pl.col("volume") * pl.col("lot"))
    cut = [Finding("row_short", short, "lines with fewer fields than the header", refused=True)] if short else []
    observed = (*cut, *findings, *tested, *_observed(kept, day))
    rows = kept.select(exchange_schema().keys()).cast(exchange_schema())  # type: ignore[arg-type]
    return ExchangeDay(day, venue, segment, rows, observed)


def _identity(raw: pl.DataFrame, segment: str, body: bytes) -> tuple[date, str]:
    """The one trading date and venue of the file."""
    said = {name: raw[name].drop_nulls().unique().to_list() for name in ("TradDt", "Src", "Sgmt")}
    for name, values in said.items():
        if len(values) != 1:
            raise refused(f"the rows of one file must agree on {name}; found {len(values)} values", body)
    if said["Sgmt"] != [segment]:
        raise refused(f"this is a {said['Sgmt'][0]} file, {segment} was expected", body)
    if said["Src"][0] not in VENUES:
        raise refused(f"{said['Src'][0]!r} is no venue we know", body)
    try:
        return date.fromisoformat(said["TradDt"][0]), said["Src"][0]
    except ValueError as error:
        raise refused(f"TradDt {said['TradDt'][0]!r} is no date", body) from error


def _typed(raw: pl.DataFrame, venue: str, segment: str) -> pl.DataFrame:
    """One typed row for each row of the file; what does not decode is null."""
    kind = pl.lit("spot") if segment == "CM" else pl.col("FinInstrmTp").replace_strict(_KINDS, default=None, return_dtype=pl.String)
    no_interest = segment == "CM"
    is_option = pl.col("kind") == "option"
    return (
        raw.with_columns(kind=kind)
        .select(
            pl.col("TradDt", "FinInstrmTp", "kind"),
            venue=pl.lit(venue), segment=pl.lit(segment), underlying="TckrSymb", name="FinInstrmNm",
            series=pl.col("SctySrs") if segment == "CM" else pl.lit(None, pl.String),
            expiry=pl.lit(None, pl.Date) if segment == "CM" else _day("FininstrmActlXpryDt").fill_null(_day("XpryDt")),
            stated_expiry=pl.lit(None, pl.Date) if segment == "CM" else _day("XpryDt"),
            moved=_day("FininstrmActlXpryDt") != _day("XpryDt"),
            strike_paise=pl.when(is_option).then(paise("StrkPric")), right=pl.when(is_option).then("OptnTp"),
            value_rupees=number("TtlTrfVal").fill_null(0.0),
            **{ours: pl.lit(None, pl.Int64) if no_interest and ours.startswith("oi") else _count(theirs) for ours, theirs in _COUNTS.items()},
            **{ours: paise(theirs) for ours, theirs in _PRICES.items()},
            bad=_undecoded(),
        )
    )


def _sifted(typed: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Rows that are whole, and one refusing finding for each way of not being whole."""
    dated = (pl.col("kind") != "spot") & pl.col("expiry").is_null()
    unstruck = (pl.col("kind") == "option") & ((pl.col("strike_paise").fill_null(0) <= 0) | ~pl.col("right").is_in(["CE", "PE"]).fill_null(value=False))
    unreadable = pl.any_horizontal(
        pl.col("bad"), pl.col("token").is_null(), pl.col("underlying").is_null(), pl.col("volume").is_null(), pl.col("volume") < 0,
        pl.col("trades") < 0, pl.col("oi").fill_null(0) < 0, dated, unstruck, pl.min_horizontal(*_PRICES) < 0,
    )
    reason = (
        pl.when(pl.col("kind").is_null() & pl.col("FinInstrmTp").is_not_null()).then(pl.lit("instrument_type_unknown"))
        .when(unreadable.fill_null(value=True) | pl.col("kind").is_null() | pl.col("TradDt").is_null()).then(pl.lit("row_unreadable"))
        .when((pl.col("kind") != "spot") & (pl.col("lot") <= 0)).then(pl.lit("lot_missing"))
        .when(~pl.col("token").is_first_distinct()).then(pl.lit("token_repeated"))
    )
    judged = typed.with_columns(reason=reason)
    out = judged.filter(pl.col("reason").is_not_null()).group_by("reason").agg(pl.len(), pl.col("name", "FinInstrmTp").first()).sort("reason")
    findings = [
        Finding(row["reason"], row["len"], f"first: {row['FinInstrmTp'] or '?'} {row['name'] or '?'}", refused=True)
        for row in out.iter_rows(named=True)
    ]
    return judged.filter(pl.col("reason").is_null()), findings


def _observed(rows: pl.DataFrame, day: date) -> list[Finding]:
    """What is odd and kept."""
    traded = pl.col("volume") > 0
    close_off = ~pl.col("close_paise").is_between("low_paise", "high_paise") & (pl.col("close_paise") == pl.col("settle_paise"))
    odd = {
        "expiry_moved": pl.col("moved").fill_null(value=False),
        "range_inverted": traded & (pl.col("low_paise") > pl.col("high_paise")),
        "last_outside_range": traded & ~pl.col("last_paise").is_between("low_paise", "high_paise"),
        "close_is_settlement": traded & (pl.col("expiry") == day).fill_null(value=False) & close_off,
    }
    counts = rows.select(**{name: flag.sum() for name, flag in odd.items()}).row(0, named=True)
    return [Finding(name, count) for name, count in counts.items() if count]


def _count(name: str) -> pl.Expr:
    """A whole number; a blank is 0, but null for a token or a volume."""
    found = whole(name)
    return found if name in {"FinInstrmId", "TtlTradgVol"} else pl.when(pl.col(name).is_null()).then(0).otherwise(found)


def _undecoded() -> pl.Expr:
    """Whether a number of the row is text."""
    numbers = [*_COUNTS.values(), "TtlTrfVal"]
    return pl.any_horizontal(*(pl.col(name).is_not_null() & number(name).is_null() for name in numbers))


def _day(name: str) -> pl.Expr:
    return pl.col(name).str.to_date("%Y-%m-%d", strict=False)
