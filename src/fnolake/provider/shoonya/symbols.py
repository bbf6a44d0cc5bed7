"""
Shoonya's symbol masters: bytes in, listings out; and which listings are in scope. Pure, vectorised.

Nothing is asked of the network and nothing is stored here. Invariant: every row of a master is a listing, counted
out of scope by name, or a finding; the expiry and strike *columns* rule, trading symbols are only checked.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import replace
from datetime import date, timedelta
from typing import NoReturn

import polars as pl

from fnolake.errors import PayloadError, ProviderFault
from fnolake.model import LISTING_COLUMNS, Finding, Master, listing_schema

PROVIDER = "shoonya"
EXCHANGES = {"NSE": ("NSE", "CM"), "BSE": ("BSE", "CM"), "NFO": ("NSE", "FO"), "BFO": ("BSE", "FO")}
"""Exchange word of the broker → (venue, segment)."""

OUT_OF_SCOPE = ("CDS", "MCX", "NCX")
MAX_UNZIPPED = 256 * 1024 * 1024
KEEP_EXPIRED = timedelta(days=7)
"""A master fetched before the morning refresh still lists what expired last session, and that can still be captured."""

BSE_UNDERLYINGS = ("SENSEX", "BANKEX")
"""What is captured of BSE's derivatives; the rest of that market hardly trades."""

BSE_INDEX_TOKENS = {"SENSEX": 1, "BANKEX": 12}
"""Index spots that the broker serves although its BSE master does not list them."""

BSE_EQUITY_GROUPS = ("A", "B", "E", "IF", "M", "MS", "MT", "P", "T", "TS", "X", "XT", "Z", "ZP")

_INDEX_NAMES = {
    "NIFTY50": "NIFTY", "NIFTYINDEX": "NIFTY", "NIFTYBANK": "BANKNIFTY", "INDIAVIX": "INDIAVIX",
    "NIFTYFINSERVICES": "FINNIFTY", "NIFTYFINSERVICE": "FINNIFTY", "NIFTYFINANCIALSERVICES": "FINNIFTY",
    "NIFTYMIDSELECT": "MIDCPNIFTY", "NIFTYMIDCAPSELECT": "MIDCPNIFTY",
    "NIFTYNEXT50": "NIFTYNXT50", "NIFTYINDIAFPI150": "NIFTYFPI", "NIFTYFPI150": "NIFTYFPI",
    "BSESENSEX": "SENSEX", "BSEBANKEX": "BANKEX",
}
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_BFO_STAMP = rf"^.+\d{{2}}(?:{_MONTHS}|[1-9OND]\d{{2}})$"
_NFO_STAMP = rf"^.+\d{{2}}(?:{_MONTHS})\d{{2}}$"
_CASH = ("Exchange", "Token", "LotSize", "Symbol", "TradingSymbol", "Instrument", "TickSize")
_DERIVATIVES = (
    "Exchange", "Token", "LotSize", "Symbol", "TradingSymbol", "Expiry", "Instrument", "OptionType", "StrikePrice",
    "TickSize",
)
_KIND = {"FUTIDX": "future", "FUTSTK": "future", "OPTIDX": "option", "OPTSTK": "option"}


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
    lines = _lines(exchange, body)
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    if exchange in OUT_OF_SCOPE:
        if lines[0].split(",")[:3] != ["Exchange", "Token", "LotSize"]:
            _refuse(exchange, body)
        rows = len(lines) - 1
        return Master(PROVIDER, exchange, day, rows, pl.DataFrame(schema=listing_schema()),
                      {exchange: rows} if rows else {}, (), digest)
    if exchange not in EXCHANGES:
        raise PayloadError(f"{exchange!r} is no exchange of this broker", provider=PROVIDER)
    names = _DERIVATIVES if EXCHANGES[exchange][1] == "FO" else _CASH
    header = lines[0].rstrip(",").split(",")
    if not set(names) <= set(header) or len(set(header)) < len(header):
        _refuse(exchange, body)
    table = _derivatives(_split(lines[1:], header), exchange, day) if names is _DERIVATIVES \
        else _cash(_split(lines[1:], header), exchange)
    return _sort_out(table, exchange, day, digest)


