"""Decisions only: pure functions over frozen records.

Nothing here reads a clock, a random source, a file or a socket; nothing awaits and nothing logs.
Whatever a decision needs is an argument, and what it decides is the value it returns.
"""
