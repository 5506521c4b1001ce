"""Where a connection may go is decided when it is made."""

import asyncio

import pytest

from cornucopia.sources.web.connect import is_public
from cornucopia.sources.web.fetch import Fetcher
from web_site import page, web_site


def ask(address, *, names, private=False, serves=lambda host, port: True):
    """One answer, where names are looked up in a table: each name's answers one after another."""

    async def resolve(host, port):
        answers = names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def once():
        fetcher = Fetcher(serves, private=private, resolve=resolve, read_seconds=2)
        try:
            return await fetcher.get(address)
        finally:
            await fetcher.close()

    return asyncio.run(once())


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("198.18.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1"),
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_addresses_that_are(address):
    assert is_public(address)


def test_a_name_that_points_inside_is_refused_even_beside_a_public_address():
    with web_site() as site:
        port = site.host.rpartition(":")[2]
        answer = ask(f"http://bank.example:{port}/", names={"bank.example": [["93.184.216.34", "127.0.0.1"]]})
        assert answer.problem == "refused" and "127.0.0.1" in answer.detail and site.hits == []


def test_the_address_that_was_checked_is_the_one_connected_to():
    with web_site() as site:
        site.pages["/"] = page(text="到了")
        port = site.host.rpartition(":")[2]
        answer = ask(f"http://bank.example:{port}/", names={"bank.example": [["127.0.0.1"]]}, private=True)
        assert answer.status == 200 and site.headers["/"][0]["host"] == f"bank.example:{port}"


def test_a_name_that_changes_its_mind_is_checked_each_time():
    with web_site() as site:
        port = site.host.rpartition(":")[2]
        names = {"bank.example": [[], ["127.0.0.1"]]}
        assert ask(f"http://bank.example:{port}/", names=names).problem == "connection"
        assert ask(f"http://bank.example:{port}/", names=names).problem == "refused" and site.hits == []


def test_hosts_outside_are_refused_at_the_last_door_too():
    with web_site() as site:
        answer = ask(site.url, names={"127.0.0.1": [["127.0.0.1"]]}, private=True, serves=lambda host, port: False)
        assert answer.problem == "refused" and site.hits == []
