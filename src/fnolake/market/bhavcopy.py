"""
The exchange's end-of-day files in one shape: UDiFF, F&O and cash, NSE and BSE. Bytes in, tables out; no network.

Units differ by venue (NSE counts F&O volume in lots, BSE in units; open interest is in units everywhere: market facts
section 6c, proven on rows of 2024 to 2026), so every file is tested on its own traded value before it is believed.
Invariant: ``volume`` and ``oi`` that leave here are units.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from fnolake.errors import PayloadError
from fnolake.model.verdict import Finding

if TYPE_CHECKING:
    import polars as pl

LIMIT_BYTES = 256 << 20
UNIT_BAND = (0.8, 1.25)
"""Median of traded value over volume times price: inside, the unit is the one we expect."""
_KINDS = {"STF": "future", "STO": "option", "IDF": "future", "IDO": "option", "STK": "spot"}
_PRICES = {
    "OpnPric": "open_paise", "HghPric": "high_paise", "LwPric": "low_paise", "ClsPric": "close_paise", "LastPric": "last_paise",
    "SttlmPric": "settle_paise",
}
_NEEDED = (
    "TradDt", "Sgmt", "Src", "FinInstrmTp", "FinInstrmId", "TckrSymb", "SctySrs", "XpryDt", "StrkPric", "OptnTp", "FinInstrmNm",
    *_PRICES, "OpnIntrst", "ChngInOpnIntrst", "TtlTradgVol", "TtlTrfVal", "TtlNbOfTxsExctd", "NewBrdLotQty",
)


@dataclass(frozen=True, slots=True)
class ExchangeDay:
    """
    One end-of-day file.

    ``rows``, unique by ``token``: venue, segment, token int64, underlying, kind (spot, future, option), expiry date,
    strike_paise int64, right, series, open_paise high_paise low_paise close_paise last_paise settle_paise int64, volume
    int64 (units), oi int64 (units), oi_change int64, value_rupees float64, trades int64, lot int64, name.
    """

    day: date
    venue: str
    segment: str
    rows: pl.DataFrame
    findings: tuple[Finding, ...] = ()


def read_fo(body: bytes) -> ExchangeDay:
    """
    A derivatives file: zip, gzip or plain CSV, LF or CRLF.

    Raises:
        PayloadError: Not such a file (a web page, other columns), or its volume is in a unit that we do not expect.
    """
    return _read(body, "FO")


def read_cm(body: bytes) -> ExchangeDay:
    """A cash file; lists only what traded. Errors as for :func:`read_fo`."""
    return _read(body, "CM")


def unpack(body: bytes) -> bytes:
    """
    The CSV inside a zip or gzip, or the bytes themselves.

    Raises:
        PayloadError: A damaged archive, or one that unpacks to more than 256 MB.
    """
    try:
        if body[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(body)) as archive, archive.open(archive.infolist()[0]) as member:
                content = member.read(LIMIT_BYTES + 1)
        elif body[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(body)) as member:
                content = member.read(LIMIT_BYTES + 1)
        else:
            return body
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, IndexError, NotImplementedError, RuntimeError) as error:
        raise PayloadError("the exchange's file is a damaged archive; take it again", payload=body) from error
    if len(content) > LIMIT_BYTES:
        raise PayloadError("the exchange's file unpacks to more than 256 MB; it was dropped", payload=body)
    return content


def _read(body: bytes, segment: str) -> ExchangeDay:
    import polars as pl

    text = unpack(body).lstrip(b"\xef\xbb\xbf \r\n")
    if text[:1] == b"<":
        raise PayloadError("a web page instead of the exchange's file: it is not there, or the address is wrong", payload=text)
    try:
        raw = pl.read_csv(text, infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.PolarsError as error:
        raise PayloadError("the exchange's file is no CSV", payload=text) from error
    raw = raw.rename({name: name.strip() for name in raw.columns})
    missing = [name for name in _NEEDED if name not in raw.columns]
    if missing:
        raise PayloadError(f"not a UDiFF bhavcopy: no column {missing[0]}", payload=text)
    raw = raw.select(pl.col(_NEEDED).str.strip_chars().replace("", None))
    day, venue = _identity(raw, segment, text)
    rows, findings = _rows(raw, venue, segment)
    return ExchangeDay(day, venue, segment, _in_units(rows, venue, segment, text), tuple(findings))


def _identity(raw: pl.DataFrame, segment: str, text: bytes) -> tuple[date, str]:
    """The one date, venue and segment of a file."""
    keys = raw.select("TradDt", "Src", "Sgmt").unique()
    if keys.height != 1:
        raise PayloadError(f"one date and venue expected, found {keys.height}", payload=text)
    stamp, venue, found = keys.row(0)
    if found != segment or venue not in {"NSE", "BSE"}:
        raise PayloadError(f"a {segment} file of NSE or BSE expected, this is {venue} {found}", payload=text)
    try:
        return date.fromisoformat(stamp), venue
    except (TypeError, ValueError) as error:
        raise PayloadError(f"{stamp!r} is no trading date", payload=text) from error


def _rows(raw: pl.DataFrame, venue: str, segment: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Typed rows with volume as the file has it; rows that cannot be read become findings."""
    import polars as pl

    def paise(name: str) -> pl.Expr:
        return (pl.col(name).cast(pl.Float64, strict=False) * 100).round(0).cast(pl.Int64, strict=False)

    def whole(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)

    right = pl.col("OptnTp").replace({"XX": None})
    strike = pl.when(right.is_in(["CE", "PE"])).then(paise("StrkPric"))
    table = raw.select(
        venue=pl.lit(venue), segment=pl.lit(segment), token=whole("FinInstrmId"), underlying="TckrSymb",
        kind=pl.col("FinInstrmTp").replace_strict(_KINDS, default=None), expiry=pl.col("XpryDt").str.to_date(strict=False),
        strike_paise=strike, right=right, series="SctySrs", **{ours: paise(theirs) for theirs, ours in _PRICES.items()},
        volume=whole("TtlTradgVol"), oi=whole("OpnIntrst"), oi_change=whole("ChngInOpnIntrst"),
        value_rupees=pl.col("TtlTrfVal").cast(pl.Float64, strict=False), trades=whole("TtlNbOfTxsExctd"), lot=whole("NewBrdLotQty"),
        name="FinInstrmNm",
    )
    readable = pl.col("token").is_not_null() & pl.col("volume").is_not_null() & (pl.col("volume") >= 0) & pl.col("kind").is_not_null()
    kept = table.filter(readable)
    findings = []
    if kept.height < table.height:
        findings.append(Finding("unreadable_row", table.height - kept.height, refused=True))
    unique = kept.sort("volume", descending=True, maintain_order=True).unique("token", keep="first", maintain_order=True)
    if unique.height < kept.height:
        findings.append(Finding("duplicate_token", kept.height - unique.height, "the row with most volume is kept", refused=True))
    return unique.sort("token"), findings


