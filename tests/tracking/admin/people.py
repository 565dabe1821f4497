"""Drivers, riders and trips, for the admin's pages of them."""

import html
import re

from django.contrib.auth import get_user_model

from .history import text_of

STATES = "/admin/tracking/driverstate/"
TRIPS = "/admin/tracking/trip/"
GRANTS = "/admin/tracking/watchgrant/"


def new_user(name, role="driver"):
    email = f"{name.lower().replace(' ', '.')}@example.com"
    return get_user_model().objects.create_user(email=email, name=name, role=role)


def page_of(root, row):
    return f"{root}{row.pk}/change/"


def plain(response):
    """Return the text of a page, without tags and with single blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text_of(response))).split())


def errors_of(response):
    """Return the errors of a form by field."""
    assert response.status_code == 200
    return {name: list(texts) for name, texts in response.context["adminform"].errors.items()}


def found(response):
    """Return the rows of a list."""
    assert response.status_code == 200
    return list(response.context["cl"].result_list)
