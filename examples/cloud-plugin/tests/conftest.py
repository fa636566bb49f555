"""Have pytest explain the failed assertions of the suite that we inherit."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("providers.conformance")
