"""
The only writer inside the lake: batches, ledger, Delta tables, masters, upkeep.

Nothing here asks a provider or judges data. Invariant: a bar counts only if its batch, or its published session, is
the one that the ledger's coverage names.
"""
