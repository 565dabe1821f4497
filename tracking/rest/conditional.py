"""Answers that a client asks for again and again: 304 if nothing has changed."""

import hashlib
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response


def conditional(request: HttpRequest, body: bytes, **headers: str) -> HttpResponse:
    """Return `body` as JSON with its ETag, or 304 if the request's `If-None-Match` has that.

    `request` is Django's request, `headers` are headers of both answers.
    """
    response = HttpResponse(body, content_type="application/json", headers=headers)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    answer = get_conditional_response(request, etag=etag, response=response)
    return cast("HttpResponse", answer)
