"""
An option chain as a person reads it: calls left, the strike in the middle, puts right; and its pictures. Pure.

A chain in, lines of segments out (text and a rich style). Units are written short, in lakh (L) and crore (Cr).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

    from fnolake.query.chain import Chain

Segment = tuple[str, str]
"""Text and its style (a rich style, empty for none)."""
Line = list[Segment]
Row = Mapping[str, object]

_COLUMNS: Final = (("oi_change", "OI chg"), ("oi", "OI"), ("volume", "volume"), ("iv", "IV %"), ("delta", "delta"), ("age", "age"), ("last", "last"))
_FIRST_TO_GO: Final = ("age", "oi_change", "volume", "delta", "oi")
_CALL, _PUT, _MONEY, _QUIET = "cyan", "magenta", "bold yellow", "dim"
_LAKH, _CRORE = 100_000, 10_000_000
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def around(chain: Chain, strikes: int) -> pl.DataFrame:
    """The wide rows of so many strikes on either side of the money; all for 0, or where nobody knows where the money is."""
    wide = chain.wide()
    if not strikes or chain.atm is None:
        return wide
    place = wide["strike"].to_list().index(chain.atm)
    return wide.slice(max(place - strikes, 0), min(place, strikes) + strikes + 1)


def title_lines(chain: Chain) -> list[Line]:
    """What the chain is, and its summary in one line."""
    forward = chain.forward
    days, hours = divmod(round(chain.years * 365 * 24), 24)
    left = f"{days} d {hours} h" if days else f"{chain.years * 365 * 24:.1f} h"
    parts = [
        f"forward {forward.price:,.2f} ({forward.source}, {forward.age} min old)" if forward.price is not None else "no forward: nothing young enough",
        f"ATM {_strike(chain.atm)}", f"PCR {_ratio(chain.pcr_oi)} by OI, {_ratio(chain.pcr_volume)} by volume", f"max pain {_strike(chain.max_pain)}",
    ]
    lines = [
        [(f"{chain.underlying} {chain.expiry:%d %b %Y}", "bold"), (f" at {chain.at:%Y-%m-%d %H:%M} IST, {left} to its last trade", "")],
        [(" · ".join(parts), "")],
    ]
    if chain.missing:
        lines.append([(f"{chain.missing} of its options are not in this lake: fnolake gaps says why", "yellow")])
    return lines


def table_lines(chain: Chain, rows: pl.DataFrame, width: int) -> list[Line]:
    """The chain, one line a strike, in the columns that fit."""
    wide = rows.to_dicts()
    names = [(name, title) for name, title in _COLUMNS if f"call_{name}" in rows.columns]
    strikes = [_strike(row["strike"]) for row in wide]
    middle = max(len(text) for text in strikes) + 2
    for unneeded in ("", *_FIRST_TO_GO):
        names = [(name, title) for name, title in names if name != unneeded]
        widths = [max(len(title), *(len(_cell(row, side, name)) for row in wide for side in ("call", "put"))) for name, title in names]
        if 2 * (sum(widths) + len(widths)) + middle <= width:
            break
    heads = [title.rjust(size) for (_, title), size in zip(names, widths, strict=True)]
    half = sum(widths) + len(widths) - 1
    lines: list[Line] = [
        [("calls".center(half), _CALL), (" " * (middle + 2), ""), ("puts".center(half).rstrip(), _PUT)],
        [(" ".join(heads), _QUIET), (" " + "strike".center(middle) + " ", _QUIET), (" ".join(reversed(heads)), _QUIET)],
    ]
    for row, strike in zip(wide, strikes, strict=True):
        is_money = row["strike"] == chain.atm
        shown = f"▸{strike}◂" if is_money else f" {strike} "
        lines.append([
            *_side(row, "call", names, widths, money=is_money), (" " + shown.center(middle) + " ", _MONEY if is_money else "bold"),
            *_side(row, "put", names[::-1], widths[::-1], money=is_money),
        ])
    return lines


def open_interest_lines(chain: Chain, rows: pl.DataFrame, width: int) -> list[Line]:
    """Open interest by strike: calls grow to the left, puts to the right."""
    wide = rows.to_dicts()
    held = [(_number(row["call_oi"]), _number(row["put_oi"])) for row in wide]
    most = max((max(pair) for pair in held), default=0.0)
    labels = [_strike(row["strike"]) for row in wide]
    middle = max(len(text) for text in labels) + 2
    room = max((width - middle - 16) // 2, 8)
    lines: list[Line] = [[("open interest by strike: ", "bold"), ("calls", _CALL), (" left, ", ""), ("puts", _PUT), (" right", "")]]
    for row, (call, put), label in zip(wide, held, labels, strict=True):
        is_money = row["strike"] == chain.atm
        left, right = (size / most * room if most else 0.0 for size in (call, put))
        lines.append([
            (f"{units(row['call_oi']):>7} ", _QUIET), (_leftward(left, room), _CALL), ((f"▸{label}◂" if is_money else f" {label} ").center(middle), _MONEY if is_money else ""),
            (_rightward(right), _PUT), (f" {units(row['put_oi'])}", _QUIET),
        ])
    return lines


def smile_lines(chain: Chain, rows: pl.DataFrame, width: int, height: int = 12) -> list[Line]:
    """Implied volatility by strike, of the option that is out of the money: puts below the forward, calls above."""
    points = [(place, *found) for place, row in enumerate(rows.to_dicts()) if (found := _out_of_money(row, chain.forward.price)) is not None]
    if len(points) < 2:
        return [[("no smile: fewer than two strikes have a volatility", _QUIET)]]
    low, high = min(vol for _, vol, _ in points), max(vol for _, vol, _ in points)
    span = max(high - low, 1e-4)
    step = min(max((width - 10) // rows.height, 1), 4)
    grid: list[dict[int, Segment]] = [{} for _ in range(height)]
    for place, vol, is_call in points:
        at = place * step
        if at < width - 10:
            grid[round((high - vol) / span * (height - 1))][at] = ("●" if is_call else "○", _CALL if is_call else _PUT)
    lines: list[Line] = [[("implied volatility, % a year: ", "bold"), ("○ puts", _PUT), (" below the forward, ", ""), ("● calls", _CALL), (" above", "")]]
    for line, cells in enumerate(grid):
        label = f"{(high - span * line / (height - 1)) * 100:7.2f} ┤"
        lines.append([(label, _QUIET), *_sparse(cells)])
    return [*lines, *_axis(chain, rows, step, width)]


def units(value: object) -> str:
    """Units as people here write them: 99,999, 1.25L, 12.5L, 1.25Cr."""
    if value is None:
        return ""
    number = int(str(value))
    size = abs(number)
    if size < _LAKH:
        return f"{number:,}"
    scaled, word = (number / _LAKH, "L") if round(size / _LAKH, 1) < 100 else (number / _CRORE, "Cr")
    digits = 2 if round(abs(scaled), 2) < 10 else 1 if round(abs(scaled), 1) < 100 else 0
    return f"{scaled:,.{digits}f}{word}"


def _side(row: Row, side: str, names: Sequence[tuple[str, str]], widths: Sequence[int], *, money: bool) -> Line:
    """The cells of one right, each right-aligned."""
    line: Line = []
    for (name, _), size in zip(names, widths, strict=True):
        text = _cell(row, side, name)
        style = _MONEY if money else _style(row, side, name)
        line += [(" " if line else "", ""), (text.rjust(size), style)]
    return line


def _style(row: Row, side: str, name: str) -> str:
    if name == "oi_change" and row[f"{side}_oi_change"]:
        return "green" if _number(row[f"{side}_oi_change"]) > 0 else "red"
    if name == "age" or (name == "last" and row.get(f"{side}_iv_reason") == "stale"):
        return _QUIET
    return ""


def _cell(row: Row, side: str, name: str) -> str:
    value = row[f"{side}_{name}"]
    if value is None:
        return ""
    match name:
        case "oi" | "volume":
            return units(value)
        case "oi_change":
            text = units(value)
            return text if text.startswith("-") or text == "0" else f"+{text}"
        case "iv":
            return f"{_number(value) * 100:.1f}"
        case "age":
            return str(value) if value else ""
        case _:
            return f"{_number(value):.2f}"


def _out_of_money(row: Row, forward: float | None) -> tuple[float, bool] | None:
    """Volatility of a strike's out-of-the-money option and whether that is the call."""
    is_call = forward is not None and _number(row["strike"]) >= forward
    vol = row.get("call_iv" if is_call else "put_iv")
    return None if vol is None else (_number(vol), is_call)


