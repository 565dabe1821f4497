"""The project under a WSGI server, without sockets: `python -m tests.e2e.wsgi PORT`."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application


class Server(ThreadingMixIn, WSGIServer):
    """Serves each request in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    """Logs the client's address without a DNS query."""

    def address_string(self):
        return self.client_address[0]


if __name__ == "__main__":
    application = get_wsgi_application()
    make_server("127.0.0.1", int(sys.argv[1]), application, Server, Handler).serve_forever()
