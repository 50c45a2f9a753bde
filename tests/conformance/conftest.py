"""The suites stand outside test files, so pytest has to be told to explain their assertions."""

import pytest

pytest.register_assert_rewrite("ostiary.testing.conformance")
