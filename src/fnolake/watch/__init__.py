"""What an operator watches: one log of what happens, and figures for a monitor. Reads, and decides nothing."""
