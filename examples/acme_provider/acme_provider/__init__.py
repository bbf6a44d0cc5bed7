"""Acme, an imaginary broker, as a provider of fnolake. The entry point names :func:`make`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acme_provider.client import AcmeClient
    from fnolake.provider.registry import Setup


def make(setup: Setup) -> AcmeClient:
    """Make the client of one account; nothing is sent, and nothing heavy is imported before."""
    from acme_provider.client import AcmeClient

    return AcmeClient(setup)