def _axis(chain: Chain, rows: pl.DataFrame, step: int, width: int) -> list[Line]:
    """The line below the smile, with a mark at the money, and strikes under it that do not touch."""
    strikes = rows["strike"].to_list()
    last = min((len(strikes) - 1) * step, width - 11)
    marks, text, free = ["─"] * (last + 1), "", 0
    for place, strike in enumerate(strikes):
        at, label = place * step, _strike(strike)
        if strike == chain.atm and at <= last:
            marks[at] = "▲"
        if at >= free and at + len(label) <= max(last + len(label), 1) and at <= last and (place % 5 == 0):
            text = text.ljust(at) + label
            free = at + len(label) + 2
    return [[("        └" + "".join(marks), _QUIET)], [(" " * 9 + text, _QUIET)]]


def _sparse(cells: Mapping[int, Segment]) -> Line:
    line: Line = []
    at = 0
    for place in sorted(cells):
        line += [(" " * (place - at), ""), cells[place]]
        at = place + 1
    return line


def _leftward(size: float, room: int) -> str:
    whole, half = divmod(round(size * 2), 2)
    return ("▐" * half + "█" * whole).rjust(room)


def _rightward(size: float) -> str:
    whole, rest = divmod(round(size * 8), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _strike(value: object) -> str:
    return "unknown" if value is None else f"{_number(value):.2f}".rstrip("0").rstrip(".")


def _ratio(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))
