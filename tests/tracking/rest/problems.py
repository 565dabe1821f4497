"""Assertions about error responses over HTTP."""

from http import HTTPStatus

MEMBERS = ("type", "title", "status", "detail", "code")


def problem(response, status, code):
    """Return the detail of an error. All errors have the same shape."""
    assert response["Cache-Control"] == "no-store"
    body = problem_members(response, status)
    assert tuple(body) == MEMBERS
    assert body["code"] == code
    return body["detail"]


def problem_members(response, status):
    """Return the RFC 9457 problem details, with any additional members."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert tuple(body)[: len(MEMBERS)] == MEMBERS
    assert body["type"] == "about:blank"
    assert (body["status"], body["title"]) == (status, HTTPStatus(status).phrase)
    assert body["detail"]
    assert body["code"]
    return body
