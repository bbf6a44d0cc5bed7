"""
Where one account's sign-in lives: in memory, and in the state drawer between runs.

Processes of one lake share the drawer, so a sign-in that one of them renewed is taken over by the others. Invariant: a
late refusal of an old token never ends a newer one, and a sign-in made for another address is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from fnolake.model import StatePort


class HasToken(Protocol):
    """A sign-in, as far as it matters here."""

    @property
    def token(self) -> str:
        """What goes on every request."""


S = TypeVar("S", bound=HasToken)


class Tokens(Generic[S]):
    """
    One account's sign-in.

    Args:
        state: The drawer.
        key: Its place there.
        made_for: Texts (address, generation) that must be the same for a saved sign-in to be taken.
        pack: The sign-in as JSON values.
        unpack: The other way; may raise ValueError, KeyError, TypeError, AttributeError or OverflowError.
    """

    def __init__(
        self, state: StatePort, key: str, made_for: Mapping[str, str], pack: Callable[[S], dict[str, object]],
        unpack: Callable[[Mapping[str, Any]], S],
    ) -> None:
        self._state = state
        self._key = key
        self._made_for = dict(made_for)
        self._pack = pack
        self._unpack = unpack
        self._taken_over = False
        self.present: S | None = None
        self.adopted = False
        self._recall()

    def __repr__(self) -> str:
        return f"Tokens({self._key!r}, signed_in={self.present is not None}, adopted={self.adopted})"

    def keep(self, sign_in: S, *, adopted: bool) -> None:
        """Use this sign-in from now on, in later runs too."""
        self.present, self.adopted = sign_in, adopted
        saved = {**self._pack(sign_in), **self._made_for, "adopted": adopted}
        self._state.save(self._key, json.dumps(saved).encode())

    def forget(self) -> None:
        """Have no sign-in any more."""
        self.present, self.adopted = None, False
        self._state.delete(self._key)

    def drop(self, used: S) -> None:
        """Forget a refused sign-in, here and in the drawer, unless a newer one has taken its place."""
        if self.present is None or self.present.token != used.token:
            return
        adopted = self.adopted
        self._recall()
        self._taken_over = self.present is not None and self.present.token != used.token
        if not self._taken_over:
            self.forget()
            self.adopted = adopted

    def was_renewed_elsewhere(self) -> bool:
        """Whether the last refused sign-in was replaced by another process's; says so once."""
        taken, self._taken_over = self._taken_over, False
        return taken

    def _recall(self) -> None:
        """Take what the drawer holds; nothing where it was made for another address or is damaged."""
        saved = self._state.load(self._key)
        try:
            held = json.loads(saved) if saved else {}
            if not held or any(held.get(name) != text for name, text in self._made_for.items()):
                return
            self.present, self.adopted = self._unpack(held), bool(held["adopted"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            self.present, self.adopted = None, False
