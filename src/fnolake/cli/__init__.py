"""The command line, a thin face of :mod:`fnolake.lake`: parse, ask the lake once, render. No logic of the line."""
