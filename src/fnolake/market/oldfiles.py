"""
End-of-day files in the formats before UDiFF: NSE derivatives and cash (until 2024-07-05), BSE cash. Bytes in, the shape of
:class:`~fnolake.market.bhavcopy.ExchangeDay` out.

NSE's old files name no token (and the derivatives' no lot and no last price): rows are joined to contracts by what they
are. The lot is derived from traded value and open interest. BSE's old derivatives file is not read: its columns and its
unit of volume are not known to us (market.md 6c: "Old BSE format: unverified").
"""

from __future__ import annotations

import math
from datetime import date, datetime

import polars as pl

from fnolake.market.bhavcopy import ExchangeDay, exchange_schema
from fnolake.market.csvtable import number, paise, read_table, refused, whole
from fnolake.market.units import LAKH, check_units, median_ratio
from fnolake.model.verdict import Finding

FO_NEEDED = (
    "INSTRUMENT", "SYMBOL", "EXPIRY_DT", "STRIKE_PR", "OPTION_TYP", "OPEN", "HIGH", "LOW", "CLOSE", "SETTLE_PR", "CONTRACTS",
    "VAL_INLAKH", "OPEN_INT", "CHG_IN_OI", "TIMESTAMP",
)
CM_NEEDED = ("SYMBOL", "SERIES", "OPEN", "HIGH", "LOW", "CLOSE", "LAST", "TOTTRDQTY", "TOTTRDVAL", "TIMESTAMP", "TOTALTRADES")
BSE_NEEDED = ("SC_CODE", "SC_NAME", "SC_GROUP", "OPEN", "HIGH", "LOW", "CLOSE", "LAST", "NO_TRADES", "NO_OF_SHRS", "NET_TURNOV")
_KINDS = {"FUTIDX": "future", "FUTSTK": "future", "FUTIVX": "future", "OPTIDX": "option", "OPTSTK": "option"}
_LAKH_STEP = 0.01 * LAKH
"""Value in lakhs has two decimals."""
_NEAR = 0.03
"""How far the lot by value may be from the lot by open interest: a future's day range around its middle."""
_WHO = ("token", "underlying", "series", "kind", "expiry", "strike_paise", "right")
_DAY_FORMATS = ("%d-%b-%Y", "%Y%m%d", "%d-%b-%y", "%Y-%m-%d")


def read_old_fo(text: bytes, body: bytes) -> ExchangeDay:
    """
    Read ``foDDMONYYYYbhav``. ``token``, ``trades`` and ``last_paise`` are not in it: null, null and 0.

    Args:
        text: From ``unpack.plain``.
        body: The download, attached to errors.

    Raises:
        PayloadError: Another file, a cut one, or its value contradicts volume in contracts.
    """
    raw, short = read_table(text, FO_NEEDED, body, "NSE's derivatives file of before 2024-07-08")
    day = _one_day(raw, "TIMESTAMP", body)
    option = pl.col("kind") == "option"
    typed = raw.with_columns(kind=pl.col("INSTRUMENT").replace_strict(_KINDS, default=None, return_dtype=pl.String)).select(
        "kind", venue=pl.lit("NSE"), segment=pl.lit("FO"), token=pl.lit(None, pl.Int64), underlying="SYMBOL",
        expiry=_day_of("EXPIRY_DT"), stated_expiry=pl.lit(None, pl.Date), strike_paise=pl.when(option).then(paise("STRIKE_PR")), right=pl.when(option).then("OPTION_TYP"),
        series=pl.lit(None, pl.String), **_prices("OPEN", "HIGH", "LOW", "CLOSE"), last_paise=pl.lit(0, pl.Int64),
        settle_paise=paise("SETTLE_PR"), volume=whole("CONTRACTS"), oi=whole("OPEN_INT"), oi_change=whole("CHG_IN_OI"),
        value_rupees=number("VAL_INLAKH") * LAKH, trades=pl.lit(None, pl.Int64), name=pl.col("SYMBOL"),
    )
    unstruck = option & ((pl.col("strike_paise") <= 0) | ~pl.col("right").is_in(["CE", "PE"]))
    kept, findings = _sifted(typed, _any_null("kind", "expiry", "oi", "oi_change") | unstruck.fill_null(value=True), body)
    kept, derived = _with_lots(kept, f"NSE FO {day}", body)
    tested = check_units(kept, f"NSE FO {day}", body, lots=True, value_step_rupees=_LAKH_STEP)
    kept = kept.with_columns(volume=pl.col("volume") * pl.col("lot").fill_null(1))
    return _day(day, "NSE", "FO", kept, [*_short(short), *findings, *derived, *tested])


