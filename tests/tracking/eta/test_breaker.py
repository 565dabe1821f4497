from tracking.eta.breaker import FIRST_PAUSE, MAX_FAILURES, MAX_PAUSE, Breaker


def opened():
    breaker = Breaker()
    for _ in range(MAX_FAILURES):
        assert breaker.allows(0)
        breaker.fail(0)
    return breaker


def test_opens_after_failures_in_a_row_only():
    breaker = Breaker()
    for _ in range(10):
        for _ in range(MAX_FAILURES - 1):
            breaker.fail(0)
        breaker.succeed()
    assert breaker.allows(0)
    assert not opened().allows(0)


def test_one_probe_after_a_pause():
    breaker = opened()
    assert not breaker.allows(FIRST_PAUSE - 0.1)
    assert breaker.allows(FIRST_PAUSE)
    assert not breaker.allows(FIRST_PAUSE)
    assert not breaker.allows(1000)


def test_closes_when_the_probe_succeeds():
    breaker = opened()
    assert breaker.allows(FIRST_PAUSE)
    breaker.succeed()
    assert breaker.is_closed
    assert breaker.allows(FIRST_PAUSE)
    assert breaker.allows(FIRST_PAUSE)


def test_the_pause_doubles_up_to_a_limit():
    breaker, now, pauses = opened(), FIRST_PAUSE, []
    for _ in range(6):
        assert breaker.allows(now)
        breaker.fail(now)
        since = now
        while not breaker.allows(now):
            now += 1
        breaker.cancel()
        pauses.append(now - since)
    assert pauses == [10, 20, 40, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]


def test_late_failures_of_earlier_requests_do_not_lengthen_the_pause():
    breaker = opened()
    breaker.fail(4)
    assert breaker.allows(FIRST_PAUSE)


def test_a_probe_that_is_given_up_may_be_repeated():
    breaker = opened()
    assert breaker.allows(FIRST_PAUSE)
    breaker.cancel()
    assert breaker.allows(FIRST_PAUSE)
