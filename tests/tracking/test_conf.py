import pytest

from tracking.conf import DEFAULTS, conf


def test_a_setting_that_the_project_does_not_give_has_its_default(settings):
    del settings.TRACKING
    assert {name: getattr(conf, name) for name in DEFAULTS} == DEFAULTS


def test_a_setting_of_the_project_wins_and_leaves_the_others(settings):
    settings.TRACKING = {"SHARDS": 7}
    assert (7, DEFAULTS["STALE_AFTER"]) == (conf.SHARDS, conf.STALE_AFTER)


def test_a_changed_setting_takes_effect_at_once(settings):
    settings.TRACKING = {"SHARDS": 7}
    settings.TRACKING = {"SHARDS": 8}
    assert conf.SHARDS == 8


def test_an_unknown_setting_is_an_error():
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = conf.NO_SUCH
