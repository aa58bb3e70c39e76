"""Certificates, made by the openssl program for the length of a test."""

import pathlib
import ssl
import subprocess

CONFIG = """
[req]
distinguished_name = nobody
prompt = no
[nobody]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[site]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
[pile]
basicConstraints = critical, CA:false
extendedKeyUsage = clientAuth
"""


class Authority:
    """Who signs certificates; its files lie in a directory of its own."""

    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self._config = self.directory / "openssl.cnf"
        self._config.write_text(CONFIG)
        self.certificate, self.key = self._make(name, "authority")

    def site(self, name="site"):
        """Certificate and key of a server at 127.0.0.1."""
        return self._make(name, "site", self)

    def pile(self, name):
        """Certificate and key of a client whose subject is `name`."""
        return self._make(name, "pile", self)

    def trust(self, certificate=None):
        """What a client has that trusts this authority, and shows a certificate of its own."""
        context = ssl.create_default_context(cafile=self.certificate)
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return context

    def _make(self, name, kind, signer=None):
        certificate = self.directory / f"{kind}-{name}.crt"
        key = self.directory / f"{kind}-{name}.key"
        signing = ["-CA", signer.certificate, "-CAkey", signer.key] if signer else []
        subprocess.run(
            ["openssl", "req", "-x509", "-config", self._config, "-extensions", kind]
            + ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-subj", f"/CN={name}", "-keyout", key, "-out", certificate, *signing],
            check=True,
            capture_output=True,
        )
        return certificate, key


def serial_shown(port, context):
    """The serial number of the certificate that a TLS listener shows."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as door:
            return door.getpeercert()["serialNumber"]
