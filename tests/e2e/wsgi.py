"""The project under a WSGI server, as a host without sockets runs it: `python -m tests.e2e.wsgi`
and a port.
"""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    """Asks no resolver who the client is."""

    def address_string(self):
        return self.client_address[0]


if __name__ == "__main__":
    application = get_wsgi_application()
    make_server("127.0.0.1", int(sys.argv[1]), application, Server, Handler).serve_forever()
