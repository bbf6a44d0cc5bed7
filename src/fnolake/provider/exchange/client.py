"""
The exchange's own end-of-day files: one polite request at a time. Bytes only; ``market.bhavcopy`` reads them.

Addresses: NSE archives and BSE downloads as known on 2026-11-20 (shared facts, market.md section 6). A day that is not
there yet is a 404 at NSE and a web page with status 200 at BSE: both are None, never an empty file.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock_time

from fnolake.errors import PayloadError, ProviderError, ProviderFault
from fnolake.model import IST, Clock, RawFile, RequestRecord
from fnolake.provider.http import MASTER_LIMIT, Http, HttpAnswer

NAME = "exchange"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
"""NSE's archive refuses clients without a browser's name."""
_PATHS = {
    ("NSE", "FO"): "/content/fo/BhavCopy_NSE_FO_0_0_0_{day:%Y%m%d}_F_0000.csv.zip",
    ("NSE", "CM"): "/content/cm/BhavCopy_NSE_CM_0_0_0_{day:%Y%m%d}_F_0000.csv.zip",
    ("BSE", "FO"): "/download/Bhavcopy/Derivative/BhavCopy_BSE_FO_0_0_0_{day:%Y%m%d}_F_0000.CSV",
    ("BSE", "CM"): "/download/BhavCopy/Equity/BhavCopy_BSE_CM_0_0_0_{day:%Y%m%d}_F_0000.CSV",
}


@dataclass(frozen=True, slots=True)
class ExchangeUrls:
    """Bases without a trailing slash."""

    nse_archives: str = "https://nsearchives.nseindia.com"
    bse: str = "https://www.bseindia.com"
    nse: str = "https://www.nseindia.com"

    @classmethod
    def at(cls, base: str) -> ExchangeUrls:
        """All three at one address (an emulator's)."""
        return cls(base.rstrip("/"), base.rstrip("/"), base.rstrip("/"))


class ExchangeClient:
    """
    Args:
        http: Open.
        urls: Where the files are.
        clock: Calendar for records.
        user_agent: Sent with every request.
    """

    def __init__(self, http: Http, urls: ExchangeUrls, clock: Clock, *, user_agent: str = USER_AGENT) -> None:
        self._http = http
        self._urls = urls
        self._clock = clock
        self._headers = {"User-Agent": user_agent, "Accept": "*/*"}
        self._turn = asyncio.Lock()

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

    async def holidays(self) -> tuple[RawFile | None, RequestRecord]:
        """NSE's holiday master (JSON, key FO), as served. Cookie-gated at the exchange: often refused."""
        return await self._file(f"{self._urls.nse}/api/holiday-master?type=trading", "holiday-master.json", "holidays", None)

    async def _file(self, url: str, name: str, route: str, day: date | None) -> tuple[RawFile | None, RequestRecord]:
        started, clock = self._clock.now(), time.monotonic()
        error: ProviderError | None = None
        body: bytes | None = None
        async with self._turn:
            try:
                body = _content(await self._http.get(url, self._headers, limit_bytes=MASTER_LIMIT), name)
            except ProviderError as failed:
                error = failed
        digest = hashlib.blake2b(body or b"", digest_size=16).hexdigest()
        record = RequestRecord(
            key=uuid.uuid4().hex, provider=NAME, account="", route=route, outcome="failed" if error else "answered" if body else "empty",
            started_at=started, elapsed_s=time.monotonic() - clock, error=type(error).__name__ if error else "",
            detail=str(error)[:300] if error else name, wire_bytes=len(body or b""), payload_hash=digest if body else "",
        )
        if body is None:
            return None, record
        stamp = datetime.combine(day, clock_time(), tzinfo=IST) if day else None
        return RawFile(NAME, name, stamp, body, started, digest), record


def _content(answer: HttpAnswer, name: str) -> bytes | None:
    """The body of a file; None where the exchange says it is not there."""
    if answer.status in {404, 410}:
        return None
    if answer.status != 200:
        raise ProviderFault(f"{name}: the exchange answered {answer.status}; try again later, or put the file into the lake's drop folder", provider=NAME)
    head = answer.body[:256].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<")):
        return None
    if not head:
        raise PayloadError(f"{name}: the exchange sent an empty file", provider=NAME)
    return answer.body
