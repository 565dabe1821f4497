"""Real services for tests and benchmarks: each is a context manager that starts and stops one.

`python -m tests.services` makes sure that there is one of each.
"""

from .browser import find_browser, launch_options
from .history import KeptFix, history
from .migrated import migrate
from .nginx import Nginx, find_nginx
from .osrm import RoutingEngine, find_engine
from .pgbouncer import PgBouncer, find_pgbouncer
from .postgres import Postgres, Standby, find_postgres, postgres_service
from .process import Process, ServiceError
from .redis import Redis, find_redis, redis_service
from .server import (
    JWT_SIGNING_KEY,
    Deliverer,
    PlainUvicorn,
    Runserver,
    Uvicorn,
    cluster,
    environment,
    manage,
    sqlite,
)
from .users import StoredLocation, create_users, locations
from .valhalla import Valhalla

__all__ = [
    "JWT_SIGNING_KEY",
    "Deliverer",
    "KeptFix",
    "Nginx",
    "PgBouncer",
    "PlainUvicorn",
    "Postgres",
    "Process",
    "Redis",
    "RoutingEngine",
    "Runserver",
    "ServiceError",
    "Standby",
    "StoredLocation",
    "Uvicorn",
    "Valhalla",
    "cluster",
    "create_users",
    "environment",
    "find_browser",
    "find_engine",
    "find_nginx",
    "find_pgbouncer",
    "find_postgres",
    "find_redis",
    "history",
    "launch_options",
    "locations",
    "manage",
    "migrate",
    "postgres_service",
    "redis_service",
    "sqlite",
]