def _refuse(exchange: str, body: bytes) -> NoReturn:
    raise PayloadError(
        f"the {exchange} master does not have the columns this version knows; keep the file and report it",
        provider=PROVIDER, request=f"{exchange} master", payload=body,
    )


def _lines(exchange: str, body: bytes) -> list[str]:
    if body[:2] == b"PK":
        body = _unzip(exchange, body)
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head or head[:1] == b"<":
        what = "an HTML page" if head else "an empty file"
        raise ProviderFault(f"{what} came instead of the {exchange} master; try again in a few minutes",
                            provider=PROVIDER, request=f"{exchange} master")
    text = body.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines or not lines[0].startswith("Exchange,"):
        _refuse(exchange, body)
    return lines


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


def _split(lines: list[str], header: list[str]) -> pl.DataFrame:
    """Columns by header name, as text; ``verdict`` holds ``finding:field_count`` where the fields do not add up."""
    text = pl.DataFrame({"line": pl.Series(lines, dtype=pl.String)})
    width = len(header)
    commas = pl.col("line").str.count_matches(",", literal=True)
    whole = (commas == width - 1) | ((commas == width) & pl.col("line").str.ends_with(","))
    fields = pl.col("line").str.split_exact(",", width).struct.rename_fields([*header, "_rest"])
    table = text.select(whole.alias("_whole"), fields.alias("_fields")).unnest("_fields").drop("_rest")
    stripped = table.with_columns(pl.col(header).str.strip_chars().fill_null(""))
    return stripped.with_columns(
        pl.when(~pl.col("_whole")).then(pl.lit("finding:field_count")).alias("verdict")
    ).drop("_whole")


def _paise(name: str) -> pl.Expr:
    rupees = pl.col(name).cast(pl.Float64, strict=False)
    return (rupees.clip(-1e9, 1e9) * 100).round().cast(pl.Int64, strict=False)


def _mark(table: pl.DataFrame, *marks: tuple[str, pl.Expr]) -> pl.DataFrame:
    """Give each row without a verdict the first name whose condition holds (null counts as holding)."""
    verdict = pl.col("verdict")
    for name, condition in marks:
        verdict = verdict.fill_null(pl.when(condition.fill_null(value=True)).then(pl.lit(name)))
    return table.with_columns(verdict)


def _common(table: pl.DataFrame, exchange: str) -> pl.DataFrame:
    venue, segment = EXCHANGES[exchange]
    typed = table.with_columns(
        pl.lit(venue).alias("venue"), pl.lit(segment).alias("segment"),
        pl.col("Token").cast(pl.Int64, strict=False).alias("token"),
        pl.col("LotSize").cast(pl.Float64, strict=False).clip(-1e12, 1e12).alias("lot"),
        _paise("TickSize").alias("tick_paise"), pl.col("TradingSymbol").alias("provider_symbol"),
    )
    return _mark(
        typed,
        ("finding:other_exchange", pl.col("Exchange") != exchange),
        ("finding:placeholder", (pl.col("Symbol") == "") | (pl.col("TradingSymbol") == "")),
        ("finding:bad_token", pl.col("token") <= 0),
        ("finding:bad_lot", (pl.col("lot") < 1) | (pl.col("lot") != pl.col("lot").floor()) | pl.col("lot").is_nan()),
    )


def _cash(table: pl.DataFrame, exchange: str) -> pl.DataFrame:
    typed = _common(table, exchange)
    is_index = pl.col("Instrument") == "INDEX"
    squeezed = [pl.col(c).str.to_uppercase().str.replace_all(r"[\s_-]", "") for c in ("TradingSymbol", "Symbol")]
    known = pl.coalesce([s.replace_strict(_INDEX_NAMES, default=None) for s in squeezed])
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
    return _mark(
        named,
        ("exchange_test", pl.col("Symbol").str.contains("NSETEST|BSETEST")),
        ("finding:symbol_disagrees", ~is_index & ~pl.col("TradingSymbol").str.starts_with(pl.col("Symbol"))),
        ("finding:bad_tick", (pl.col("tick_paise") < 0) | (~is_index & (pl.col("tick_paise") == 0))),
    )


