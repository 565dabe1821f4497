"""What errors over HTTP look like."""

from http import HTTPStatus

MEMBERS = ("type", "title", "status", "detail", "code")


def problem(response, status, code):
    """The detail of an error, which has the same shape whatever went wrong."""
    assert response["Cache-Control"] == "no-store"
    body = problem_members(response, status)
    assert tuple(body) == MEMBERS
    assert body["code"] == code
    return body["detail"]


def problem_members(response, status):
    """The members of RFC 9457 problem details, and more that there may be."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert tuple(body)[: len(MEMBERS)] == MEMBERS
    assert body["type"] == "about:blank"
    assert (body["status"], body["title"]) == (status, HTTPStatus(status).phrase)
    assert body["detail"]
    assert body["code"]
    return body
