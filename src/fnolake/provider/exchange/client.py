"""
The exchange's own files: one polite request at a time. Bytes only; ``market.exchange_file`` reads them.

Addresses: NSE archives and BSE downloads as known on 2026-11-20 (shared facts, market.md section 6). A day that is not
there yet is a 404 at NSE and a web page with status 200 at BSE: both are None, never an empty file.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from urllib.parse import urlsplit

from fnolake.errors import PayloadError, ProviderError, ProviderFault, Unreachable
from fnolake.model import IST, Clock, RawFile, RequestRecord, payload_hash
from fnolake.provider.http import MASTER_LIMIT, Http, HttpAnswer

NAME = "exchange"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
"""NSE's archive refuses clients without a browser's name."""
TRIES = 3
PAUSE_S = 3.0
"""Longest wait before the second try; the third waits twice as long."""
LEFT_ALONE_S = 120.0
"""A host that could not be reached is not asked again before."""
_PATHS = {
    ("NSE", "FO"): "/content/fo/BhavCopy_NSE_FO_0_0_0_{day:%Y%m%d}_F_0000.csv.zip",
    ("NSE", "CM"): "/content/cm/BhavCopy_NSE_CM_0_0_0_{day:%Y%m%d}_F_0000.csv.zip",
    ("BSE", "FO"): "/download/Bhavcopy/Derivative/BhavCopy_BSE_FO_0_0_0_{day:%Y%m%d}_F_0000.CSV",
    ("BSE", "CM"): "/download/BhavCopy/Equity/BhavCopy_BSE_CM_0_0_0_{day:%Y%m%d}_F_0000.CSV",
}


REFERENCE = ("symbol_changes", "securities", "corporate_actions", "holidays", "market_lots")
"""Files that are not end-of-day files; ``nse_archives`` serves all but the JSON ones, which are cookie-gated."""
PACE_S = 1.0
"""Pause between two requests."""
ACTIONS_BACK, ACTIONS_AHEAD = timedelta(days=365), timedelta(days=31)
_REFERENCE_PATHS = {
    "symbol_changes": "/content/equities/symbolchange.csv",
    "securities": "/content/cm/NSE_CM_security_{day:%d%m%Y}.csv.gz",
    "market_lots": "/content/fo/fo_mktlots.csv",
    "corporate_actions": "/api/corporates-corporateActions?index=equities&from_date={start:%d-%m-%Y}&to_date={end:%d-%m-%Y}&csv=true",
    "holidays": "/api/holiday-master?type=trading",
}


@dataclass(frozen=True, slots=True)
class ExchangeUrls:
    """Bases without a trailing slash; ``pace_s`` is the pause between two requests."""

    nse_archives: str = "https://nsearchives.nseindia.com"
    bse: str = "https://www.bseindia.com"
    nse: str = "https://www.nseindia.com"
    pace_s: float = PACE_S

    @classmethod
    def at(cls, base: str) -> ExchangeUrls:
        """All three at one address (an emulator's), which needs no pause."""
        return cls(base.rstrip("/"), base.rstrip("/"), base.rstrip("/"), 0.0)


class ExchangeClient:
    """
    Args:
        http: Open.
        urls: Where the files are.
        clock: Calendar for records, machine for waiting.
        user_agent: Sent with every request.
        rng: Jitter of the waits between tries.
    """

    def __init__(self, http: Http, urls: ExchangeUrls, clock: Clock, *, user_agent: str = USER_AGENT, rng: random.Random | None = None) -> None:
        self._http = http
        self._urls = urls
        self._clock = clock
        self._headers = {"User-Agent": user_agent, "Accept": "*/*"}
        self._rng = rng or random.Random()
        self._silent_until: dict[str, float] = {}
        self._turn = asyncio.Lock()
        self._next_at = float("-inf")

    async def bhavcopy(self, venue: str, segment: str, day: date) -> tuple[RawFile | None, RequestRecord]:
        """
        The end-of-day file of one venue and segment, as served (zip or plain).

        Returns:
            The file, or None when it is not there (the record says ``empty``) or could not be had (``failed``).

        Cancel:
            Safe.
        """
        base = self._urls.nse_archives if venue == "NSE" else self._urls.bse
        path = _PATHS[venue, segment].format(day=day)
        return await self._file(base + path, path.rsplit("/", 1)[-1], f"bhavcopy {venue} {segment}", day)

    async def reference(self, kind: str, day: date) -> tuple[RawFile | None, RequestRecord]:
        """
        A reference file as served, ``REFERENCE``; the record's route is its kind. The holiday master and the corporate
        actions are cookie-gated at the exchange and often refused.

        Args:
            kind: One of ``REFERENCE``.
            day: The session that the security file is of; corporate actions are those of the year around it.

        Returns:
            As :meth:`bhavcopy`.

        Cancel:
            Safe.
        """
        path = _REFERENCE_PATHS[kind].format(day=day, start=day - ACTIONS_BACK, end=day + ACTIONS_AHEAD)
        base = self._urls.nse if path.startswith("/api/") else self._urls.nse_archives
        names = {"holidays": "holiday-master.json", "corporate_actions": "CF-CA-equities.csv"}
        return await self._file(base + path, names.get(kind, path.rsplit("/", 1)[-1]), kind, day)

    async def _file(self, url: str, name: str, route: str, day: date | None) -> tuple[RawFile | None, RequestRecord]:
        started, begun = self._clock.now(), self._clock.monotonic()
        async with self._turn:
            await self._pause()
            body, error, tries = await self._fetch(url, name)
            self._next_at = self._clock.monotonic() + self._urls.pace_s
        digest = payload_hash(body) if body else ""
        outcome = "failed" if error else "answered" if body else "empty"
        record = RequestRecord(
            key=uuid.uuid4().hex, provider=NAME, account="", route=route, outcome=outcome, started_at=started,
            elapsed_s=self._clock.monotonic() - begun, tries=tries, error=type(error).__name__ if error else "",
            detail=str(error)[:300] if error else name, wire_bytes=len(body or b""), payload_hash=digest,
        )
        if body is None:
            return None, record
        stamp = datetime.combine(day, clock_time(), tzinfo=IST) if day else None
        return RawFile(NAME, name, stamp, body, self._clock.now(), digest), record

    async def _pause(self) -> None:
        """Leave the exchange its breath between two requests."""
        left = self._next_at - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)

    async def _fetch(self, url: str, name: str) -> tuple[bytes | None, ProviderError | None, int]:
        """The file or the last error, and how often it was tried; a host that was just silent is left alone."""
        host = urlsplit(url).netloc
        if self._clock.monotonic() < self._silent_until.get(host, float("-inf")):
            return None, Unreachable(f"{name}: {host} did not answer a moment ago; it is left alone for now", provider=NAME), 0
        for tries in range(1, TRIES + 1):
            try:
                answer = await self._http.get(url, self._headers, limit_bytes=MASTER_LIMIT)
                return _content(answer, name), None, tries
            except ProviderError as error:
                if tries == TRIES or not error.is_transient:
                    if isinstance(error, Unreachable):
                        self._silent_until[host] = self._clock.monotonic() + LEFT_ALONE_S
                    return None, error, tries
            await self._clock.sleep(self._rng.uniform(0.5, 1.0) * PAUSE_S * tries)
        raise AssertionError


def _content(answer: HttpAnswer, name: str) -> bytes | None:
    """The body of a file; None where the exchange says it is not there."""
    if answer.status in {404, 410}:
        return None
    if answer.status != 200:
        kind = ProviderFault if answer.status >= 500 else ProviderError
        raise kind(f"{name}: the exchange answered {answer.status}; run the command again later", provider=NAME)
    head = answer.body[:256].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<")):
        return None
    if not head:
        raise PayloadError(f"{name}: the exchange sent an empty file", provider=NAME)
    return answer.body
