"""
Shoonya's REST bodies, both ways: values to bytes and bytes to columns. Pure: no socket, no clock.

Judging rows is not done here; they come out as sent, newest first. Invariant: an answer becomes rows, the provider's
own "nothing" (None), or an error of the tree, chosen by the body and not by the HTTP status.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fnolake.model import RawBars
from fnolake.provider import columns
from fnolake.provider.columns import EPOCHS, IST_OFFSET_S, count, price
from fnolake.provider.shoonya.refusal import from_object, is_no_data, not_json, wrong_form

_PRICES = ("into", "inth", "intl", "intc", "intvwap")
_COUNTS = ("intv", "oi", "v")
_DAY_FORMS = ("%d-%m-%Y", "%Y-%m-%d", "%d/%m/%Y", "%d-%b-%Y")


def encode_request(fields: Mapping[str, str | int | float], *, session_key: str = "") -> bytes:
    """
    A request body: ``jData=<json>``, with ``&jKey=<key>`` for the legacy generation.

    The server splits the raw body on ``&`` before it reads the JSON, so an ampersand in a value (M&M-EQ) goes out as
    a JSON escape. Values are sent as strings.
    """
    text = json.dumps({k: str(v) for k, v in fields.items()}, separators=(",", ":")).replace("&", "\\u0026")
    return f"jData={text}&jKey={session_key}".encode() if session_key else f"jData={text}".encode()


def tpseries_fields(uid: str, exchange: str, token: int, span: tuple[datetime, datetime], interval: int = 1
                    ) -> dict[str, str]:
    """
    Fields of a TPSeries request for bars that start in the half-open ``span`` of aware instants.

    Whether the provider's ``et`` is inclusive is not known, so it is sent one second short of ``end``.
    """
    start, end = span
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise ValueError("a span runs between two aware instants, the earlier first")
    last = end - timedelta(seconds=1)
    return {
        "ordersource": "API", "uid": uid, "exch": exchange, "token": str(token),
        "st": f"{start.timestamp():.1f}", "et": f"{last.timestamp():.1f}", "intrv": str(interval),
    }


def decode_object(body: bytes, *, status: int = 200, request: str = "", login: bool = False) -> dict[str, Any]:
    """
    An object that says ``stat`` Ok (or says no ``stat`` and no ``emsg``).

    Raises:
        ProviderError: The refusal, classed by its text; PayloadError for a body that is no object.
    """
    answer = decode_any(body, status=status, request=request)
    if isinstance(answer, dict) and (answer.get("stat") == "Ok" or not {"stat", "emsg"} & answer.keys()):
        return answer
    if isinstance(answer, dict):
        raise from_object(answer, status=status, request=request, login=login)
    raise wrong_form(body, "an object", status=status, request=request)


def decode_any(body: bytes, *, status: int = 200, request: str = "") -> Any:  # noqa: ANN401 — JSON is anything
    """JSON as it is; the error for HTML, an empty body or cut bytes."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise not_json(body, status=status, request=request) from exc


def decode_tpseries(body: bytes, *, status: int = 200, request: str = "") -> RawBars | None:
    """
    Bars as sent, newest first; None where the provider says that it has none.

    Prices are rupees. A row needs a readable stamp (``ssboe``, else the wall clock ``time`` in IST) or it is counted
    in ``undecoded``; a price that is missing or no number is NaN, open interest and cumulative volume -1, and so is
    volume, which normalize refuses. ``ssboe`` wins over ``time``; where they disagree ``wall_mismatch`` says so.

    Raises:
        ProviderError: By the body: SignInLost, SpanTimeout, RateLimited, AddressNotAllowed, ProviderFault (HTML,
            empty), PayloadError (does not decode).
    """
    rows = columns.split_rows(body)
    if rows is not None and not rows.bare:
        bars = _regular(rows)
        if bars is not None:
            return bars
    answer = decode_any(body, status=status, request=request)
    if isinstance(answer, dict):
        if is_no_data(answer.get("emsg")):
            return None
        if answer.get("stat") == "Ok":
            raise wrong_form(body, "a list", status=status, request=request)
        raise from_object(answer, status=status, request=request)
    if not isinstance(answer, list):
        raise wrong_form(body, "a list", status=status, request=request)
    return _odd(answer) if answer else None


