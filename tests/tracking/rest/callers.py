"""Users who call the REST API."""

from django.contrib.auth import get_user_model
from django.test import Client

from accounts.tokens import access_token_for


class Caller:
    """Calls the API with JSON and one user's access token. `pk` is the user's id."""

    def __init__(self, user):
        self.pk = user.pk
        self.client = Client(headers={"Authorization": f"Bearer {access_token_for(user)}"})

    def get(self, path, query=None):
        return self.client.get(path, query)

    def post(self, path, data=None):
        return self.client.post(path, {} if data is None else data, content_type="application/json")

    def put(self, path, data):
        return self.client.put(path, data, content_type="application/json")


def new_caller(role, **fields):
    """Create a user with a role, and return its caller."""
    users = get_user_model().objects
    email = f"{role}{users.count()}@example.com"
    return Caller(users.create_user(email=email, role=role, **fields))
