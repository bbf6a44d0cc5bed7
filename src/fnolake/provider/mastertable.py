"""
Master files of brokers: lines to typed columns, verdicts row by row, and the accounting at the end. Pure, vectorised.

Column names are the brokers' common ones (``Token``, ``LotSize``, ``TickSize``, ``StrikePrice``…). Invariant: every
row keeps one place in the table, and :func:`sort_out` makes it a listing, counted out of scope by name, or a finding.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import NoReturn

import polars as pl

from fnolake.errors import PayloadError, ProviderFault
from fnolake.model import LISTING_COLUMNS, Finding, Master, listing_schema
from fnolake.provider.scope import EXCHANGES

KIND = {"FUTIDX": "future", "FUTSTK": "future", "OPTIDX": "option", "OPTSTK": "option"}
"""Instrument word of the brokers → kind."""
MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
GRAMMAR_STAMP = rf"^.+\d{{2}}(?:{MONTHS})\d{{2}}$"
"""A derivative's name in the brokers' common grammar without its tail; the last seven letters are the stamp."""
GRAMMAR_TAIL = (
    pl.when(pl.col("kind") == "option").then(pl.col("right").str.slice(0, 1) + pl.col("_strike")).otherwise(pl.lit("F"))
)
"""What stands after the stamp: ``F``, ``C1400``, ``P312.5``."""
KEEP_EXPIRED = timedelta(days=7)
"""A master fetched before the morning refresh still lists what expired last session, and that can still be captured."""


def refuse(provider: str, exchange: str, body: bytes) -> NoReturn:
    """Raise PayloadError: the file is no master of that exchange; its beginning is kept."""
    raise PayloadError(
        f"the {exchange} master does not have the columns this version knows; keep the file and report it",
        provider=provider, request=f"{exchange} master", payload=body,
    )


def lines(provider: str, exchange: str, body: bytes) -> list[str]:
    """
    The lines of a master that are not blank, header first, without byte order mark.

    Raises:
        ProviderFault: Empty or an HTML page: ask again later.
        PayloadError: The first line is no header.
    """
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head or head[:1] == b"<":
        what = "an HTML page" if head else "an empty file"
        raise ProviderFault(f"{what} came instead of the {exchange} master; try again in a few minutes",
                            provider=provider, request=f"{exchange} master")
    text = body.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    found = [line for line in text.split("\n") if line.strip()]
    if not found or not found[0].startswith("Exchange,"):
        refuse(provider, exchange, body)
    return found


def unquoted(rows: list[str]) -> list[str]:
    """The same lines without quotes: a comma inside a quoted field (a company's name) becomes a blank."""
    return [
        ",".join(field.replace(",", " ") for field in next(csv.reader([row]), [])) if '"' in row else row for row in rows
    ]


def split(rows: list[str], header: list[str]) -> pl.DataFrame:
    """Columns by header name, as text; ``verdict`` holds ``finding:field_count`` where the fields do not add up."""
    text = pl.DataFrame({"line": pl.Series(rows, dtype=pl.String)})
    width = len(header)
    commas = pl.col("line").str.count_matches(",", literal=True)
    whole = (commas == width - 1) | ((commas == width) & pl.col("line").str.ends_with(","))
    fields = pl.col("line").str.split_exact(",", width).struct.rename_fields([*header, "_rest"])
    table = text.select(whole.alias("_whole"), fields.alias("_fields")).unnest("_fields").drop("_rest")
    stripped = table.with_columns(pl.col(header).str.strip_chars().fill_null(""))
    return stripped.with_columns(
        pl.when(~pl.col("_whole")).then(pl.lit("finding:field_count")).alias("verdict")
    ).drop("_whole")


def paise(name: str) -> pl.Expr:
    """A column of rupees as whole paise, rounded."""
    rupees = pl.col(name).cast(pl.Float64, strict=False)
    return (rupees.clip(-1e9, 1e9) * 100).round().cast(pl.Int64, strict=False)


def mark(table: pl.DataFrame, *marks: tuple[str, pl.Expr]) -> pl.DataFrame:
    """Give each row without a verdict the first name whose condition holds (null counts as holding)."""
    verdict = pl.col("verdict")
    for name, condition in marks:
        verdict = verdict.fill_null(pl.when(condition.fill_null(value=True)).then(pl.lit(name)))
    return table.with_columns(verdict)


def common(table: pl.DataFrame, exchange: str, placeholder: pl.Expr) -> pl.DataFrame:
    """Typed columns that every master has; rows without a name, token or lot become findings."""
    venue, segment = EXCHANGES[exchange]
    typed = table.with_columns(
        pl.lit(venue).alias("venue"), pl.lit(segment).alias("segment"),
        pl.col("Token").cast(pl.Int64, strict=False).alias("token"),
        pl.col("LotSize").cast(pl.Float64, strict=False).clip(-1e12, 1e12).alias("lot"),
        paise("TickSize").alias("tick_paise"), pl.col("TradingSymbol").alias("provider_symbol"),
    )
    return mark(
        typed,
        ("finding:other_exchange", pl.col("Exchange") != exchange),
        ("finding:placeholder", placeholder),
        ("finding:bad_token", pl.col("token") <= 0),
        ("finding:bad_lot", (pl.col("lot") < 1) | (pl.col("lot") != pl.col("lot").floor()) | pl.col("lot").is_nan()),
    )


def strike_text() -> pl.Expr:
    """``model.strike_text``, vectorised: 140000 → ``1400``, 31250 → ``312.5``."""
    rupees, rest = pl.col("strike_paise") // 100, pl.col("strike_paise") % 100
    cents = pl.lit(".") + rest.cast(pl.String).str.zfill(2).str.strip_suffix("0")
    return rupees.cast(pl.String) + pl.when(rest == 0).then(pl.lit("")).otherwise(cents)


def typed_derivatives(table: pl.DataFrame, exchange: str, placeholder: pl.Expr) -> pl.DataFrame:
    """:func:`common` and the columns of a derivative; ``_strike`` is the strike as text."""
    typed = common(table, exchange, placeholder).with_columns(
        pl.col("Expiry").str.to_date("%d-%b-%Y", strict=False).alias("expiry"),
        pl.col("Instrument").replace_strict(KIND, default=None).alias("kind"),
        pl.col("Instrument").str.ends_with("IDX").alias("is_index"),
    )
    option = pl.col("kind") == "option"
    typed = typed.with_columns(
        pl.when(option).then(paise("StrikePrice")).alias("strike_paise"),
        pl.when(option).then("OptionType").alias("right"),
    )
    return typed.with_columns(strike_text().alias("_strike"))


def with_base(table: pl.DataFrame, tail: pl.Expr, pattern: str, width: int) -> pl.DataFrame:
    """
    Cut the trading symbol from the right: what is left is ``_base``, null where the columns disagree with the name.

    Args:
        table: As :func:`typed_derivatives` makes it.
        tail: What the name must end with.
        pattern: What the rest must look like; its last ``width`` letters are a stamp of the expiry, which is not
            compared, since holidays move the expiry.
        width: Letters of the stamp.
    """
    name = pl.col("TradingSymbol")
    cut = table.with_columns(tail.alias("_tail")).with_columns(
        pl.when(name.str.ends_with(pl.col("_tail")))
        .then(name.str.slice(0, name.str.len_chars() - pl.col("_tail").str.len_chars())).alias("_stamped")
    )
    base = pl.col("_stamped").str.slice(0, pl.col("_stamped").str.len_chars() - width)
    return cut.with_columns(pl.when(pl.col("_stamped").str.contains(pattern)).then(base).alias("_base")).drop("_tail", "_stamped")


def judged_derivatives(table: pl.DataFrame, day: date, future_words: tuple[str, ...]) -> pl.DataFrame:
    """Our symbols, and verdicts on rows that are no derivative; futures have one of ``future_words`` as option type."""
    option = pl.col("kind") == "option"
    right = (option & pl.col("right").is_in(("CE", "PE"))) | (~option & pl.col("OptionType").is_in(future_words))
    exact = (pl.col("StrikePrice").cast(pl.Float64, strict=False) * 100 - pl.col("strike_paise")).abs() < 1e-4
    return with_symbol(mark(
        table,
        ("finding:unknown_instrument", pl.col("kind").is_null()),
        ("exchange_test", pl.col("Symbol").str.contains("NSETEST|BSETEST")),
        ("finding:bad_expiry", pl.col("expiry").is_null()),
        ("finding:bad_right", ~right),
        ("finding:bad_strike", option & ~((pl.col("strike_paise") > 0) & exact)),
        ("finding:symbol_disagrees", pl.col("underlying").is_null()),
        ("finding:bad_tick", pl.col("tick_paise") <= 0),
        ("expired", pl.col("expiry") < day - KEEP_EXPIRED),
    ))


def with_symbol(table: pl.DataFrame) -> pl.DataFrame:
    """``model.contract_symbol``, vectorised."""
    stamp = pl.col("underlying") + pl.col("expiry").dt.strftime("%d%b%y").str.to_uppercase()
    option = stamp + pl.col("right").str.slice(0, 1) + pl.col("_strike")
    return table.with_columns(
        pl.when(pl.col("kind") == "option").then(option).otherwise(stamp + "F").alias("symbol")
    )


def sort_out(table: pl.DataFrame, provider: str, exchange: str, day: date, digest: str) -> Master:
    """Rows without a verdict as listings, unique by token and by symbol; the others counted by their verdict."""
    sound = pl.col("verdict").is_null()
    content = [c for c in table.columns if c != "verdict" and not c.startswith("_")]
    table = table.with_columns(
        (sound & (pl.struct(content).is_first_distinct().not_())).alias("_twin"),
    ).with_columns(pl.when("_twin").then(pl.lit("finding:duplicate_row")).otherwise("verdict").alias("verdict"))
    alive = pl.col("verdict").is_null()
    table = mark(table, ("finding:token_conflict", alive.sum().over("token") > 1))
    table = mark(table, ("finding:symbol_repeated", alive & (alive.cum_sum().over("symbol") > 1)))
    listings = table.filter(alive).select(LISTING_COLUMNS).cast(dict(listing_schema()))  # type: ignore[arg-type]
    counts = dict(table.filter(~alive).group_by("verdict", maintain_order=True).len().iter_rows())
    findings = tuple(
        Finding(name.removeprefix("finding:"), count, refused=True)
        for name, count in sorted(counts.items()) if name.startswith("finding:")
    )
    scope = {name: count for name, count in sorted(counts.items()) if not name.startswith("finding:")}
    return Master(provider, exchange, day, table.height, listings, scope, findings, digest)
