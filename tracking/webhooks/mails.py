"""Mails to the project's ADMINS about endpoints that were disabled, each at least once.

The transaction that disables an endpoint makes the mail due, so a killed process loses none. ADMINS
have no language of their own, so the mails are in LANGUAGE_CODE.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.mail import get_connection, mail_admins
from django.db import router
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tracking.models import WebhookEndpoint
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# The next try, after a mail failed or the process that sends it was killed.
RETRY_AFTER: Final = timedelta(minutes=5)
# A mail that failed for so long is not sent any more.
GIVE_UP_AFTER: Final = timedelta(days=1)
# Seconds for each step of talking to the mail server. A process that is to stop waits for the mail.
TIMEOUT: Final = 5


def send_mail() -> None:
    """Send the mail that has been due for longest, if there is one. Never raise mail errors."""
    endpoints = WebhookEndpoint.objects.using(router.db_for_write(WebhookEndpoint))
    now = timezone.now()
    endpoint = endpoints.filter(mail_due_at__lte=now).order_by("mail_due_at").first()
    if endpoint is None:
        return
    same = endpoints.filter(pk=endpoint.pk, mail_due_at=endpoint.mail_due_at)
    next_try = now + RETRY_AFTER
    if not same.update(mail_due_at=next_try):
        return  # another process sends it
    if _send(endpoint) or _is_hopeless(endpoint, now):
        endpoints.filter(pk=endpoint.pk, mail_due_at=next_try).update(mail_due_at=None)


def _is_hopeless(endpoint: WebhookEndpoint, now: datetime) -> bool:
    return endpoint.disabled_at is None or now - endpoint.disabled_at >= GIVE_UP_AFTER


def _send(endpoint: WebhookEndpoint) -> bool:
    """Return True if the mail was sent, or if there is nobody to send it to."""
    if not settings.ADMINS:
        return True
    with translation.override(settings.LANGUAGE_CODE):
        subject, text = _words(endpoint)
    try:
        mail_admins(subject, text, connection=get_connection(timeout=TIMEOUT))
    except Exception as error:
        logger.error("The mail about a disabled webhook endpoint failed: %s", reason(error))
        return False
    return True


def _words(endpoint: WebhookEndpoint) -> tuple[str, str]:
    """Return the subject and the text, in the active language."""
    subject = _("Webhook endpoint %(number)s was disabled") % {"number": endpoint.pk}
    lines = (
        _("Nothing is delivered to %(url)s any more: %(reason)s.")
        % {
            "url": endpoint.url.partition("?")[0],
            "reason": endpoint.get_disabled_reason_display(),
        },
        _("Its failed deliveries are in the admin. Enable it there when it works again."),
    )
    return subject, "\n".join(lines)
