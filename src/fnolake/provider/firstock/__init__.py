"""Firstock (V1, JSON): its wire, its symbol masters, its sign-in, a client. Nothing else knows its words."""
