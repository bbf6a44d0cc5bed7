"""
The contract tests that every provider passes, ours and third parties'. Subclass :class:`ProviderContract`.

Nothing of the product imports this. No test runner is imported either: the stories are plain methods, skipped by
``unittest.SkipTest``, so pytest runs them with no plugin. Invariant: each promise of ``provider.base`` has a story here.
See ``docs/howto/add-a-provider.md``.
"""

from __future__ import annotations

from fnolake.testing.answers import AnswerPromises
from fnolake.testing.case import ADOPTED, Answers, MasterAnswer, ProviderCase, Stage, story
from fnolake.testing.damage import damaged
from fnolake.testing.masters import MasterPromises
from fnolake.testing.server import NOW, Drawer, Received, Reply, ScriptedServer, StillClock
from fnolake.testing.sign_ins import SignInPromises


class ProviderContract(AnswerPromises, SignInPromises, MasterPromises):
    """
    Every promise of a provider as a test.

    Name the subclass ``Test...`` and give it what :class:`~fnolake.testing.case.ProviderCase` lists: factory, settings,
    secrets, answers and a contract.
    """


__all__ = [
    "ADOPTED", "NOW", "Answers", "Drawer", "MasterAnswer", "ProviderCase", "ProviderContract", "Received", "Reply", "ScriptedServer",
    "Stage", "StillClock", "damaged", "story",
]
