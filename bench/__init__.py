"""What `make bench` runs: ratios within one run, medians of several. Absolute figures are noise on a shared machine."""