def _in_units(rows: pl.DataFrame, venue: str, segment: str, text: bytes) -> pl.DataFrame:
    """
    The rows with volume in units, after the self-test on traded value.

    Raises:
        PayloadError: The traded value says that the unit is another one.
    """
    import polars as pl

    in_lots = segment == "FO" and venue == "NSE"
    unit = pl.col("lot") if in_lots else pl.lit(1)
    price = (pl.col("high_paise") + pl.col("low_paise")) / 200 + pl.col("strike_paise").fill_null(0) / 100
    proof = rows.filter(
        (pl.col("volume") > 0) & (price > 0) & (pl.col("value_rupees") > 0) & ((pl.col("lot") > 1) if segment == "FO" else pl.lit(value=True))
    ).select(ratio=pl.col("value_rupees") / (pl.col("volume") * unit * price))
    ratio = proof["ratio"].median()
    if isinstance(ratio, float) and not UNIT_BAND[0] <= ratio <= UNIT_BAND[1]:
        raise PayloadError(
            f"{venue} {segment}: traded value is {ratio:.3g} times volume times price, so volume is not in {'lots' if in_lots else 'units'} "
            "any more; nothing of this file was taken: report it", payload=text,
        )
    return rows.with_columns(volume=(pl.col("volume") * unit).cast(pl.Int64))
