"""Following the feed: how floors, keys and roles reach every guard."""
