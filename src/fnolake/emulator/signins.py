"""Sign-ins and one-time codes of the emulated users at one broker."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field

CODE_LIFE_S = 300.0
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in; either token stands for it until it has ended, at the latest at ``dies_at`` (emulated epoch)."""

    uid: str
    access_token: str
    susertoken: str
    dies_at: float = NEVER
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class SignIns:
    """Sign-ins of a broker's users. A new one ends the user's older, unless told otherwise."""

    def __init__(self) -> None:
        self._by_token: dict[str, SignIn] = {}
        self._by_uid: dict[str, list[SignIn]] = {}
        self._codes: dict[str, tuple[str, float]] = {}

    def open(self, uid: str, *, alone: bool = True, dies_at: float = NEVER) -> SignIn:
        """Sign a user in; ``alone`` ends the sign-ins that were."""
        if alone:
            self.end(uid)
        signed = SignIn(uid, secrets.token_hex(32), secrets.token_hex(32), dies_at)
        self._by_uid.setdefault(uid, []).append(signed)
        self._by_token[signed.access_token] = self._by_token[signed.susertoken] = signed
        return signed

    def end(self, uid: str) -> int:
        """End the user's sign-ins; how many there were."""
        ending = list(self._by_uid.get(uid, ()))
        for signed in ending:
            self.close(signed)
        return len(ending)

    def close(self, signed: SignIn) -> None:
        """End one sign-in; one that has ended already stays so."""
        if signed.ended.is_set():
            return
        self._by_uid[signed.uid].remove(signed)
        del self._by_token[signed.access_token], self._by_token[signed.susertoken]
        signed.ended.set()

    def of(self, token: str, now_s: float = 0.0) -> SignIn | None:
        """The live sign-in that a token stands for at an emulated instant."""
        signed = self._by_token.get(token)
        if signed is not None and now_s >= signed.dies_at:
            self.close(signed)
            return None
        return signed

    def uid_of(self, token: str) -> str | None:
        """Whose live sign-in a token stands for."""
        signed = self._by_token.get(token)
        return None if signed is None else signed.uid

    def live(self, uid: str) -> SignIn | None:
        """The user's newest live sign-in."""
        return next(reversed(self._by_uid.get(uid, [])), None)

    def users(self) -> dict[str, int]:
        """How many live sign-ins each user has; users without one are absent."""
        return {uid: len(signed) for uid, signed in self._by_uid.items() if signed}

    def new_code(self, uid: str) -> str:
        """A one-time code for a user, good for :data:`CODE_LIFE_S` real seconds."""
        code = secrets.token_hex(16)
        self._codes[code] = (uid, time.monotonic())
        return code

    def take_code(self, code: str) -> str | None:
        """Whose code it is, using it up; None if unknown, used or too old."""
        uid, at = self._codes.pop(code, ("", 0.0))
        return uid if uid and time.monotonic() - at <= CODE_LIFE_S else None
