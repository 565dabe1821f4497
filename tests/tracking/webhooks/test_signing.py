import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tracking.webhooks.signing import new_secret, sign

BODY = '{"type":"waypoint.arrived","data":{"reference":"Zürich"}}'.encode()


def headers(signature, timestamp):
    return {
        "webhook-id": "m1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def test_secret_has_the_standards_form():
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_secret()


def test_signature_is_the_standards_example():
    """From the specification."""
    signature = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_signature_is_an_hmac_of_id_time_and_body():
    secret = new_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, b"m1.1700000000." + BODY, hashlib.sha256).digest())
    assert sign([secret], "m1", 1_700_000_000, BODY) == f"v1,{expected.decode()}"


def test_receivers_with_either_secret_accept_the_message_while_secrets_change():
    new, former, now = new_secret(), new_secret(), int(time.time())
    sent = headers(sign([new, former], "m1", now, BODY), now)
    assert sent["webhook-signature"].split(" ")[0] == sign([new], "m1", now, BODY)
    for secret in (new, former):
        assert Webhook(secret).verify(BODY, sent)["type"] == "waypoint.arrived"
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, sent)


def test_a_changed_byte_is_refused():
    secret, now = new_secret(), int(time.time())
    sent = headers(sign([secret], "m1", now, BODY), now)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", sent)
