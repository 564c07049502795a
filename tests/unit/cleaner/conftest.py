"""The cleaner's kit as fixtures."""

from collections.abc import Callable

import pytest

from libs.common.workflows import Workflow
from tests.unit.cleaner.cleaner_kit import FakeCleanerStore, FakeConfiguration, make_picture, make_workflow


@pytest.fixture
def store() -> FakeCleanerStore:
    return FakeCleanerStore()


@pytest.fixture
def configuration() -> Callable[..., FakeConfiguration]:
    return lambda *workflows: FakeConfiguration(list(workflows))


@pytest.fixture
def workflow() -> Callable[..., Workflow]:
    return make_workflow


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return make_picture
