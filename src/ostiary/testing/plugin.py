"""The plugin of pytest. It is loaded in every run where Ostiary is installed, so it loads nothing itself."""
