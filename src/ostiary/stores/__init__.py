"""Where everything is kept: `sql`, or `memory` in tests. `redis` stands beside one: it keeps what may be forgotten."""
