"""fnolake: every minute of every NSE F&O underlying, future and option, on your own disk, proven complete."""

__version__ = "0.1.0"
