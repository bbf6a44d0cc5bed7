"""
Requests made without the writer lock (sign-ins while a sync runs), kept in the state drawer until a writer records them.
"""

from __future__ import annotations

import msgspec

from fnolake.model import RequestRecord, StatePort

KEY = "pending-requests"
_decoder = msgspec.json.Decoder(list[RequestRecord])


def remember(state: StatePort, record: RequestRecord) -> None:
    """Keep one record for the next writer."""
    state.save(KEY, msgspec.json.encode([*_kept(state), record]))


def take(state: StatePort) -> list[RequestRecord]:
    """The records kept so far; :func:`forget` them once they are durable."""
    return _kept(state)


def forget(state: StatePort) -> None:
    """The records are in the ledger."""
    state.delete(KEY)


def _kept(state: StatePort) -> list[RequestRecord]:
    body = state.load(KEY)
    try:
        return _decoder.decode(body) if body else []
    except msgspec.DecodeError:
        return []
