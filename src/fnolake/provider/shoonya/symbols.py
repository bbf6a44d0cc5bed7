"""
Shoonya's symbol masters: bytes in, listings out. Pure, vectorised.

Nothing is asked of the network and nothing is stored here. Invariant: every row of a master is a listing, counted
out of scope by name, or a finding; the expiry and strike *columns* rule, trading symbols are only checked.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from datetime import date

import polars as pl

from fnolake.errors import PayloadError, ProviderFault
from fnolake.model import Master, listing_schema, payload_hash
from fnolake.provider import mastertable
from fnolake.provider.mastertable import (
    GRAMMAR_STAMP,
    GRAMMAR_TAIL,
    MONTHS,
    common,
    judged_derivatives,
    mark,
    refuse,
    sort_out,
    split,
    typed_derivatives,
    with_base,
)
from fnolake.provider.scope import EXCHANGES, INDEX_NAMES

PROVIDER = "shoonya"
OUT_OF_SCOPE = ("CDS", "MCX", "NCX")
MAX_UNZIPPED = 256 * 1024 * 1024
BSE_EQUITY_GROUPS = ("A", "B", "E", "IF", "M", "MS", "MT", "P", "T", "TS", "X", "XT", "Z", "ZP")

_BFO_STAMP = rf"^.+\d{{2}}(?:{MONTHS}|[1-9OND]\d{{2}})$"
_CASH = ("Exchange", "Token", "LotSize", "Symbol", "TradingSymbol", "Instrument", "TickSize")
_DERIVATIVES = (
    "Exchange", "Token", "LotSize", "Symbol", "TradingSymbol", "Expiry", "Instrument", "OptionType", "StrikePrice",
    "TickSize",
)
_PLACEHOLDER = (pl.col("Symbol") == "") | (pl.col("TradingSymbol") == "")


def parse_master(exchange: str, body: bytes, day: date) -> Master:
    """
    Read one master file (text, or a zip of one text).

    Args:
        exchange: The broker's word: NSE, BSE, NFO, BFO; CDS, MCX and NCX are recognised and only counted.
        body: As downloaded.
        day: IST date it is taken for; contracts that expired more than a week before are out of scope.

    Returns:
        Listings in file order, unique by token, with ``model.listing_schema``; ``tick_paise`` is 0 for an index.

    Raises:
        ProviderFault: Empty, an HTML page, or a cut zip: ask again later.
        PayloadError: Not a master of that exchange.
    """
    lines = mastertable.lines(PROVIDER, exchange, _unzip(exchange, body) if body[:2] == b"PK" else body)
    digest = payload_hash(body)
    if exchange in OUT_OF_SCOPE:
        if lines[0].split(",")[:3] != ["Exchange", "Token", "LotSize"]:
            refuse(PROVIDER, exchange, body)
        rows = len(lines) - 1
        return Master(PROVIDER, exchange, day, rows, pl.DataFrame(schema=listing_schema()),
                      {exchange: rows} if rows else {}, (), digest)
    if exchange not in EXCHANGES:
        raise PayloadError(f"{exchange!r} is no exchange of this broker", provider=PROVIDER)
    names = _DERIVATIVES if EXCHANGES[exchange][1] == "FO" else _CASH
    header = lines[0].rstrip(",").split(",")
    if not set(names) <= set(header) or len(set(header)) < len(header):
        refuse(PROVIDER, exchange, body)
    table = _derivatives(split(lines[1:], header), exchange, day) if names is _DERIVATIVES \
        else _cash(split(lines[1:], header), exchange)
    return sort_out(table, PROVIDER, exchange, day, digest)


def _unzip(exchange: str, body: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = [m for m in archive.infolist() if m.filename.lower().endswith(".txt")]
            if len(members) == 1:
                with archive.open(members[0]) as member:
                    text = member.read(MAX_UNZIPPED + 1)
                if len(text) <= MAX_UNZIPPED:
                    return text
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as exc:
        raise ProviderFault(f"the zip of the {exchange} master is damaged ({exc}); download it again",
                            provider=PROVIDER, request=f"{exchange} master") from exc
    raise PayloadError(f"the zip of the {exchange} master does not hold one text file of a sane size",
                       provider=PROVIDER, request=f"{exchange} master", payload=body)


def _cash(table: pl.DataFrame, exchange: str) -> pl.DataFrame:
    typed = common(table, exchange, _PLACEHOLDER)
    is_index = pl.col("Instrument") == "INDEX"
    squeezed = [pl.col(c).str.to_uppercase().str.replace_all(r"[\s_-]", "") for c in ("TradingSymbol", "Symbol")]
    known = pl.coalesce([s.replace_strict(INDEX_NAMES, default=None) for s in squeezed])
    typed = typed.with_columns(
        is_index.alias("is_index"), pl.lit("spot").alias("kind"), pl.lit(None, pl.Date).alias("expiry"),
        pl.lit(None, pl.Int64).alias("strike_paise"), pl.lit(None, pl.String).alias("right"),
        pl.when(is_index).then(pl.coalesce(known, squeezed[0])).otherwise("Symbol").alias("underlying"),
    ).with_columns(
        pl.when("is_index").then("underlying").otherwise(pl.col("underlying") + "-EQ").alias("symbol")
    )
    groups = pl.col("Instrument").is_in(BSE_EQUITY_GROUPS if exchange == "BSE" else ("EQ",))
    word = "group_" if exchange == "BSE" else "series_"
    other = pl.when(pl.col("verdict").is_null() & ~is_index & ~groups).then(pl.lit(word) + pl.col("Instrument"))
    named = typed.with_columns(pl.coalesce("verdict", other).alias("verdict"))
    return mark(
        named,
        ("exchange_test", pl.col("Symbol").str.contains("NSETEST|BSETEST")),
        ("finding:symbol_disagrees", ~is_index & ~pl.col("TradingSymbol").str.starts_with(pl.col("Symbol"))),
        ("finding:bad_tick", (pl.col("tick_paise") < 0) | (~is_index & (pl.col("tick_paise") == 0))),
    )


def _derivatives(table: pl.DataFrame, exchange: str, day: date) -> pl.DataFrame:
    """
    NFO's names are ``NAME DDMONYY F|C strike|P strike``, NAME is the Symbol column; BFO's ``NAME YY MON|MDD [strike] CE|PE|FUT``.

    BFO's Symbol column is a BSE code. Names may end in digits (SENSEX50), so the strike column says where the strike
    starts and the stamp has a fixed width.
    """
    typed = typed_derivatives(table, exchange, _PLACEHOLDER)
    option = pl.col("kind") == "option"
    if exchange == "BFO":
        tail = pl.when(option).then(pl.col("_strike") + pl.col("OptionType")).otherwise(pl.lit("FUT"))
        based = with_base(typed, tail, _BFO_STAMP, 5)
        named = based.with_columns(pl.col("_base").alias("underlying"))
    else:
        based = with_base(typed, GRAMMAR_TAIL, GRAMMAR_STAMP, 7)
        named = based.with_columns(pl.when(pl.col("_base") == pl.col("Symbol")).then("_base").alias("underlying"))
    return judged_derivatives(named, day, ("XX",))
