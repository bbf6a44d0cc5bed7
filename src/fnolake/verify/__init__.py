"""
What a normalized page is worth: one verdict for every wanted contract-session. Pure: the caller says what now is.

Completeness comes first from the session's minutes, then from volume: the provider's own day total, bar by bar, and
the exchange's file. Invariant: every wanted session gets exactly one verdict, and nothing is complete by assumption.
"""

from fnolake.verify.again import by_contract, empty_again, judge_again
from fnolake.verify.case import ExchangeRow
from fnolake.verify.judge import judge, refused_rows, verdict_for_empty
from fnolake.verify.rebased import NOTHING, Actions, unless_rebased
from fnolake.verify.witnesses import Witness, compare, keep

__all__ = [
    "NOTHING", "Actions", "ExchangeRow", "Witness", "by_contract", "compare", "empty_again", "judge", "judge_again", "keep", "refused_rows", "unless_rebased",
    "verdict_for_empty",
]
