"""The feed: how floors, keys and roles reach every guard. What a follower decides stands in `core.floor`.

| module      | is                                                                        |
|-------------|---------------------------------------------------------------------------|
| `follower`  | a process with the store follows that                                     |
| `redis`     | a stream beside the store, so that not everybody asks it at each change   |
| `relay`     | the same process passes its view on to verifiers                          |
| `wire`      | the format between the two; `docs/spec/feed.md` owns it                   |
| `http`      | a verifier follows a relay                                                |
"""
