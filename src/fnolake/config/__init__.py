"""
Settings, read once at the edge and passed in: :func:`load` reads, ``write_initial`` and the account verbs write.

Invariant: whatever is wrong in a file, a variable or a flag is one :class:`~fnolake.errors.ConfigError` line.
"""

from fnolake.config.read import known_keys, load
from fnolake.config.settings import (
    CAUSES,
    FILE_NAME,
    GENERATIONS,
    PROVIDERS,
    AccountSettings,
    AlertSettings,
    AnalyticsSettings,
    CalendarSettings,
    ExchangeSettings,
    FirstockSettings,
    FreshnessSettings,
    HttpSettings,
    RepairSettings,
    Settings,
    ShoonyaSettings,
    SyncSettings,
)
from fnolake.config.write import add_account, remove_account, write_initial

__all__ = [
    "CAUSES", "FILE_NAME", "GENERATIONS", "PROVIDERS", "AccountSettings", "AlertSettings", "AnalyticsSettings", "CalendarSettings",
    "ExchangeSettings", "FirstockSettings", "FreshnessSettings", "HttpSettings", "RepairSettings", "Settings", "ShoonyaSettings",
    "SyncSettings", "add_account", "known_keys", "load", "remove_account", "write_initial",
]
