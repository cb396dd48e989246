"""`channel check` beside a name server: what mail servers will find of us, and what nobody could look up."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from channel_peers import Loop, Mood, looping
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mail_server import EmailPeer
from name_server import NameServer, Records

from tocsin.integrations.email import channel, dkim, lookups, published, spf
from tocsin.integrations.email.spf import Fault
from tocsin.integrations.email_provider import channel as provider
from tocsin.kernel.remarks import Remark, Standing

DOMAIN = "larkwave.example"


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA = rsa.generate_private_key(65537, 2048)
SIGNER = dkim.Signer(DOMAIN, "s1", RSA)
OTHER = dkim.record(dkim.Signer(DOMAIN, "s1", rsa.generate_private_key(65537, 2048)))
NAMES = published.Names(domain=DOMAIN, bounces=DOMAIN, server="mx.post.example", signers=(SIGNER,))


def quoted(text: str) -> str:
    """Return a TXT record in pieces of 255 octets, as long keys must be."""
    return " ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255))


WELL: Records = {
    (DOMAIN, "MX"): ["10 mx.larkwave.example.", "20 mx2.larkwave.example."],
    (DOMAIN, "TXT"): ['"v=spf1 include:_spf.post.example ip6:2001:db8::/32 ~all"', '"google-site-verification=abc"'],
    ("_spf.post.example", "TXT"): ['"v=spf1 a:mx.post.example/31 -all"'],
    (f"s1._domainkey.{DOMAIN}", "TXT"): [quoted(dkim.record(SIGNER))],
    (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=reject; rua=mailto:d@larkwave.example"'],
    ("mx.post.example", "A"): ["9.9.9.9"],
    ("9.9.9.9.in-addr.arpa", "PTR"): ["mx.post.example."],
}


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with looping() as running:
        yield running


@pytest.fixture
def says(loop: Loop) -> Iterator[Callable[..., NameServer]]:
    made: list[NameServer] = []

    def serving(**changed: Any) -> NameServer:
        made.append(NameServer(loop, WELL))
        return made[-1]

    yield serving
    for each in made:
        each.close()


def remarks(server: NameServer, *, names: published.Names = NAMES) -> list[Remark]:
    async def asked() -> list[Remark]:
        return list(await published.remarks(names, lookups=lookups.Lookups([("127.0.0.1", server.port)])))

    return asyncio.run(asked())


def troubles(found: list[Remark]) -> list[tuple[Standing, str]]:
    return [(each.standing, f"{each.text} {each.mend}") for each in found if each.standing is not Standing.OK]


def test_all_is_well_where_all_is_published(says):
    server = says()
    found = remarks(server)
    assert troubles(found) == [] and len(found) == 4
    text = " ".join(each.text for each in found)
    for words in ("mx.larkwave.example", "allows mx.post.example", f"s1._domainkey.{DOMAIN} is ours", "says reject"):
        assert words in text
    assert len(server.asked) == len(set(server.asked))  # each question once


@pytest.mark.parametrize(
    ("kind", "name", "records", "standing", "words"),
    [
        ("MX", DOMAIN, ["0 ."], Standing.FAULT, "null MX"),
        ("MX", DOMAIN, None, Standing.FAULT, "Nobody takes mail"),
        ("TXT", DOMAIN, None, Standing.WARNING, "has no SPF record"),
        ("TXT", DOMAIN, ['"v=spf1 -all"', '"v=spf1 ~all"'], Standing.FAULT, "several SPF records"),
        ("TXT", DOMAIN, ['"v=spf1 +all"'], Standing.WARNING, "lets anybody send"),
        ("TXT", DOMAIN, ['"v=spf1 ipv4:192.0.2.1 -all"'], Standing.FAULT, "cannot be read"),
        ("TXT", DOMAIN, ['"v=spf1 ip4:192.0.2.300 -all"'], Standing.FAULT, "cannot be read"),
        ("TXT", DOMAIN, ['"v=spf1 include:nowhere.example -all"'], Standing.FAULT, "nowhere.example, which has none"),
        ("TXT", DOMAIN, ['"v=spf1 include:larkwave.example -all"'], Standing.FAULT, "more than 10 questions"),
        ("TXT", DOMAIN, ['"v=spf1 ip4:192.0.2.0/24 -all"'], Standing.WARNING, "does not allow the address"),
        ("TXT", f"s1._domainkey.{DOMAIN}", None, Standing.FAULT, "There is no DKIM key"),
        ("TXT", f"s1._domainkey.{DOMAIN}", [quoted(OTHER)], Standing.FAULT, "another one"),
        ("TXT", f"s1._domainkey.{DOMAIN}", ['"v=DKIM1; p="'], Standing.FAULT, "withdrawn"),
        ("TXT", f"s1._domainkey.{DOMAIN}", ['"hello"'], Standing.FAULT, "no DKIM key"),
        ("TXT", f"s1._domainkey.{DOMAIN}", [quoted(dkim.record(SIGNER)), '"x"'], Standing.FAULT, "several records"),
        ("TXT", f"s1._domainkey.{DOMAIN}", [quoted(dkim.record(SIGNER) + "; t=y")], Standing.WARNING, "t=y"),
        ("TXT", f"s1._domainkey.{DOMAIN}", [quoted(dkim.record(SIGNER) + "; h=sha1")], Standing.FAULT, "not be used"),
        ("TXT", f"_dmarc.{DOMAIN}", None, Standing.WARNING, "no DMARC record"),
        ("TXT", f"_dmarc.{DOMAIN}", ['"v=DMARC1; p=none"', '"v=DMARC1;p=none"'], Standing.WARNING, "several DMARC"),
        ("TXT", f"_dmarc.{DOMAIN}", ['"v=DMARC1; rua=mailto:a@b.example"'], Standing.WARNING, "names no policy"),
        ("PTR", "9.9.9.9.in-addr.arpa", None, Standing.WARNING, "leads back"),
        ("PTR", "9.9.9.9.in-addr.arpa", ["host-9-9.isp.example."], Standing.WARNING, "leads back"),
    ],
)  # fmt: skip
def test_what_is_to_be_mended_is_said_and_the_rest_stays_well(says, kind, name, records, standing, words):
    server = says()
    server.records.pop((name, kind))
    if records:
        server.records[name, kind] = records
    (found,) = troubles(remarks(server))
    assert found[0] is standing and words in found[1]


def test_a_domain_that_does_not_exist_is_a_fault(says):
    found = remarks(says(), names=published.Names(domain="nobody.test"))
    assert found[0].standing is Standing.FAULT and "does not exist" in found[0].text


def test_dmarc_asks_that_a_proof_is_of_the_domain_people_see(says):
    foreign = published.Names(domain=DOMAIN, bounces="post.example", server="mx.post.example")
    server = says()
    server.records["post.example", "MX"] = ["10 mx.post.example."]
    server.records["post.example", "TXT"] = ['"v=spf1 a:mx.post.example -all"']
    (found,) = troubles(remarks(server, names=foreign))
    assert found[0] is Standing.FAULT and "fail DMARC" in found[1]
    server.records[f"_dmarc.{DOMAIN}", "TXT"] = ['"v=DMARC1; p=none"']
    assert troubles(remarks(server, names=foreign))[0][0] is Standing.WARNING


def test_a_policy_above_counts_for_the_names_below_it(says):
    server = says()
    below = f"mail.{DOMAIN}"
    server.records[below, "MX"] = ["10 mx.larkwave.example."]
    server.records[f"s1._domainkey.{DOMAIN}", "TXT"] = [quoted(dkim.record(SIGNER))]
    names = published.Names(domain=below, bounces=DOMAIN, signers=(SIGNER,))
    assert troubles(remarks(server, names=names)) == []
    server.records[f"_dmarc.{DOMAIN}", "TXT"] = ['"v=DMARC1; p=reject; adkim=s; aspf=s"']
    assert "fail DMARC" in troubles(remarks(server, names=names))[0][1]


def test_what_cannot_be_looked_up_is_never_said_to_be_well(says):
    server = says()
    server.refuses = True
    found = remarks(server)
    assert {each.standing for each in found} == {Standing.WARNING}
    assert all("Not looked up" in each.text for each in found) and len(found) == 5
    assert any(dkim.record(SIGNER) in each.mend for each in found)  # what is to be published is said nevertheless
    nobody = asyncio.run(published.remarks(NAMES, lookups=lookups.Lookups()))  # names no server of the world knows
    assert all(each.text.startswith("Not looked up") and each.standing is Standing.WARNING for each in nobody)


def test_a_name_server_that_denies_every_name_is_not_believed(says):
    server = says()
    server.records.clear()

    def asked() -> list[Remark]:
        made = lookups.Lookups([("127.0.0.1", server.port)], doubts=True)

        async def whole() -> list[Remark]:
            return list(await published.remarks(NAMES, lookups=made))

        return asyncio.run(whole())

    assert all("knows no names of the world" in each.text for each in asked())
    server.records["", "NS"] = ["a.root-servers.net."]
    assert asked()[0].standing is Standing.FAULT and "does not exist" in asked()[0].text


def test_a_key_of_the_other_kind_is_compared_too(says):
    key = dkim.Signer(DOMAIN, "s2", ed25519.Ed25519PrivateKey.generate())
    server = says()
    server.records[f"s2._domainkey.{DOMAIN}", "TXT"] = [quoted(dkim.record(key))]
    assert troubles(remarks(server, names=published.Names(domain=DOMAIN, bounces=DOMAIN, signers=(key,)))) == []
    short = dkim.Signer(DOMAIN, "s3", rsa.generate_private_key(65537, 1024))
    server.records[f"s3._domainkey.{DOMAIN}", "TXT"] = [quoted(dkim.record(short))]
    (found,) = troubles(remarks(server, names=published.Names(domain=DOMAIN, bounces=DOMAIN, signers=(short,))))
    assert found[0] is Standing.WARNING and "1024 bits" in found[1]


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.7", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.7", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ?all", "2001:db8::9", "pass"),
        ("v=spf1 ip6:2001:db8::/32 ?all", "2001:db9::9", "neutral"),
        ("V=SPF1 A MX ~ALL", "9.9.9.8", "pass"),
        ("v=spf1 a/24//64 ~all", "9.9.8.8", "softfail"),
        ("v=spf1 redirect=_spf.post.example", "9.9.9.8", "pass"),
        ("v=spf1 redirect=_spf.post.example", "9.9.9.1", "fail"),
        ("v=spf1 -ip4:9.9.9.9 include:_spf.post.example -all", "9.9.9.9", "fail"),
        ("v=spf1 exists:%{i}.x.example unknown=modifier -all", "9.9.9.9", "fail"),
        ("v=spf1", "9.9.9.9", "neutral"),
    ],
)
def test_an_spf_record_is_read_as_mail_servers_read_it(says, record, address, result):
    server = says()
    server.records |= {(DOMAIN, "TXT"): [f'"{record}"'], (DOMAIN, "A"): ["9.9.9.8"]}
    asked = lookups.Lookups([("127.0.0.1", server.port)])

    async def read() -> spf.Reading:
        return await spf.read(DOMAIN, lookups=asked, address=address)

    assert asyncio.run(read()).result == result


def test_ten_questions_are_allowed_and_eleven_are_not(says):
    server = says()
    asked = [("127.0.0.1", server.port)]

    async def read() -> spf.Reading:
        return await spf.read(DOMAIN, lookups=lookups.Lookups(asked))

    server.records |= {(f"n{n}.example", "A"): ["192.0.2.1"] for n in range(11)}
    for count in (10, 11):
        server.records[DOMAIN, "TXT"] = ['"v=spf1 ' + " ".join(f"a:n{n}.example" for n in range(count)) + ' -all"']
        if count == 10:
            assert asyncio.run(read()).questions == 10
            continue
        with pytest.raises(spf.Broken) as caught:
            asyncio.run(read())
        assert caught.value.fault is Fault.TOO_MANY


def test_a_check_of_the_channel_asks_the_name_server_it_was_given(says, loop, tmp_path: Path):
    server, peer = says(), EmailPeer(loop, folder=tmp_path)
    asked = {"dns_servers": f"127.0.0.1:{server.port}", "from": f"alarm@{DOMAIN}"}

    async def checked(each: Any) -> list[Remark]:
        try:
            return list(await each.check())
        finally:
            await each.close()

    found = asyncio.run(checked(peer.channel(**asked)))
    assert any("says reject" in each.text for each in found)
    assert found[0].standing is Standing.OK and found[-1].text == "Mails are not signed with DKIM."
    peer.be(Mood.DOWN)
    found = asyncio.run(checked(peer.channel(**asked)))
    assert found[0].standing is Standing.FAULT and any("says reject" in each.text for each in found)
    made = provider.connect("api", settings={"provider": "postmark", **asked}, secrets={"key": "x"})
    assert any("says reject" in each.text for each in asyncio.run(checked(made)))


@pytest.mark.parametrize("wrong", ["mx.example.org", "127.0.0.1:0", "127.0.0.1:x", "1.2.3"])
def test_a_name_server_is_named_by_its_address(wrong):
    given = {"host": "127.0.0.1", "security": "none", "from": f"a@{DOMAIN}", "dns_servers": wrong}
    with pytest.raises(Exception, match="no address") as caught:
        channel.connect("mail", settings=given, secrets={})
    assert "dns_servers" in str(caught.value.where)


def test_name_servers_are_written_with_or_without_a_port():
    words = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"]
    found = lookups.servers_of(words)
    assert found == [("192.0.2.1", 53), ("192.0.2.1", 5353), ("2001:db8::1", 53), ("2001:db8::1", 5353)]
    assert base64.b64decode(dkim.tags(dkim.record(SIGNER))["p"])
