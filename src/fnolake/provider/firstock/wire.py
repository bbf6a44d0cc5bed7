"""
Firstock's REST bodies, both ways: values to bytes and bytes to columns. Pure: no socket, no clock.

Judging rows is not done here; they come out as sent. Invariant: an answer becomes rows, the provider's own "nothing"
(None), or an error of the tree, chosen by the body first and the HTTP status second.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from fnolake.errors import PayloadError, ProviderError
from fnolake.model import IST, RawBars
from fnolake.provider import columns
from fnolake.provider.columns import EPOCHS, IST_OFFSET_S, count, price
from fnolake.provider.firstock.refusal import PROVIDER, from_object, is_no_data, not_json

INTERVALS: Final = MappingProxyType({**{n: f"{n}mi" for n in (1, 2, 3, 5, 10, 15, 30, 60, 120, 240)}, 1440: "1d"})
"""Minutes → the provider's word. 1, 2, 5 minutes and the day are documented; the others are in use (OpenAlgo, 2026-08)."""

_PRICES = ("open", "high", "low", "close")
_COUNTS = ("volume", "oi")
_NUMBERS = frozenset({"epochTime", *_PRICES, *_COUNTS})
_CLOCK = r"(?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d))?"
_WALLS = (
    re.compile(rf"(?P<y>\d{{4}})-(?P<m>\d\d)-(?P<d>\d\d)(?:T|\s+T?){_CLOCK}"),
    re.compile(rf"{_CLOCK}\s+(?P<d>\d\d)-(?P<m>\d\d)-(?P<y>\d{{4}})"),
)


def encode_request(values: Mapping[str, object]) -> bytes:
    """A request body: compact JSON. Values are sent as they are; the SDKs send texts."""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def wall(instant: datetime) -> str:
    """
    An aware instant as the provider's ``HH:MM:SS DD-MM-YYYY`` in IST.

    Every example and every program in use sends this order; the words of the table in the documents say the other one
    (firstock.in/api/docs, "Time Price Regular Interval", read 2026-11-20).
    """
    return instant.astimezone(IST).strftime("%H:%M:%S %d-%m-%Y")


def series_fields(exchange: str, symbol: str, span: tuple[datetime, datetime], interval: int = 1) -> dict[str, str]:
    """
    Fields of a timePriceSeries request for bars that start in the half-open ``span`` of aware instants.

    Whether the provider takes its ends in is not documented, so one minute more is asked on both sides; see :func:`cut`.

    Raises:
        ValueError: An empty symbol, an interval that is not served, or a start that is not before its end.
    """
    start, end = span
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise ValueError("a span runs between two aware instants, the earlier first")
    if not exchange.strip() or not symbol.strip():
        raise ValueError("a series needs an exchange and a trading symbol; both must not be empty")
    if interval not in INTERVALS:
        raise ValueError(f"{interval!r} minutes is no interval of Firstock: it has {', '.join(map(str, INTERVALS))}")
    return {
        "exchange": exchange, "tradingSymbol": symbol, "startTime": wall(start - timedelta(minutes=1)), "endTime": wall(end),
        "interval": INTERVALS[interval],
    }


