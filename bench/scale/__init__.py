"""How far one database and its guards reach: costs that are measured here, and a simulation that is driven by them.

`costs` is the record of what was measured, `memory` and `database` measure it, `postgres` is what they measure against.
`behaviour` and `queues` simulate; `report` says what came out. `python -m bench.scale` does all of it.
"""