def _regular(rows: columns.Rows) -> RawBars | None:
    """The fast way; None where a stamp is odd, so that the row-by-row way counts what cannot be read."""
    epochs = columns.integers(rows, ["ssboe"]) if {"ssboe", "time"} <= rows.keys.keys() else None
    if epochs is None or not columns.are_stamps(epochs) or not _all_ok(rows):
        return None
    mismatch = columns.differs_from_wall(rows, "time", epochs[0] + IST_OFFSET_S)
    if mismatch is None or bool(mismatch.any()):
        return None
    into, inth, intl, intc, intvwap = _prices(rows)
    volume, oi, cumulative = _counts(rows)
    return RawBars(epochs[0], into, inth, intl, intc, volume, oi, intvwap, cumulative, mismatch)


def _all_ok(rows: columns.Rows) -> bool:
    if "stat" not in rows.keys:
        return True
    said = rows.words[rows.starts[rows.keys["stat"]]] & np.uint64(0xFF_FFFF)
    return bool((said == np.uint64(int.from_bytes(b'Ok"', "little"))).all())


def _prices(rows: columns.Rows) -> list[NDArray[np.float64]]:
    if rows.keys.keys() >= set(_PRICES):
        table = columns.rupees(rows, list(_PRICES))
        if table is not None:
            return list(table)
    found = {key: rows.text(key) if key in rows.keys else [""] * len(rows) for key in _PRICES}
    return [np.array([price(text) for text in texts], np.float64) for texts in found.values()]


def _counts(rows: columns.Rows) -> list[NDArray[np.int64]]:
    if rows.keys.keys() >= set(_COUNTS):
        table = columns.integers(rows, list(_COUNTS))
        if table is not None:
            return list(table)
    found = {key: rows.text(key) if key in rows.keys else [""] * len(rows) for key in _COUNTS}
    return [np.array([count(text) for text in texts], np.int64) for texts in found.values()]


def _odd(answer: list[Any]) -> RawBars:
    """Row by row: numbers or strings, missing or null fields, rows that are no rows."""
    stamped = [(row, *stamp) for row in answer if (stamp := _stamp(row)) is not None]
    epoch = np.array([epoch for _, epoch, _ in stamped], np.int64)
    prices = {k: np.array([price(row.get(k)) for row, _, _ in stamped], np.float64) for k in _PRICES}
    counts = {k: np.array([count(row.get(k)) for row, _, _ in stamped], np.int64) for k in _COUNTS}
    mismatch = np.array([differs for _, _, differs in stamped], np.bool_)
    return RawBars(epoch, prices["into"], prices["inth"], prices["intl"], prices["intc"], counts["intv"],
                   counts["oi"], prices["intvwap"], counts["v"], mismatch, len(answer) - len(stamped))


def _stamp(row: object) -> tuple[int, bool] | None:
    """The row's epoch and whether its wall clock disagrees; None for a row without a readable stamp."""
    if not isinstance(row, dict) or row.get("stat", "Ok") not in ("Ok", None):
        return None
    text = row.get("time")
    wall = _wall(text) if isinstance(text, str) else None
    stated = count(row.get("ssboe"))
    epoch = stated if stated >= 0 else wall
    if epoch is None or not EPOCHS[0] <= epoch <= EPOCHS[1]:
        return None
    return epoch, isinstance(text, str) and wall != epoch


def _wall(text: str) -> int | None:
    """UTC seconds of a wall clock text in IST, to the second; None for a form that nobody has met."""
    day, _, clock = text.strip().partition(" ")
    midnight = _midnight(day) if day.isascii() else None
    parts = clock.split(":")
    if midnight is None or len(parts) not in {2, 3} or not all(p.isascii() and p.isdigit() and len(p) <= 2 for p in parts):
        return None
    hours, minutes, seconds = *map(int, parts[:2]), int(parts[2]) if parts[2:] else 0
    return midnight + hours * 3600 + minutes * 60 + seconds if hours < 24 and max(minutes, seconds) < 60 else None


@functools.lru_cache(maxsize=1024)
def _midnight(day: str) -> int | None:
    for form in _DAY_FORMS:
        with contextlib.suppress(ValueError):
            return int(datetime.strptime(day, form).replace(tzinfo=UTC).timestamp()) - IST_OFFSET_S
    return None
