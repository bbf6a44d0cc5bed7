"""``python -m fnolake`` is the ``fnolake`` command."""

from fnolake.cli.main import main

if __name__ == "__main__":
    main()