def read_old_cm(text: bytes, body: bytes) -> ExchangeDay:
    """
    Read ``cmDDMONYYYYbhav``, and copies of it whose value is in lakhs. ``token`` and ``settle_paise`` are null and 0.

    Raises:
        PayloadError: Another file, a cut one, or its value contradicts volume in units.
    """
    raw, short = read_table(text, CM_NEEDED, body, "NSE's cash file of before 2024-07-08")
    day = _one_day(raw, "TIMESTAMP", body)
    typed = raw.select(
        **_cash("NSE"), token=pl.lit(None, pl.Int64), underlying="SYMBOL", series="SERIES", **_prices("OPEN", "HIGH", "LOW", "CLOSE", "LAST"),
        volume=whole("TOTTRDQTY"), value_rupees=number("TOTTRDVAL"), trades=whole("TOTALTRADES"), name="SYMBOL",
    )
    kept, findings = _sifted(typed, _any_null("series", "trades"), body)
    kept, scaled = _in_rupees(kept)
    step = _LAKH_STEP if scaled else 0.0
    tested = check_units(kept, f"NSE CM {day}", body, lots=False, value_step_rupees=step)
    return _day(day, "NSE", "CM", kept, [*_short(short), *findings, *scaled, *tested])


def read_old_bse_cm(text: bytes, body: bytes, day: date | None) -> ExchangeDay:
    """
    Read BSE's ``EQDDMMYY.CSV``: shares and rupees, by scrip code; only some copies name their date (``TRADING_DATE``).

    Args:
        text: From ``unpack.plain``.
        body: The download, attached to errors.
        day: The trading date where the file names none.

    Raises:
        PayloadError: Another file, a cut one, no date known, or its value contradicts volume in units.
    """
    raw, short = read_table(text, BSE_NEEDED, body, "BSE's cash file of before UDiFF")
    dated, _ = read_table(text, ("TRADING_DATE",), body, "dated") if b"TRADING_DATE" in text.partition(b"\n")[0] else (None, 0)
    said = _one_day(dated, "TRADING_DATE", body) if dated is not None else day
    if said is None:
        raise refused("BSE's old cash file does not name its date; keep its name, EQDDMMYY", body)
    typed = raw.select(
        **_cash("BSE"), token=whole("SC_CODE"), underlying="SC_NAME", series="SC_GROUP", **_prices("OPEN", "HIGH", "LOW", "CLOSE", "LAST"),
        volume=whole("NO_OF_SHRS").fill_null(0), value_rupees=number("NET_TURNOV").fill_null(0.0), trades=whole("NO_TRADES").fill_null(0), name="SC_NAME",
    )
    kept, findings = _sifted(typed, pl.col("token").is_null() | ~pl.col("token").is_first_distinct(), body)
    tested = check_units(kept, f"BSE CM {said}", body, lots=False, value_step_rupees=1.0)
    return _day(said, "BSE", "CM", kept, [*_short(short), *findings, *tested])


def date_of(text: str) -> date | None:
    """``05-JUL-2024``, ``20240705``, ``05-Jul-24`` or ISO; None for anything else."""
    for form in _DAY_FORMATS:
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    return None


def _cash(venue: str) -> dict[str, pl.Expr]:
    nothing = pl.lit(None, pl.Int64)
    return {
        "venue": pl.lit(venue), "segment": pl.lit("CM"), "kind": pl.lit("spot"), "expiry": pl.lit(None, pl.Date), "stated_expiry": pl.lit(None, pl.Date), "strike_paise": nothing,
        "right": pl.lit(None, pl.String), "settle_paise": pl.lit(0, pl.Int64), "oi": nothing, "oi_change": nothing, "lot": pl.lit(1, pl.Int64),
    }


def _prices(*theirs: str) -> dict[str, pl.Expr]:
    return {f"{name.lower()}_paise": paise(name) for name in theirs}


def _day_of(name: str) -> pl.Expr:
    return pl.col(name).str.to_date("%d-%b-%Y", strict=False)


def _one_day(raw: pl.DataFrame, name: str, body: bytes) -> date:
    said = raw[name].drop_nulls().unique().to_list()
    if len(said) != 1:
        raise refused(f"the rows of one file must agree on {name}; found {len(said)} values", body)
    found = date_of(said[0])
    if found is None:
        raise refused(f"{name} {said[0]!r} is no date", body)
    return found