def _derivatives(table: pl.DataFrame, exchange: str, day: date) -> pl.DataFrame:
    typed = _common(table, exchange).with_columns(
        pl.col("Expiry").str.to_date("%d-%b-%Y", strict=False).alias("expiry"),
        pl.col("Instrument").replace_strict(_KIND, default=None).alias("kind"),
        pl.col("Instrument").str.ends_with("IDX").alias("is_index"),
    )
    option = pl.col("kind") == "option"
    typed = typed.with_columns(
        pl.when(option).then(_paise("StrikePrice")).alias("strike_paise"),
        pl.when(option).then("OptionType").alias("right"),
    )
    typed = typed.with_columns(_strike_text().alias("_strike"))
    typed = _named_underlying(typed, exchange)
    right = ((option & pl.col("right").is_in(("CE", "PE"))) | (~option & (pl.col("OptionType") == "XX")))
    exact = (pl.col("StrikePrice").cast(pl.Float64, strict=False) * 100 - pl.col("strike_paise")).abs() < 1e-4
    return _with_symbol(_mark(
        typed,
        ("finding:unknown_instrument", pl.col("kind").is_null()),
        ("exchange_test", pl.col("Symbol").str.contains("NSETEST|BSETEST")),
        ("finding:bad_expiry", pl.col("expiry").is_null()),
        ("finding:bad_right", ~right),
        ("finding:bad_strike", option & ~((pl.col("strike_paise") > 0) & exact)),
        ("finding:symbol_disagrees", pl.col("underlying").is_null()),
        ("finding:bad_tick", pl.col("tick_paise") <= 0),
        ("expired", pl.col("expiry") < day - KEEP_EXPIRED),
    ))


def _strike_text() -> pl.Expr:
    """``model.strike_text``, vectorised: 140000 → ``1400``, 31250 → ``312.5``."""
    rupees, paise = pl.col("strike_paise") // 100, pl.col("strike_paise") % 100
    cents = pl.lit(".") + paise.cast(pl.String).str.zfill(2).str.strip_suffix("0")
    return rupees.cast(pl.String) + pl.when(paise == 0).then(pl.lit("")).otherwise(cents)


def _named_underlying(table: pl.DataFrame, exchange: str) -> pl.DataFrame:
    """
    Cut the trading symbol from the right; what is left is the underlying, and null where the columns disagree.

    NFO: ``NAME DDMONYY F|C strike|P strike``, NAME is the Symbol column. BFO: ``NAME YY MON|MDD [strike] CE|PE|FUT``,
    and the Symbol column is a BSE code. Names may end in digits (SENSEX50), so the strike column says where the
    strike starts and the stamp has a fixed width. The stamp is not compared with the expiry, which holidays move.
    """
    name, option = pl.col("TradingSymbol"), pl.col("kind") == "option"
    if exchange == "BFO":
        tail = pl.when(option).then(pl.col("_strike") + pl.col("OptionType")).otherwise(pl.lit("FUT"))
        pattern, width = _BFO_STAMP, 5
    else:
        tail = pl.when(option).then(pl.col("right").str.slice(0, 1) + pl.col("_strike")).otherwise(pl.lit("F"))
        pattern, width = _NFO_STAMP, 7
    stamped = table.with_columns(tail.alias("_tail")).with_columns(
        pl.when(name.str.ends_with(pl.col("_tail")))
        .then(name.str.slice(0, name.str.len_chars() - pl.col("_tail").str.len_chars())).alias("_stamped")
    )
    base = pl.col("_stamped").str.slice(0, pl.col("_stamped").str.len_chars() - width)
    agrees = pl.col("_stamped").str.contains(pattern)
    if exchange != "BFO":
        agrees &= base == pl.col("Symbol")
    return stamped.with_columns(pl.when(agrees).then(base).alias("underlying")).drop("_tail", "_stamped")


def _with_symbol(table: pl.DataFrame) -> pl.DataFrame:
    """``model.contract_symbol``, vectorised."""
    stamp = pl.col("underlying") + pl.col("expiry").dt.strftime("%d%b%y").str.to_uppercase()
    option = stamp + pl.col("right").str.slice(0, 1) + pl.col("_strike")
    return table.with_columns(
        pl.when(pl.col("kind") == "option").then(option).otherwise(stamp + "F").alias("symbol")
    )


