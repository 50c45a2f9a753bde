"""What `make bench` runs: medians of several rounds, and wherever there is a floor, a ratio to it or the floor beside.

Absolute figures are noise on a shared machine: read them with what the machine itself cost in the same run.
"""
