"""Answers that a page polls: with an ETag, and 304 while nothing has changed."""

import hashlib
from typing import cast

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request


def conditional(request: Request, body: bytes) -> HttpResponse:
    """Return the JSON body, or 304 if the client has it."""
    response = HttpResponse(body, content_type="application/json")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    # The user's browser may store the response, and must revalidate it each time.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization, Cookie"
    answer = get_conditional_response(request._request, etag=etag, response=response)
    return cast("HttpResponse", answer)
