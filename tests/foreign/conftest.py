import os
import shutil

import pytest


def missing(what):
    """Without its tools this suite proves nothing; CI must not pass over that."""
    if os.environ.get("CI"):
        pytest.exit(f"{what} is missing", returncode=1)
    pytest.exit(f"SKIPPED, NOTHING WAS TESTED: {what} is missing", returncode=0)


try:
    import certificates
    import controller
    import pymodbus.server  # noqa: F401
    import serial  # noqa: F401
    import sites as sites_module
    import slaves as slaves_module
except ImportError as error:
    missing(error.name or str(error))


def pytest_sessionstart(session):
    if sites_module.mosquitto() is None:
        missing("mosquitto")
    for tool in ("mosquitto_pub", "mosquitto_sub", "openssl"):
        if shutil.which(tool) is None:
            missing(tool)


@pytest.fixture
def cloud(tmp_path):
    """Port of a mosquitto without a login."""
    with sites_module.mosquitto_running(tmp_path) as cloud:
        yield cloud.port


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """Opens a site in a directory of its own: `with sites() as site`."""
    if not controller.BINARY.exists():
        missing(f"the program ({controller.BINARY})")

    def open_one(*cloud, **options):
        return sites_module.site_at(tmp_path_factory.mktemp("site"), *cloud, **options)

    return open_one


@pytest.fixture
def site(sites):
    with sites() as site:
        yield site


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Who signs the certificates of the doors."""
    return certificates.Authority(tmp_path_factory.mktemp("certificates"), "site-ca")


@pytest.fixture(scope="session")
def trust(authority):
    """What a pile has that trusts this authority."""
    return authority.trust()


@pytest.fixture(scope="session")
def libmodbus_slave(tmp_path_factory):
    """The slave made of libmodbus, built."""
    try:
        return slaves_module.compile_libmodbus_slave(tmp_path_factory.mktemp("libmodbus"))
    except slaves_module.NoLibmodbus as error:
        missing(str(error))
