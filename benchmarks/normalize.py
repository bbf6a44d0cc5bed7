"""
Bars/s from wire bytes to the judged table on one core (limit 1,000,000 for decode and normalize), and the time a small
page takes (five sessions of thirty rows; limit 1 ms for normalize and judge).
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from fnolake.market.calendar import Calendar
from fnolake.model import BarRequest, Contract, Page, RawBars, ist_midnight_us, utc_from_us
from fnolake.normalize import normalize
from fnolake.provider.firstock.wire import decode_series
from fnolake.provider.shoonya.wire import decode_tpseries
from fnolake.verify import judge

LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
FUTURE = Contract(1, "NSE", "FO", 1, "TCS24DEC26F", "TCS", "future", date(2026, 12, 29), None, None, 175, 5, "TCS24DEC26F")
OPTION = replace(FUTURE, kind="option", strike_paise=300_000, right="CE")
ROW = (
    '{"stat":"Ok","time":"%s","ssboe":"%d","into":"%.2f","inth":"%.2f","intl":"%.2f","intc":"%.2f","intvwap":"%.2f","intv":"%d",'
    '"intoi":"0","v":"%d","oi":"%d"}'
)


def body(days: list[date], minutes: list[int]) -> bytes:
    rows = []
    for day in days:
        total = 0
        for minute in minutes:
            epoch = ist_midnight_us(day) // 1_000_000 + minute * 60
            price, total = 3000 + minute % 97 * 0.05, total + 175 * (minute % 7 + 1)
            clock = f"{day:%d-%m-%Y} {minute // 60:02d}:{minute % 60:02d}:00"
            rows.append(ROW % (clock, epoch, price, price + 1, price - 1, price, price, 175 * (minute % 7 + 1), total, 175 * minute))
    return ("[" + ",".join(reversed(rows)) + "]").encode()


def plain_body(days: list[date], minutes: list[int]) -> bytes:
    """Firstock's: ascending, numbers, whole prices as whole numbers."""
    rows = []
    for day in days:
        for minute in minutes:
            price = round(3000 + minute % 97 * 0.05, 2)
            rows.append({
                "time": f"{day:%Y-%m-%d}T{minute // 60:02d}:{minute % 60:02d}:00", "epochTime": ist_midnight_us(day) // 1_000_000 + minute * 60,
                "open": int(price) if price == int(price) else price, "high": price + 1, "low": price - 1, "close": price,
                "volume": 175 * (minute % 7 + 1), "oi": 175 * minute,
            })
    return json.dumps({"status": "success", "message": "Successfully fetched charts data", "data": rows}, separators=(",", ":")).encode()


WIRES: dict[str, tuple[Callable[[list[date], list[int]], bytes], Callable[[bytes], RawBars | None]]] = {
    "shoonya": (body, decode_tpseries), "firstock": (plain_body, decode_series),
}


def best(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(name: str, contract: Contract, count: int, minutes: list[int], calendar: Calendar, provider: str = "shoonya") -> None:
    make, read = WIRES[provider]
    days = calendar.sessions(LAST - timedelta(days=2 * count), LAST)[-count:]
    request = BarRequest(contract, utc_from_us(ist_midnight_us(days[0])), utc_from_us(ist_midnight_us(days[-1])) + timedelta(days=1))
    wire = make(days, minutes)
    raw = read(wire)
    assert isinstance(raw, RawBars)
    page = Page(request, provider, "bench", NOW, "00", raw)
    sessions = [session for day in days if (session := calendar.session_for(contract, day)) is not None]
    table = normalize(page, calendar)
    must_fill = contract.kind == "future"
    judged = judge(table, request, sessions, NOW, {}, must_fill=must_fill)
    assert [v.outcome.value for _, v, _ in judged] == ["complete"] * count, judged
    decode = best(lambda: read(wire), 300)
    shape = best(lambda: normalize(page, calendar), 300)
    verdicts = best(lambda: judge(table, request, sessions, NOW, {}, must_fill=must_fill), 300)
    bars = table.bars.height
    print(
        f"{provider}, {name}: {bars} bars; decode {decode * 1e3:.2f} ms, normalize {shape * 1e3:.2f} ms ({bars / shape / 1e6:.1f} million bars/s), "
        f"judge {verdicts * 1e3:.2f} ms ({verdicts / count * 1e3:.3f} a session); decode and normalize {bars / (decode + shape):,.0f} bars/s",
    )


def main() -> None:
    calendar = Calendar.bundled()
    measure("future, ten sessions", FUTURE, 10, list(range(555, 940)), calendar)
    measure("option, five thin sessions", OPTION, 5, list(range(560, 940, 13)), calendar)
    measure("option, one thin session", OPTION, 1, list(range(560, 940, 13)), calendar)
    measure("future, ten sessions", FUTURE, 10, list(range(555, 940)), calendar, "firstock")
    measure("future, one session", FUTURE, 1, list(range(555, 940)), calendar, "firstock")


if __name__ == "__main__":
    main()
