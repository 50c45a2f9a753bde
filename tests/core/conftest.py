"""How the tests of core search by chance."""

from hypothesis import settings

# The machine that runs the tests may be busy: how long an example takes says nothing.
settings.register_profile("ostiary", deadline=None)
settings.load_profile("ostiary")
