"""What ``queries.py`` compares: our lake, and the same rows as the users of other stores keep them."""
