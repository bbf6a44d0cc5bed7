"""The exchange's end-of-day files."""
