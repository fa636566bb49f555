"""Share the real API server of tests/kube: pytest -m e2e tests/diagnosis."""

from tests.kube.conftest import plane  # noqa: F401 - a fixture
