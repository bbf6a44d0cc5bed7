"""Outgoing broker and exchange traffic, all of it. ``account`` guards, adapters translate."""
