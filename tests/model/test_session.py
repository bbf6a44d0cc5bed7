from datetime import UTC, date, datetime

from fnolake.model import IST, Outcome, Proof, Session, Verdict, Window, ist_date, ist_midnight_us, utc_from_us


def test_midnight_in_india_is_half_past_six_the_evening_before_in_utc() -> None:
    assert utc_from_us(ist_midnight_us(date(2026, 11, 20))) == datetime(2026, 11, 19, 18, 30, tzinfo=UTC)
    assert ist_date(datetime(2026, 11, 19, 18, 30, tzinfo=UTC)) == date(2026, 11, 20)


def test_a_broken_session_lists_only_its_own_minutes() -> None:
    session = Session(
        date(2024, 3, 2), "NSE", "CM", False, (Window("continuous", 555, 600), Window("continuous", 690, 750)), "press"
    )
    assert session.minutes == 105
    starts = session.minute_starts_us()
    assert len(starts) == 105
    assert utc_from_us(starts[45]).astimezone(IST).strftime("%H:%M") == "11:30"
    assert utc_from_us(session.close_us).astimezone(IST).strftime("%H:%M") == "12:30"


def test_a_verified_capture_outranks_a_complete_one_and_failure_comes_last() -> None:
    verified = Verdict(Outcome.COMPLETE, proof=Proof.VERIFIED)
    ranks = [verified.rank, *(Verdict(o).rank for o in (Outcome.COMPLETE, Outcome.PARTIAL, Outcome.EMPTY_STATED, Outcome.FAILED))]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)
