"""
Firstock's symbol masters: bytes in, listings out; and a contract's trading symbol. Pure, vectorised.

Nothing is asked of the network and nothing is stored here. Invariant: every row of a master is a listing, counted
out of scope by name, or a finding; the expiry and strike *columns* rule, trading symbols are only checked. The files'
columns and quirks are those that two programs agreed on in August 2026 (OpenAlgo, and a downloader of the live files).
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import polars as pl

from fnolake.errors import PayloadError
from fnolake.model import Contract, Finding, Master, listing_schema, payload_hash
from fnolake.provider.firstock.refusal import PROVIDER
from fnolake.provider.mastertable import (
    GRAMMAR_STAMP,
    GRAMMAR_TAIL,
    MONTHS,
    common,
    judged_derivatives,
    lines,
    mark,
    refuse,
    sort_out,
    split,
    typed_derivatives,
    unquoted,
    with_base,
)
from fnolake.provider.scope import EXCHANGES, INDEX_NAMES

INDICES = "Indices"
"""The file that repeats the index derivatives of NFO and BFO; every row of it is out of scope."""
REPEATED = "repeats_nfo_or_bfo"

_CASH = ("Exchange", "Token", "LotSize", "TradingSymbol", "CompanyName", "ISIN", "TickSize", "FreezeQty")
_FACTS = ("Symbol", "TradingSymbol", "Expiry", "Instrument", "OptionType", "StrikePrice", "TickSize")
_DERIVATIVES = ("Exchange", "Token", "LotSize", *_FACTS)
_FUTURES = ("FUT", "XX")
_TICK_PAISE_MAX = 1000
_GRAMMAR = re.compile(rf".+\d{{2}}(?:{MONTHS})\d{{2}}(?:F|[CP]\d+(?:\.\d+)?)")


def trading_symbol(contract: Contract) -> str:
    """
    What Firstock calls a contract: the common grammar, an index by its plain name, a BSE share without a series.

    A contract's ``provider_symbol`` may be another provider's, so it is taken only where it is written in the grammar.
    """
    if contract.kind != "spot":
        named = contract.provider_symbol
        return named if _GRAMMAR.fullmatch(named) else contract.symbol
    if contract.is_index or contract.venue == "BSE":
        return contract.underlying
    return f"{contract.underlying}-EQ"


def parse_master(exchange: str, body: bytes, day: date) -> Master:
    """
    Read one master file.

    Args:
        exchange: NSE, BSE, NFO, BFO, or ``Indices``, which is recognised and only counted.
        body: As downloaded; a byte order mark is tolerated.
        day: IST date it is taken for; contracts that expired more than a week before are out of scope.

    Returns:
        Listings in file order, unique by token, with ``model.listing_schema``; an index has ``tick_paise`` 0 and lot 1.
        A file whose ticks are in paise is read as such and has the finding ``tick_in_paise``; BSE derivatives
        whose names are not in the common grammar are kept by their columns, with the finding ``other_grammar``.

    Raises:
        ProviderFault: Empty or an HTML page: ask again later.
        PayloadError: Not a master of that exchange.
    """
    if exchange not in EXCHANGES and exchange != INDICES:
        raise PayloadError(f"{exchange!r} is no master of this broker", provider=PROVIDER)
    found = lines(PROVIDER, exchange, body)
    header = [name.strip() for name in found[0].rstrip(",").split(",")]
    is_cash = EXCHANGES.get(exchange, ("", "FO"))[1] == "CM"
    if not set(_CASH if is_cash else _DERIVATIVES) <= set(header) or len(set(header)) < len(header):
        refuse(PROVIDER, exchange, body)
    digest = payload_hash(body)
    if exchange == INDICES:
        rows = len(found) - 1
        return Master(PROVIDER, exchange, day, rows, pl.DataFrame(schema=listing_schema()),
                      {REPEATED: rows} if rows else {}, (), digest)
    table = split(unquoted(found[1:]), header)
    in_paise = _is_in_paise(table["TickSize"])
    table = _cash(table, exchange, in_paise=in_paise) if is_cash else _derivatives(table, exchange, day, in_paise=in_paise)
    return _with_remarks(sort_out(table, PROVIDER, exchange, day, digest), table, in_paise=in_paise)


def _with_remarks(master: Master, table: pl.DataFrame, *, in_paise: bool) -> Master:
    """What is worth a word although every row was understood; such findings concern no row."""
    remarks = []
    if in_paise:
        remarks.append(Finding("tick_in_paise", 0, "every tick of the file is a whole number: read as paise, not rupees"))
    if "_other" in table.columns:
        names = table.filter(pl.col("verdict").is_null() & pl.col("_other"))["TradingSymbol"]
        if names.len():
            remarks.append(Finding("other_grammar", 0, f"{names.len()} names, for example {names[0]}"))
    return replace(master, findings=(*master.findings, *remarks))


def _is_in_paise(ticks: pl.Series) -> bool:
    """
    Whether a file's ticks are paise: the unit changed in 2026, and no market has only whole rupees for ticks.

    A whole file decides, since one tick alone (1 or 5) is sensible in both units.
    """
    numbers = ticks.cast(pl.Float64, strict=False).drop_nulls()
    given = numbers.filter(numbers > 0)
    return given.len() > 0 and bool(((given == given.floor()) & (given < 1e9)).all())


def _ticks(table: pl.DataFrame, *, in_paise: bool) -> pl.DataFrame:
    tick = pl.col("tick_paise")
    return table.with_columns((tick // 100 if in_paise else tick).alias("tick_paise"))


def _cash(table: pl.DataFrame, exchange: str, *, in_paise: bool) -> pl.DataFrame:
    """
    Shares and, where the file has them, spot indices: no ISIN, tick 0 and freeze quantity 0.

    An index's lot may be its derivatives' or 0. Rows whose ISIN is a dummy, or the text NaN, are junk.
    """
    def is_nothing(name: str) -> pl.Expr:
        return (pl.col(name) == "") | (pl.col(name).cast(pl.Float64, strict=False) == 0)

    name, isin = pl.col("TradingSymbol"), pl.col("ISIN").str.to_uppercase()
    none = isin.is_in(("", "NAN"))
    table = table.with_columns(
        (none & is_nothing("TickSize") & is_nothing("FreezeQty") & ~name.str.contains(r"-[A-Z0-9]{2}$")).alias("is_index"))
    table = table.with_columns(pl.when("is_index").then(pl.lit("1")).otherwise("LotSize").alias("LotSize"))
    typed = _ticks(common(table, exchange, name == ""), in_paise=in_paise)
    squeezed = [pl.col(c).str.to_uppercase().str.replace_all(r"[\s_-]", "") for c in ("TradingSymbol", "CompanyName")]
    known = pl.coalesce([s.replace_strict(INDEX_NAMES, default=None) for s in squeezed])
    share = name.str.replace(r"-EQ$", "") if exchange == "NSE" else name
    typed = typed.with_columns(
        pl.lit("spot").alias("kind"), pl.lit(None, pl.Date).alias("expiry"), pl.lit(None, pl.Int64).alias("strike_paise"),
        pl.lit(None, pl.String).alias("right"),
        pl.when("is_index").then(pl.coalesce(known, squeezed[0])).otherwise(share).alias("underlying"),
    ).with_columns(pl.when("is_index").then("underlying").otherwise(pl.col("underlying") + "-EQ").alias("symbol"))
    return mark(_other_series(typed, exchange, isin), ("finding:bad_tick", _bad_tick()))


def _other_series(table: pl.DataFrame, exchange: str, isin: pl.Expr) -> pl.DataFrame:
    """Count what is no plain share: test symbols, rows without a real ISIN, other series; at BSE other securities."""
    share, name = ~pl.col("is_index"), pl.col("TradingSymbol")
    marked = mark(
        table,
        ("exchange_test", name.str.contains("NSETEST|BSETEST")),
        ("no_isin", share & (isin.is_in(("", "NAN")) | isin.str.starts_with("DUMMY"))),
    )
    series = name.str.extract(r"-([A-Z0-9]+)$").fill_null("none")
    other = share & (series != "EQ") if exchange == "NSE" else share & ~isin.str.contains(r"^INE.{4}01")
    word = pl.lit("series_") + series if exchange == "NSE" else pl.lit("no_equity")
    return marked.with_columns(pl.coalesce("verdict", pl.when(other).then(word)).alias("verdict"))


def _bad_tick() -> pl.Expr:
    tick = pl.col("tick_paise")
    return (tick < 0) | (tick > _TICK_PAISE_MAX) | (~pl.col("is_index") & (tick == 0))


def _derivatives(table: pl.DataFrame, exchange: str, day: date, *, in_paise: bool) -> pl.DataFrame:
    """
    The Symbol column is the underlying where the name agrees (NFO); of BFO no live sample is known, so its names rule.

    A BFO name in another grammar is kept by its columns and remarked on.
    """
    placeholder = (pl.col("Symbol") == "") | (pl.col("TradingSymbol") == "")
    typed = _ticks(typed_derivatives(table, exchange, placeholder), in_paise=in_paise)
    base = pl.col("_base")
    agreed = pl.when(base == pl.col("Symbol")).then(base) if exchange == "NFO" else pl.coalesce(base, "Symbol")
    named = with_base(typed, GRAMMAR_TAIL, GRAMMAR_STAMP, 7).with_columns(agreed.alias("underlying"), base.is_null().alias("_other"))
    judged = judged_derivatives(named, day, _FUTURES)
    return mark(judged, ("finding:bad_tick", pl.col("tick_paise") > _TICK_PAISE_MAX))
