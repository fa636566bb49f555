"""What holds for all tests: a property is judged by what it says, not by the clock."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")
