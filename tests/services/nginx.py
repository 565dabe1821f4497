"""The system's nginx, with the configuration that `deploy/` recommends."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .process import Process, ServiceError
from .program import PROJECT, Program

PACKAGE = "nginx-light"  # Debian's
# Some distributions install it outside the PATH of users.
DIRECTORIES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def has_ipv6() -> bool:
    """Return whether this machine can listen on ::1."""
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return False
    return True


class NginxProgram(Program):
    def version(self) -> str:
        answer = subprocess.run([self.path, "-v"], capture_output=True, timeout=30)
        return answer.stderr.decode().strip() if answer.returncode == 0 else ""


def find_nginx() -> Program:
    if path := shutil.which("nginx", path=DIRECTORIES):
        return NginxProgram(Path(path), "system")
    raise ServiceError(
        "There is no nginx to test the recommended configuration with. Install one with "
        "`python -m tests.services`, or by hand (Debian: `apt-get install nginx-light`)."
    )


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate that nobody trusts, valid for a day, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, private.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    pem = Encoding.PEM
    certificate.write_bytes(builder.sign(private, SHA256()).public_bytes(pem))
    key.write_bytes(private.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()))


class Nginx(Process):
    """Runs `deploy/nginx.conf` in front of servers on these ports of 127.0.0.1.

    It serves without TLS, or with a certificate of its own and HTTP/2 if `tls` is true.
    """

    def __init__(self, ports: Sequence[int], *, tls: bool = False) -> None:
        super().__init__("nginx")
        self._ports = ports
        self._tls = tls
        self._folder = tempfile.TemporaryDirectory(prefix="ridehail-nginx-")
        self._program = find_nginx()

    @property
    def websocket_url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def redirect_socket(self) -> Path:
        """Return the path of the socket that replaces port 80, for plain HTTP."""
        return Path(self._folder.name) / "redirect.sock"

    def access_log(self) -> str:
        return (Path(self._folder.name) / "access.log").read_text()

    def command(self) -> list[str | os.PathLike[str]]:
        folder = Path(self._folder.name)
        # nginx's workers drop root's rights, and need access.
        folder.chmod(0o755)
        text = (PROJECT / "deploy" / "nginx.conf").read_text()
        for address, port in zip(("127.0.0.1:3002", "127.0.0.1:3003"), self._ports, strict=True):
            text = text.replace(address, f"127.0.0.1:{port}")
        options = ""
        if self._tls:
            text = text.replace("/etc/ssl/", f"{folder}/")
            write_certificate(folder / "ride.example.com.pem", folder / "ride.example.com.key")
            options = " ssl http2"
        else:
            text = re.sub(r"\n *ssl_.*", "", text)
        text = text.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port}{options};")
        both = f"listen [::1]:{self.port}{options};" if has_ipv6() else ""
        text = text.replace("listen [::]:443 ssl http2;", both)
        text = text.replace("listen [::]:80;", "")
        text = text.replace("listen 80;", f"listen unix:{self.redirect_socket};")
        text = text.replace("/var/log/nginx/access.log", str(folder / "access.log"))
        # Otherwise a test would take that long.
        text = text.replace("client_header_timeout 10s;", "client_header_timeout 1s;")
        # One worker for each core is too many for a test.
        text = text.replace("worker_processes auto;", "worker_processes 1;")
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("http {", f"http {{\n    {kind}_temp_path {folder}/{kind};", 1)
        (folder / "nginx.conf").write_text(text)
        directives = f"daemon off; error_log stderr warn; pid {folder}/nginx.pid;"
        return [self._program.path, "-c", str(folder / "nginx.conf"), "-g", directives]

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._folder.cleanup()