def decode_any(body: bytes, *, status: int = 200, request: str = "", login: bool = False) -> Any:  # noqa: ANN401 — JSON
    """JSON as it is; the error for a plain text, HTML, an empty body or cut bytes."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise not_json(body, status=status, request=request, login=login) from exc


def decode_envelope(body: bytes, *, status: int = 200, request: str = "", login: bool = False) -> dict[str, Any]:
    """
    An envelope that says success.

    Raises:
        ProviderError: The refusal, classed by its name, text and status; PayloadError for a body that is no object.
    """
    answer = decode_any(body, status=status, request=request, login=login)
    if not isinstance(answer, dict):
        raise _no_envelope(body, status, request)
    if not _is_success(answer, status):
        raise from_object(answer, status=status, request=request, login=login)
    return answer


def decode_series(body: bytes, *, status: int = 200, request: str = "") -> RawBars | None:
    """
    Bars as sent; None where the provider says that it has none.

    Nothing is ``[]``, null, a success without ``data``, or a failure that says so (see ``refusal.is_no_data``). Prices are
    rupees. A row needs a readable stamp (``epochTime``, else ``time`` in IST) or it is counted in ``undecoded``; a price
    that is missing or no number is NaN, open interest -1, and so is volume, which normalize refuses. ``epochTime`` wins
    over ``time``; where they disagree ``wall_mismatch`` says so. ``vwap`` and ``cumulative`` are not sent: NaN and -1.

    Raises:
        ProviderError: SignInLost, AddressNotAllowed, RateLimited, SpanTimeout, ProviderFault (HTML, empty), UnknownSymbol,
            PayloadError (does not decode, or another form).
    """
    bars = _regular(body) if status < 400 else None
    if bars is not None:
        return bars
    answer = decode_any(body, status=status, request=request)
    if not isinstance(answer, dict):
        raise _no_envelope(body, status, request)
    if not _is_success(answer, status):
        if is_no_data(answer, status):
            return None
        raise from_object(answer, status=status, request=request)
    data = answer.get("data")
    if data is None or data == []:
        return None
    if not isinstance(data, list):
        raise PayloadError("Firstock's series is not a list; the bytes are kept", provider=PROVIDER, request=request,
                           payload=body)
    return _odd(data)


def cut(bars: RawBars, span: tuple[datetime, datetime], interval: int = 1) -> RawBars | None:
    """
    The rows without those that were only asked for to be sure of the ends: one interval before the span and after it.

    Rows further away are left, since nobody asked for them and normalize names them. None where nothing else came.
    """
    start, end = (int(instant.timestamp()) for instant in span)
    stamps, margin = bars.epoch_s, interval * 60
    extra = ((stamps >= start - margin) & (stamps < start)) | ((stamps >= end) & (stamps < end + margin))
    if not extra.any():
        return bars
    if bool(extra.all()) and not bars.undecoded:
        return None
    kept = {one.name: getattr(bars, one.name)[~extra] for one in fields(bars) if one.name != "undecoded"}
    return RawBars(**kept, undecoded=bars.undecoded)


def _is_success(answer: Mapping[str, object], status: int) -> bool:
    """Older generations wrote ``Success``; a success under a failing HTTP status is none."""
    said = answer.get("status")
    return status < 400 and isinstance(said, str) and said.lower() == "success"


def _no_envelope(body: bytes, status: int, request: str) -> ProviderError:
    if status >= 400:
        return not_json(body, status=status, request=request)
    return PayloadError("Firstock's answer is not an object; the bytes are kept", provider=PROVIDER, request=request,
                        payload=body)


def _regular(body: bytes) -> RawBars | None:
    """The fast way; None where anything is odd, so that the row-by-row way counts what cannot be read."""
    body = body.rstrip()
    at = body.find(b'"data":[{')
    rows = columns.split_rows(body[at + 7:-1]) if at > 0 and body.endswith(b"}]}") else None
    if rows is None or not rows.bare <= _NUMBERS <= rows.keys.keys() or "time" not in rows.keys or not _opens(body[:at]):
        return None
    epochs = columns.integers(rows, ["epochTime"])
    prices, counts = columns.amounts(rows, list(_PRICES)), columns.integers(rows, list(_COUNTS))
    if epochs is None or prices is None or counts is None or not columns.are_stamps(epochs):
        return None
    mismatch = columns.differs_from_wall(rows, "time", epochs[0] + IST_OFFSET_S, iso=True)
    if mismatch is None or bool(mismatch.any()):
        return None
    return _bars(epochs[0], prices, counts, mismatch)


def _opens(head: bytes) -> bool:
    """Whether what stands before ``"data"`` is the beginning of an object that says success."""
    try:
        answer = msgspec.json.decode(head + b'"data":[]}')
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("data") == [] and _is_success(answer, 200)


def _odd(rows: list[Any]) -> RawBars:
    """Row by row: numbers or texts, missing or null fields, rows that are no rows."""
    stamped = [(row, *stamp) for row in rows if (stamp := _stamp(row)) is not None]
    epoch = np.array([epoch for _, epoch, _ in stamped], np.int64)
    prices = np.array([[price(row.get(k)) for row, _, _ in stamped] for k in _PRICES], np.float64)
    counts = np.array([[count(row.get(k)) for row, _, _ in stamped] for k in _COUNTS], np.int64)
    mismatch = np.array([differs for _, _, differs in stamped], np.bool_)
    return _bars(epoch, prices, counts, mismatch, len(rows) - len(stamped))


def _bars(
    epoch: NDArray[np.int64], prices: NDArray[np.float64], counts: NDArray[np.int64], mismatch: NDArray[np.bool_],
    undecoded: int = 0,
) -> RawBars:
    """Columns in the order of ``_PRICES`` and ``_COUNTS``, with what the provider does not send as absent."""
    absent, unsaid = np.full(epoch.size, np.nan), np.full(epoch.size, -1, np.int64)
    return RawBars(epoch, prices[0], prices[1], prices[2], prices[3], counts[0], counts[1], absent, unsaid, mismatch, undecoded)


def _stamp(row: object) -> tuple[int, bool] | None:
    """The row's epoch and whether its wall clock disagrees; None for a row without a readable stamp."""
    if not isinstance(row, dict):
        return None
    text = row.get("time")
    told = _wall_epoch(text) if isinstance(text, str) else None
    stated = count(row.get("epochTime"))
    epoch = stated if stated >= 0 else told
    if epoch is None or not EPOCHS[0] <= epoch <= EPOCHS[1]:
        return None
    return epoch, isinstance(text, str) and told != epoch


@functools.lru_cache(maxsize=4096)
def _wall_epoch(text: str) -> int | None:
    """UTC seconds of a wall clock text in IST: ISO for minutes, three known shapes for days; None for any other."""
    for form in _WALLS:
        found = form.fullmatch(text.strip()) if text.isascii() else None
        if found is not None:
            y, m, d, hours, minutes, seconds = (int(found[part] or 0) for part in "ymdHMS")
            try:
                return int(datetime(y, m, d, hours, minutes, seconds, tzinfo=UTC).timestamp()) - IST_OFFSET_S
            except ValueError:
                return None
    return None
