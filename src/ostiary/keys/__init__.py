"""Where keys live: the master key in a file, every other key sealed under it in the store."""
