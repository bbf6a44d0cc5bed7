"""
Public files: symbol masters, the exchange's bhavcopies, its reference files and its holiday master.

A bhavcopy appears when the emulated evening has come, is rendered once in a thread, and is kept zipped. What is
missing is a real 404 at NSE and an HTML page with HTTP 200 at BSE. NSE and BSE turn programs away that do not
name a browser.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from fnolake.emulator import reference_files
from fnolake.emulator.answers import Answer, struck_answer
from fnolake.emulator.faults import FILE_FAULTS, Ask
from fnolake.emulator.state import State
from fnolake.emulator.world import World
from fnolake.market.oldfiles import date_of
from fnolake.market.reference import AUCTION_FROM
from fnolake.model import IST

MASTERS = ("NSE", "NFO", "BSE", "BFO", "CDS", "MCX", "NCX")
PUBLISHED = {"CM": time(16, 40), "FO": time(17, 30)}
_MASTER = re.compile(r"([A-Z]{3})_symbols\.txt\.zip")
_BHAVCOPY = re.compile(
    r"(?:content/(?:fo|cm)|download/[Bb]hav[Cc]opy/(?:Derivative|Equity))/"
    r"(BhavCopy_(NSE|BSE)_(FO|CM)_0_0_0_(\d{8})_F_0000\.(?:csv|CSV))(\.zip)?"
)
_SECURITIES = re.compile(r"content/cm/NSE_CM_security_(\d{8})\.csv\.gz")
_REFERENCE: dict[str, Callable[[World], bytes]] = {
    "content/equities/symbolchange.csv": reference_files.symbol_changes,
    "content/fo/fo_mktlots.csv": reference_files.market_lots,
    "api/corporates-corporateActions": lambda world: reference_files.corporate_actions(
        world, world.day - timedelta(days=365), world.day + timedelta(days=31)
    ),
}
_HTML = (
    b"<!DOCTYPE html>\r\n<html><head><title>BSE Ltd</title></head>"
    b"<body>The page is not available.</body></html>\r\n"
)


class Files:
    """The public files of one emulator, zipped once and kept."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._once = state.kept.once

    async def answer(self, path: str, user_agent: str) -> Answer | None:
        """The file at a path (no leading slash), or None if it is no file of ours."""
        if found := _MASTER.fullmatch(path):
            return self._spoiled("masters", found[1]) or await self._master(found[1])
        if path == "api/holiday-master":
            return self._spoiled("holidays", "") or Answer(await self._holidays())
        if (found := _BHAVCOPY.fullmatch(path)) or path in _REFERENCE or _SECURITIES.fullmatch(path):
            if not user_agent.startswith("Mozilla"):
                return Answer(b"Access Denied", status=403, content_type="text/html", outcome="no_browser")
            if found is None:
                return self._spoiled("reference", path) or await self._reference(path)
            return self._spoiled("bhavcopy", f"{found[2]} {found[3]}") or await self._bhavcopy(found)
        return None

    def _spoiled(self, route: str, what: str) -> Answer | None:
        self._state.asked.note(route, contract=what)
        provider = "shoonya" if route == "masters" else "exchange"
        fault = self._state.faults.strike(FILE_FAULTS, Ask(route, what, provider=provider))
        return None if fault is None else struck_answer(fault)

    async def _master(self, exchange: str) -> Answer:
        if exchange not in MASTERS:
            return Answer(b"", status=404)
        name, (day, morning) = f"{exchange}_symbols.txt", self._state.masters_of
        world = self._state.world
        body = await self._once(
            f"{name} {day} {morning}", lambda: zipped(name, world.master(exchange, day, morning=morning))
        )
        return Answer(body, content_type="application/zip")

    async def _holidays(self) -> bytes:
        year, world = self._state.clock.now().year, self._state.world
        return await self._once(f"holidays {year}", lambda: world.holiday_master(year))

    async def _reference(self, path: str) -> Answer:
        """A reference file; the security file of a day to come, or of one before it had the auction's flag, is not there."""
        world = self._state.world
        if found := _SECURITIES.fullmatch(path):
            day = date_of(f"{found[1][4:]}{found[1][2:4]}{found[1][:2]}")
            if day is None or day < AUCTION_FROM or day > self._state.clock.now().astimezone(IST).date():
                return Answer(b"", 404, "not_there")
            return Answer(await self._once(path, lambda: reference_files.securities(world, day)), content_type="application/gzip")
        return Answer(await self._once(f"{path} {world.day}", lambda: _REFERENCE[path](world)), content_type="text/csv")

    async def _bhavcopy(self, found: re.Match[str]) -> Answer:
        name, venue, segment, stamp, suffix = found.groups()
        body = b""
        if self._is_out(segment, stamp):
            body = await self._once(name, lambda: self._render(venue, segment, stamp))
        if not body:
            missing = Answer(_HTML, content_type="text/html") if venue == "BSE" else Answer(b"", status=404)
            return Answer(missing.body, missing.status, "not_there", missing.content_type)
        if suffix:
            return Answer(await self._once(f"{name}.zip", lambda: zipped(name, body)), content_type="application/zip")
        return Answer(body, content_type="text/csv")

    def _is_out(self, segment: str, stamp: str) -> bool:
        return self._state.clock.now() >= datetime.combine(_date(stamp), PUBLISHED[segment], IST)

    def _render(self, venue: str, segment: str, stamp: str) -> bytes:
        return self._state.world.bhavcopy(venue, segment, _date(stamp)) or b""


def zipped(name: str, body: bytes) -> bytes:
    """A zip with one member; the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _date(stamp: str) -> date:
    try:
        return datetime.strptime(stamp, "%Y%m%d").replace(tzinfo=IST).date()
    except ValueError:
        return date.max
