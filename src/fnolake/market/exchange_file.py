"""
Any file of the exchanges, recognised by its content: end-of-day files of every format, and the reference files.

Invariant: a file is read as what it says it is, or refused with a sentence that says why; its name only lends a date to a
file that states none.
"""

from __future__ import annotations

import re
from datetime import date

from fnolake.market.bhavcopy import ExchangeDay, read_cm, read_fo
from fnolake.market.csvtable import header, refused
from fnolake.market.oldfiles import date_of, read_old_bse_cm, read_old_cm, read_old_fo
from fnolake.market.reference import (
    ReferenceFile,
    is_market_lots,
    is_symbol_changes,
    read_corporate_actions,
    read_holidays,
    read_market_lots,
    read_securities,
    read_symbol_changes,
)
from fnolake.market.unpack import plain

ExchangeFile = ExchangeDay | ReferenceFile
_UDIFF, _OLD_FO, _OLD_CM, _OLD_BSE = (
    {"TradDt", "Sgmt"}, {"INSTRUMENT", "CONTRACTS", "VAL_INLAKH"}, {"TOTTRDQTY", "TOTTRDVAL"}, {"SC_CODE", "NO_OF_SHRS"},
)
_JSON = (b"{", b"[")
_IN_NAME = (
    (re.compile(r"(?<!\d)(20\d{6})(?!\d)"), r"\1"),
    (re.compile(r"(?<!\d)(\d\d)-?(\d\d)-?(20\d\d)(?!\d)"), r"\3\2\1"),
    (re.compile(r"(?<!\d)(\d\d)(\d\d)(\d\d)(?!\d)"), r"20\3\2\1"),
)


def read_exchange_file(body: bytes, *, day: date | None = None) -> ExchangeFile:
    """
    Read a file of NSE or BSE, whatever it is: zip, gzip, one inside the other, or plain.

    Args:
        body: As downloaded.
        day: Its date, for the formats that state none (security file, BSE's old cash file); see :func:`day_in_name`.

    Raises:
        PayloadError: A web page, a cut or damaged file, none that is known, or its traded value contradicts its unit.
    """
    text = plain(body, json_too=True)
    names = _names(text)
    if names >= _UDIFF:
        return _udiff(text, body)
    if names >= _OLD_FO:
        return read_old_fo(text, body)
    if names >= _OLD_CM:
        return read_old_cm(text, body)
    if names >= _OLD_BSE:
        return read_old_bse_cm(text, body, day)
    return _reference(text, body, names, day)


def read_reference_file(body: bytes, *, day: date | None = None) -> ReferenceFile | None:
    """
    Read a reference file; None for an end-of-day file, of which only the header is looked at.

    Raises:
        PayloadError: As :func:`read_exchange_file`.
    """
    text = plain(body, json_too=True)
    names = _names(text)
    if any(known <= names for known in (_UDIFF, _OLD_FO, _OLD_CM, _OLD_BSE)):
        return None
    return _reference(text, body, names, day)


def _names(text: bytes) -> set[str]:
    """The names in a file's header; JSON has none."""
    return set() if text[:1] in _JSON else set(header(text))


def _udiff(text: bytes, body: bytes) -> ExchangeDay:
    place = header(text).index("Sgmt")
    cells = text.partition(b"\n")[2].partition(b"\n")[0].split(b",")
    is_derivatives = len(cells) > place and cells[place].strip(b'" ') == b"FO"
    return read_fo(body) if is_derivatives else read_cm(body)


def _reference(text: bytes, body: bytes, names: set[str], day: date | None) -> ReferenceFile:
    if text[:1] in _JSON:
        return read_holidays(text, body)
    if {"FinInstrmId", "TckrSymb", "SctySrs"} <= names:
        return read_securities(text, body, day)
    if {"PURPOSE", "EX-DATE"} <= names:
        return read_corporate_actions(text, body)
    if is_market_lots(text):
        return read_market_lots(text, body)
    if is_symbol_changes(text):
        return read_symbol_changes(text, body)
    first = text.partition(b"\n")[0].decode("utf-8", "replace")[:60]
    raise refused(f"no file of the exchanges that is known begins with {first!r}", body)


def day_in_name(name: str) -> date | None:
    """The date in a file's name (YYYYMMDD, DDMMYYYY, DD-MM-YYYY or DDMMYY), None where there is none."""
    for pattern, order in _IN_NAME:
        found = pattern.search(name)
        if found and (day := date_of(found.expand(order))) is not None:
            return day
    return None
