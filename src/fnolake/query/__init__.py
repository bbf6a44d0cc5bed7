"""Reading the lake: bars as people and programs want them, what is covered and what is missing. Writes nothing."""
