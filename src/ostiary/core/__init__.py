"""Decisions only: pure functions over frozen records, and `Floors`, a view that changes only as it is told.

Nothing here reads a clock, a random source, a file or a socket; nothing awaits and nothing logs.
Whatever a decision needs is an argument, and what it decides is the value it returns.
"""
