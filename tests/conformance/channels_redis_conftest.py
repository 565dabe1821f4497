"""Gives the tests of channels_redis our channel layer and our servers."""

import json
import os
from pathlib import Path

import pytest

from tracking.contrib.channels_redis import ChannelLayer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    hosts = json.loads(os.environ["CONFORMANCE_HOSTS"])
    for module in {item.module for item in items}:
        names = {
            "RedisPubSubChannelLayer": ChannelLayer,
            "TEST_HOSTS": hosts[Path(module.__file__).name],
        }
        for name, value in names.items():
            assert hasattr(module, name), f"{module.__file__} no longer uses {name}"
            setattr(module, name, value)
