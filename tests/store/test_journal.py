"""The live journal: what was appended is there after any crash, whole or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fnolake.minutes import live_schema
from fnolake.model.tick import Tick
from fnolake.store.journal import CHECKPOINT, MARK, TICKS, Journal, blocks_of, pieces, recorded

DAY = date(2026, 11, 20)
TICK = Tick(7, 10, 11, 140_000, 500, -1, snapshot=True)


def bars(contract: int, minute: int, close: int) -> pl.DataFrame:
    row = (contract, datetime(2026, 11, 20, 4, minute, tzinfo=UTC), 1, 9, 1, close, 5, None, "continuous", True)
    return pl.DataFrame([row], schema=live_schema(), orient="row")


def test_what_was_appended_is_recalled_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DAY)
    journal.begin(b"all that is known")
    journal.append([TICK, b"away", TICK, TICK])
    journal.append([b"alive"])
    journal.close()
    assert list(Journal(tmp_path, DAY).recall()) == [
        (CHECKPOINT, b"all that is known"), (TICKS, [TICK]), (MARK, b"away"), (TICKS, [TICK, TICK]), (MARK, b"alive"),
    ]


def test_a_new_journal_replaces_the_old_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DAY)
    journal.begin(b"one")
    journal.append([TICK])
    journal.begin(b"two")
    journal.close()
    assert list(Journal(tmp_path, DAY).recall()) == [(CHECKPOINT, b"two")]
    assert len(list(journal.folder.glob("*.journal"))) == 1


def test_a_journal_that_was_torn_at_its_birth_leaves_the_one_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DAY)
    journal.begin(b"one")
    journal.append([TICK])
    journal.close()
    (journal.folder / "ticks-2.journal").write_bytes(b"\x01\xff")
    assert list(Journal(tmp_path, DAY).recall()) == [(CHECKPOINT, b"one"), (TICKS, [TICK])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.integers(0, 200), flip=st.booleans())
@example(cut=0, flip=True)
def test_a_torn_or_damaged_end_is_no_block(tmp_path: Path, cut: int, flip: bool) -> None:
    journal = Journal(tmp_path, DAY)
    journal.begin(b"one")
    for _ in range(3):
        journal.append([TICK])
    journal.close()
    path = max(journal.folder.glob("*.journal"), key=lambda one: int(one.stem.split("-")[1]))
    body = bytearray(path.read_bytes())
    whole = list(blocks_of(path))
    at = min(cut, len(body) - 1)
    if flip:
        body[at] ^= 0x55
    else:
        del body[at:]
    path.write_bytes(body)
    found = list(blocks_of(path))
    assert found == whole[: len(found)]
    assert len(found) < len(whole)


def test_later_pieces_win_and_joining_changes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, DAY)
    for one in (bars(1, 0, 5), bars(2, 0, 6), bars(1, 0, 7), bars(1, 1, 8)):
        journal.add_minutes(one)
    before = pieces(journal.folder)
    assert before.select("contract", "close_paise").rows() == [(1, 7), (1, 8), (2, 6)]
    journal.join_pieces()
    assert pieces(journal.folder).equals(before)
    assert len(list(journal.folder.glob("*.parquet"))) == 1
    assert recorded(tmp_path) == [DAY]


def test_nothing_recorded_is_nothing_read(tmp_path: Path) -> None:
    assert recorded(tmp_path) == []
    assert pieces(tmp_path).is_empty()
    with pytest.raises(StopIteration):
        next(Journal(tmp_path, DAY).recall())
