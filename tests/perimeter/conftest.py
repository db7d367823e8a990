"""One laboratory for the whole run; every test brings its own gate."""
import shutil

import pytest

from lab import Exim, Namespaces, Stub, temporary


@pytest.fixture(scope="session")
def net():
    namespaces = Namespaces()
    yield namespaces
    namespaces.close()


@pytest.fixture
def folder():
    path = temporary()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stub(net):
    server = Stub(net)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def exim_folder():
    path = temporary()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def exim(net, exim_folder):
    server = Exim(net, exim_folder)
    yield server
    server.stop()
