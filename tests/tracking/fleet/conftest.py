"""Fixtures: a fleet whose hub and database are set by hand, and a viewer of it."""

import asyncio
from datetime import timedelta

import pytest

from tracking.fleet import keeper as fleet_keeper
from tracking.fleet import viewer as fleet_viewer
from tracking.fleet.hub import FleetHub
from tracking.fleet.keeper import Keeper

from ..fakes import NOON, within_deadline
from .viewers import Following, Rows, Viewer


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(fleet_viewer, "INTERVAL", 0.02)
    monkeypatch.setattr(fleet_viewer, "MIN_INTERVAL", 0.01)
    monkeypatch.setattr(fleet_keeper, "HEAL_INTERVAL", 0.01)


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def hub():
    return Following()


@pytest.fixture
def clock():
    """Return the clock: a list with one number, the seconds after noon."""
    return [0.0]


async def listen():
    """Do nothing: tests apply changes of states themselves."""


@pytest.fixture
async def fleet(hub, rows, clock):
    keeper = Keeper(hub, rows, lambda: NOON + timedelta(seconds=clock[0]), listen)
    fleet = FleetHub(keeper)
    yield fleet
    await within_deadline(fleet.close())
    assert hub.followers == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def viewer(fleet):
    return Viewer(fleet)
