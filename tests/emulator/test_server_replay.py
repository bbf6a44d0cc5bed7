"""Recorded answers are served as they were: texts, order, odd seconds."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from fnolake.emulator.replay import Replay
from fnolake.emulator.server import _date_of, _exchange_of
from fnolake.model import IST

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "real" / "tpseries"
HEADER = "time,into,inth,intl,intc,intvwap,intv,v,intoi,oi\n"
ROWS = HEADER + "13-10-2023 09:14:07,1.00,2.00,0.50,1.50,0.00,0,0,0,0\n13-10-2023 09:15:00,1.10,2,0.5,1.5,0.00,0,0,0,0\n"


def epoch(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=IST).timestamp()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "NSE_26000_recorded.csv").write_text(ROWS)
    (tmp_path / "other.json").write_text('[{"stat":"Ok","time":"13-10-2023 09:15:00","into":"5.00","odd":"kept"}]')
    (tmp_path / "rows.json").write_text('{"other.json": "NFO|77"}')
    return tmp_path


async def test_recorded_rows_go_before_the_market(serve, folder):
    client = await serve(rows=folder)
    status, rows = await client.series(exch="NSE", token="26000", st=str(epoch("2023-10-13 09:00")), et="1700000000")
    assert status == 200
    assert [row["time"] for row in rows] == ["13-10-2023 09:15:00", "13-10-2023 09:14:07"]
    assert (rows[0]["inth"], list(rows[0])[:4]) == ("2", ["stat", "time", "ssboe", "into"])


def test_a_map_names_tokens_and_unknown_fields_are_kept(folder):
    rows = Replay.of(folder).rows("NFO|77", 0, 2e9, 2e9)
    assert json.loads(rows[0])["odd"] == "kept"
    assert not Replay.of(None).holds("NFO|77")


@pytest.mark.parametrize(("name", "text"), [("rows.csv", ROWS), ("NSE_1.csv", HEADER + "soon,1,1,1,1,0,0,0,0,0\n")])
def test_what_cannot_be_read_is_said(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        Replay.of(tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason="the real recordings are not on this machine")
def test_real_recordings_load(tmp_path):
    for n, path in enumerate(sorted(REAL.glob("*.csv"))):
        (tmp_path / f"NSE_{n}_{path.name}").symlink_to(path)
    replay = Replay.of(tmp_path)
    assert len(replay.rows("NSE|0", epoch("2023-09-28 00:00"), epoch("2023-09-29 00:00"), 2e9)) > 375
    assert len(replay.rows("NSE|1", 0, 2e9, 2e9)) == 376


def test_a_masters_name_tells_exchange_and_date():
    path = Path("shoonya_NFO_20250106.txt.gz")
    assert (_exchange_of(path), str(_date_of(path))) == ("NFO", "2025-01-06")
    assert _date_of(Path("NFO_symbols.txt.zip")) is None
    with pytest.raises(ValueError, match="exchange"):
        _exchange_of(Path("symbols.txt"))
