"""What errors over HTTP look like."""


def problem(response, status, code):
    """The detail of an error, which has the same shape whatever went wrong."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert list(body) == ["type", "title", "status", "detail", "code"]
    assert body["type"] == "about:blank"
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    return body["detail"]
