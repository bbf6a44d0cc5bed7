"""Frozen values that every station speaks. No I/O, no clock; imports nothing of fnolake but errors."""

from fnolake.model.bar import BAR_SORT, bar_schema, quarantine_schema
from fnolake.model.batch import IMPORT, Attempt, Batch, RequestRecord
from fnolake.model.certificate import (
    Certificate,
    Content,
    Counts,
    ExchangeFile,
    MasterFile,
    Reason,
    Source,
    UnderlyingCounts,
)
from fnolake.model.comparison import FIRST, SECOND, Compared, Comparison, difference_schema
from fnolake.model.event import AccountSeen, BatchCommitted, DayChanged, Event, LiveSeen, Notice, PageDone, SyncStarted
from fnolake.model.instrument import (
    KINDS,
    LISTING_COLUMNS,
    RIGHTS,
    SEGMENTS,
    VENUES,
    Contract,
    Master,
    contract_symbol,
    instrument_schema,
    listing_schema,
    strike_text,
)
from fnolake.model.message import DELIVERED, FAILED, QUIET, Delivery, Message
from fnolake.model.page import BarRequest, Page, RawBars, RawFile, payload_hash
from fnolake.model.port import Clock, StatePort
from fnolake.model.selection import Chosen, Day, Names, Selection, day_of, names_of
from fnolake.model.session import IST, MINUTE_US, Session, Window, ist_date, ist_midnight_us, utc_from_us
from fnolake.model.verdict import COVERED, MISMATCH_RANK, RANK, VERIFIED_RANK, Finding, Outcome, Proof, Verdict

__all__ = [
    "BAR_SORT", "COVERED", "DELIVERED", "FAILED", "FIRST", "IMPORT", "IST", "KINDS", "LISTING_COLUMNS", "MINUTE_US",
    "MISMATCH_RANK", "QUIET", "RANK", "RIGHTS", "SECOND", "SEGMENTS", "VENUES", "VERIFIED_RANK", "AccountSeen",
    "Attempt", "BarRequest", "Batch", "BatchCommitted", "Certificate", "Chosen", "Clock", "Compared", "Comparison", "Content",
    "Contract", "Counts", "Day", "DayChanged", "Delivery", "Event", "ExchangeFile", "Finding", "LiveSeen", "Master",
    "MasterFile", "Message", "Names", "Notice", "Outcome", "Page", "PageDone", "Proof", "RawBars", "RawFile", "Reason",
    "RequestRecord", "Selection", "Session", "Source", "StatePort", "SyncStarted", "UnderlyingCounts", "Verdict",
    "Window", "bar_schema", "contract_symbol", "day_of", "difference_schema", "instrument_schema", "ist_date",
    "ist_midnight_us", "listing_schema", "names_of", "payload_hash", "quarantine_schema", "strike_text", "utc_from_us",
]
