"""
The line itself, and the only place that knows all stations: plan, then ask, normalize, verify and store.

``plan`` is pure; ``backfill`` runs the four steps. What is wanted and what is covered comes from the store.
"""
