"""The plugin of pytest. It is loaded in every run where Ostiary is installed, so it loads nothing itself."""

import pytest

pytest.register_assert_rewrite("ostiary.testing.conformance")
