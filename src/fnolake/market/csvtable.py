"""
A comma-separated file of an exchange as a table of stripped text, and its texts as numbers. Knows no format's columns.

Invariant: a line of the file is a row of the table or counted as too short; a cut last line refuses the file.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fnolake.errors import PayloadError


def header(text: bytes) -> list[str]:
    """Names of the columns of a file, stripped; unnamed and repeated ones get a number."""
    first = text.partition(b"\n")[0].decode("utf-8", "replace")
    names = [name.strip().strip('"').strip() for name in first.split(",")]
    return [name if name and name not in names[:place] else f"column {place}" for place, name in enumerate(names)]


def read_table(text: bytes, needed: Sequence[str], body: bytes, what: str) -> tuple[pl.DataFrame, int]:
    """
    The needed columns as text, blanks as null, and how many lines were too short to be rows.

    Args:
        text: The file with line feeds, from ``unpack.plain``.
        needed: Columns that must be there.
        body: The download, attached to errors.
        what: What the file should be, for the message.

    Raises:
        PayloadError: A column is missing, there is no row, or the file is cut.
    """
    names = header(text)
    rest = text.partition(b"\n")[2]
    missing = [name for name in needed if name not in names]
    if missing:
        raise refused(f"this is not {what}: {', '.join(missing[:3])} missing", body)
    lines = [line for line in rest.split(b"\n") if line.strip()]
    if not lines:
        raise refused("the file has a header and no rows", body)
    whole = [line for line in lines if line.count(b",") >= len(names) - 1]
    if not whole or whole[-1] is not lines[-1]:
        raise refused("the file is cut: its last row is short", body)
    quote = '"' if rest.count(b'"') % 2 == 0 else None
    quoted = [f'"{name}"' if quote else name for name in names]
    try:
        table = pl.read_csv(
            b"\n".join([",".join(quoted).encode(), *whole]), columns=list(needed), infer_schema=False,
            truncate_ragged_lines=True, encoding="utf8-lossy", quote_char=quote,
        )
    except pl.exceptions.PolarsError as error:
        raise refused(f"the file is no table: {str(error).splitlines()[0][:120]}", body) from error
    stripped = pl.col(*needed).str.strip_chars()
    return table.select(pl.when(stripped != "").then(stripped)), len(lines) - len(whole)


def number(name: str) -> pl.Expr:
    """A finite number, else null."""
    value = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def paise(name: str) -> pl.Expr:
    """Exact paise; 0 where blank, -1 (refused later) where it does not decode."""
    exact = (number(name) * 100).round().cast(pl.Int64, strict=False)
    return pl.when(pl.col(name).is_null()).then(0).otherwise(exact.fill_null(-1))


def whole(name: str) -> pl.Expr:
    """A whole number, with or without decimals in the text, else null."""
    return pl.col(name).cast(pl.Int64, strict=False).fill_null(number(name).cast(pl.Int64, strict=False))


def refused(why: str, body: bytes) -> PayloadError:
    """The error for a file that is not taken."""
    return PayloadError(f"{why}; the file was not taken", provider="exchange", payload=body)
