"""Facts of NSE and BSE: sessions, expiries, the exchange's end-of-day files. Data files carry their sources."""