def _sort_out(table: pl.DataFrame, exchange: str, day: date, digest: str) -> Master:
    sound = pl.col("verdict").is_null()
    content = [c for c in table.columns if c not in {"verdict", "_strike"}]
    table = table.with_columns(
        (sound & (pl.struct(content).is_first_distinct().not_())).alias("_twin"),
    ).with_columns(pl.when("_twin").then(pl.lit("finding:duplicate_row")).otherwise("verdict").alias("verdict"))
    alive = pl.col("verdict").is_null()
    table = _mark(table, ("finding:token_conflict", alive.sum().over("token") > 1))
    table = _mark(table, ("finding:symbol_repeated", alive & (alive.cum_sum().over("symbol") > 1)))
    listings = table.filter(alive).select(LISTING_COLUMNS).cast(dict(listing_schema()))  # type: ignore[arg-type]
    counts = dict(table.filter(~alive).group_by("verdict", maintain_order=True).len().iter_rows())
    findings = tuple(
        Finding(name.removeprefix("finding:"), count, refused=True)
        for name, count in sorted(counts.items()) if name.startswith("finding:")
    )
    scope = {name: count for name, count in sorted(counts.items()) if not name.startswith("finding:")}
    return Master(PROVIDER, exchange, day, table.height, listings, scope, findings, digest)


def in_scope(masters: list[Master], *, bse_underlyings: tuple[str, ...] = BSE_UNDERLYINGS) -> list[Master]:
    """
    Keep derivatives, the spot of their underlyings, and INDIAVIX; count the rest out of scope.

    Of BSE's derivatives only ``bse_underlyings`` stay. SENSEX and BANKEX spots, which no master lists, are added
    to the BSE master (made if it is not there) when BFO has them; its ``rows`` grows with them. A cash master
    whose derivatives master is missing is left out: its scope cannot be decided, and a master without its spots
    would look as if they had been delisted. An underlying without a spot is a finding of the cash master, count 0.

    Returns:
        New masters, in the order given; the invariant of :class:`Master` holds for each.
    """
    kept = {m.exchange: m for m in masters}
    if "BFO" in kept:
        listed = pl.col("underlying").is_in(bse_underlyings)
        kept["BFO"] = _narrow(kept["BFO"], listed, "bse_underlying_not_captured")
        kept.setdefault("BSE", replace(kept["BFO"], exchange="BSE", rows=0, out_of_scope={}, findings=(),
                                       listings=pl.DataFrame(schema=listing_schema())))
        kept["BSE"] = _with_index_spots(kept["BSE"], set(kept["BFO"].listings["underlying"]))
    for cash, derivatives in (("NSE", "NFO"), ("BSE", "BFO")):
        if cash in kept and derivatives not in kept:
            del kept[cash]
        elif cash in kept:
            kept[cash] = _spots(kept[cash], kept[derivatives])
    return list(kept.values())


def _narrow(master: Master, keep: pl.Expr, name: str) -> Master:
    listings = master.listings.filter(keep)
    dropped = master.listings.height - listings.height
    counts = {**master.out_of_scope, name: master.out_of_scope.get(name, 0) + dropped} if dropped \
        else dict(master.out_of_scope)
    return replace(master, listings=listings, out_of_scope=counts)


def _spots(cash: Master, derivatives: Master) -> Master:
    wanted = set(derivatives.listings["underlying"])
    spots = _narrow(cash, pl.col("underlying").is_in([*sorted(wanted), "INDIAVIX"]), "no_derivatives")
    missing = sorted(wanted - set(spots.listings["underlying"]))
    if not missing:
        return spots
    return replace(spots, findings=(*spots.findings, Finding("underlying_without_spot", 0, " ".join(missing))))


def _with_index_spots(bse: Master, underlyings: set[str]) -> Master:
    present = set(bse.listings["token"])
    rows = [
        ("BSE", "CM", token, name, name, "spot", None, None, None, 1, 0, name, True)
        for name, token in BSE_INDEX_TOKENS.items() if name in underlyings and token not in present
    ]
    added = pl.DataFrame(rows, schema=dict(listing_schema()), orient="row")
    return replace(bse, rows=bse.rows + len(rows), listings=pl.concat([bse.listings, added]))
