"""Firstock's envelopes: success, failure, and the several ways in which history may say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fnolake.emulator.answers import Answer

if TYPE_CHECKING:
    from fnolake.emulator.state import State

CHARTS = "Successfully fetched charts data"


def succeeded(message: str, data: Any = None, *, outcome: str = "ok") -> Answer:  # noqa: ANN401 - any JSON value
    """A success; an empty message and None as data leave their members out."""
    body = {"status": "success", "message": message, "data": data}
    return Answer.of({key: value for key, value in body.items() if value not in ("", None)}, outcome=outcome)


def failed(status: int, name: str, field: str, message: str, *, outcome: str = "refused", code: int = 0) -> Answer:
    """A failure: the HTTP status is the code's, unless another ``code`` is given."""
    return Answer.of(
        {"status": "failed", "code": str(code or status), "name": name, "error": {"field": field, "message": message}},
        status=status, outcome=outcome,
    )


def missing(field: str) -> Answer:
    """The documented refusal of an empty interval, vendorCode and their like."""
    return failed(400, "MISSING_FIELD", field, f"{field} cannot be empty")


def unknown_symbol(symbol: str) -> Answer:
    """The refusal of a symbol that is none, or has expired; its words are a guess."""
    return failed(400, "BAD_REQUEST", "tradingSymbol", f"invalid tradingSymbol: {symbol}")


def no_bars(state: State) -> Answer:
    """No bars, as the settings have it: the documentation does not say how."""
    how = state.firstock.empty
    if how == "404":
        return failed(404, "RESOURCE_NOT_FOUND", "tradingSymbol", "no data found", outcome="no_data")
    if how == "failed":
        answer = failed(400, "EXCHANGE/TOKEN", "tradingSymbol", "no data on that token or exchange", outcome="no_data")
        return Answer(answer.body, outcome="no_data")
    if how == "missing":
        return succeeded(CHARTS, outcome="no_data")
    return Answer.of({"status": "success", "message": CHARTS, "data": [] if how == "list" else None}, outcome="no_data")