def _short(lines: int) -> list[Finding]:
    return [Finding("row_short", lines, "lines with fewer fields than the header", refused=True)] if lines else []


def _any_null(*names: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_null() for name in names)


def _sifted(typed: pl.DataFrame, unreadable: pl.Expr, body: bytes) -> tuple[pl.DataFrame, list[Finding]]:
    """Rows that are whole, and a refusing finding for the others."""
    bad = typed.select(
        pl.any_horizontal(
            unreadable, _any_null("underlying", "volume", "value_rupees"), pl.col("volume") < 0, pl.col("oi").fill_null(0) < 0,
            ~pl.struct(_WHO).is_first_distinct(), pl.min_horizontal("open_paise", "high_paise", "low_paise", "close_paise", "last_paise") < 0,
        ).fill_null(value=True).alias("bad"),
    )["bad"]
    kept = typed.filter(~bad)
    if kept.is_empty():
        raise refused("no row of the file can be read", body)
    first = str(typed.filter(bad)["name"].first() or "?") if bad.any() else ""
    return kept, [Finding("row_unreadable", int(bad.sum()), f"first: {first}", refused=True)] if bad.any() else []


def _in_rupees(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Values in rupees; a file whose median says lakhs is scaled and says so."""
    if not 0.5 < median_ratio(rows, lots=False) * LAKH < 2.0:
        return rows, []
    return rows.with_columns(value_rupees=pl.col("value_rupees") * LAKH), [Finding("value_in_lakhs", rows.height, "the file states value in lakhs")]


def _with_lots(rows: pl.DataFrame, name: str, body: bytes) -> tuple[pl.DataFrame, list[Finding]]:
    """
    Rows with ``lot``, derived for each underlying and expiry; null where nothing traded.

    Traded value says about how many units a contract has; the lot is the divisor of every open interest nearest to it.
    Traded rows whose lot is unproven are refused.
    """
    middle = pl.col("strike_paise").fill_null(0) + (pl.col("low_paise") + pl.col("high_paise")) / 2
    priced = (pl.col("volume") > 0) & (pl.col("value_rupees") > 0) & (pl.col("low_paise") > 0)
    about = (pl.col("value_rupees") * 100 / (pl.col("volume") * middle)).filter(priced & (pl.col("value_rupees") >= 2 * _LAKH_STEP)).median()
    groups = rows.group_by("underlying", "expiry").agg(about=about, interest=pl.col("oi"), change=pl.col("oi_change"))
    lots = [(*key, lot_of(near, math.gcd(*interest, *change))) for *key, near, interest, change in groups.iter_rows()]
    known = groups.filter(pl.col("about").is_not_null())
    if known.height and (ratio := float(known["about"].median())) < 2.0:  # type: ignore[arg-type]
        why = f"{name}: volume counts units where contracts are documented: the median ratio of value to volume * price is {ratio:.4g} where a lot is expected"
        raise refused(why, body)
    table = pl.DataFrame(lots, schema={"underlying": pl.String, "expiry": pl.Date, "lot": pl.Int64}, orient="row")
    joined = rows.join(table, on=["underlying", "expiry"], how="left", maintain_order="left")
    unproven = (pl.col("volume") > 0) & pl.col("lot").is_null()
    count = joined.filter(unproven).height
    findings = [Finding("lot_derived", joined["lot"].count(), "from traded value and open interest")]
    if count:
        findings.append(Finding("lot_unproven", count, "value and open interest agree on no lot", refused=True))
    return joined.filter(~unproven), findings


def lot_of(about: float | None, common: int) -> int | None:
    """
    The lot by its estimate and the greatest common divisor of all open interest; None where they do not agree.

    Without any open interest the estimate alone decides, and only if it is near a whole number of 5 units.
    """
    if about is None or about <= 0:
        return None
    if common == 0:
        rounded = 5 * round(about / 5)
        return rounded if rounded and abs(rounded / about - 1) <= 0.002 else None
    lot, rest = divmod(common, max(round(common / about), 1))
    return lot if rest == 0 and abs(lot / about - 1) <= _NEAR else None


def _day(day: date, venue: str, segment: str, rows: pl.DataFrame, findings: list[Finding]) -> ExchangeDay:
    shaped = rows.select(exchange_schema().keys()).cast(exchange_schema())  # type: ignore[arg-type]
    return ExchangeDay(day, venue, segment, shaped, tuple(findings))
