"""What every connector over HTTP owes: certificates checked, nothing told, nothing sent twice, nothing lost on the way."""

import ipaddress
import logging
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.asking import order
from fakes.keycloak import FakeKeycloak

from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.ports import Answer, Holding
from tocsin.containment.values import MeasureKind
from tocsin.integrations.keycloak.connector import connect


def certificate(folder, *, names):
    """Write a self-signed certificate and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return pem, secret


def served(pem, secret):
    fake = FakeKeycloak()
    fake.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    fake.tls.load_cert_chain(pem, secret)
    return fake


def realm(fake, **settings):
    given = {"url": fake.url, "realm": "shop", "client_id": "tocsin", "access_token_seconds": "0", **settings}
    return connect("id-main", settings=given, secrets={"client_secret": fake.client_secret})


LOOPBACK = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


def test_a_certificate_nobody_vouches_for_is_refused_and_one_of_the_ca_file_is_believed(tmp_path):
    pem, secret = certificate(tmp_path, names=LOOPBACK)
    with served(pem, secret) as fake:
        ada = fake.add("ada")
        with pytest.raises(SystemUnreachable, match="certificate is not valid"):
            list(realm(fake).apply([order(ada)]))
        assert fake.calls == []
        assert [each.answer for each in realm(fake, ca_file=str(pem)).apply([order(ada)])] == [Answer.TAKEN]


def test_a_certificate_of_another_host_is_refused(tmp_path):
    pem, secret = certificate(tmp_path, names=[x509.DNSName("elsewhere.example")])
    with served(pem, secret) as fake, pytest.raises(SystemUnreachable, match="certificate is not valid"):
        list(realm(fake, ca_file=str(pem)).apply([order(fake.add("ada"))]))


def test_nothing_is_said_of_accounts_and_secrets_however_loud_the_log(caplog):
    with FakeKeycloak() as fake, caplog.at_level(logging.DEBUG):
        accounts = [fake.add(f"member{n}") for n in range(5)]
        fake.lose(after_doing_it=True, match="PUT")
        fake.throttle(times=2, match="GET /admin")
        fake.answer(500, match="PUT")
        connected = realm(fake)
        outcomes = list(connected.apply([order(account) for account in accounts]))
        list(connected.verify([order(account) for account in accounts]))
        secrets = [fake.client_secret, *fake.tokens]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.server")]
    told = " ".join([*ours, *(outcome.reason for outcome in outcomes)])
    assert not [text for text in (*accounts, *secrets) if text in told]


def test_what_was_begun_is_gone_on_with_and_every_account_is_hit_once():
    with FakeKeycloak() as fake:
        accounts = [fake.add(f"member{n}") for n in range(80)]
        fake.delay(0.2, match="GET", times=80)
        outcomes = realm(fake).apply([order(account) for account in accounts])
        for _outcome in range(17):
            next(outcomes)
        outcomes.close()  # as if the process had ended here
        fake.troubles.clear()
        begun = fake.count("PUT")
        assert 17 <= begun < 80
        again = list(realm(fake).apply([order(account) for account in accounts]))
        assert {outcome.answer for outcome in again} == {Answer.TAKEN, Answer.HELD_ALREADY}
        assert all(fake.users[account]["requiredActions"] == ["UPDATE_PASSWORD"] for account in accounts)
        assert set(fake.by_path("PUT").values()) == {1}


def test_orders_of_one_account_follow_one_another_so_that_none_overwrites_the_other():
    with FakeKeycloak() as fake:
        accounts = [fake.add(f"member{n}") for n in range(20)]
        fake.delay(0.02, match="PUT", times=40)
        kinds = (MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND, MeasureKind.REVOKE_SESSIONS)
        orders = [order(account, kind) for kind in kinds for account in accounts]
        assert {outcome.answer for outcome in realm(fake).apply(orders)} == {Answer.TAKEN}
        assert {each.holding for each in realm(fake).verify(orders)} == {Holding.IN_FORCE}


def test_one_batch_is_no_longer_than_a_lease():
    with FakeKeycloak() as fake:
        assert realm(fake).limits().at_once == 200
        assert realm(fake, per_second="2").limits().at_once == 20
        assert realm(fake, per_second="0.01").limits().at_once == 1


def test_a_system_that_goes_away_in_the_middle_leaves_the_rest_for_later():
    with FakeKeycloak() as fake:
        accounts = [fake.add(f"member{n}") for n in range(30)]
        fake.lose(after_doing_it=False, match="GET /admin", times=1000)
        outcomes = list(realm(fake).apply([order(account) for account in accounts]))
        assert {outcome.answer for outcome in outcomes} == {Answer.LATER}  # asking changed nothing
        assert len(outcomes) == 30 and all(outcome.retry_after_seconds > 0 for outcome in outcomes)
        assert fake.count("PUT") == 0


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr("tocsin.integrations.http_calls.calls.BODY_BYTES_MAX", 2_000)
    with FakeKeycloak() as fake:
        ada = fake.add("ada", attributes={"long": ["x" * 5_000]})
        assert [each.answer for each in realm(fake).apply([order(ada)])] == [Answer.LATER]


def test_a_page_of_a_proxy_is_no_answer_of_the_system():
    with FakeKeycloak() as fake:
        ada = fake.add("ada")
        fake.answer(200, match="GET /admin")  # a captive portal: 200, and not JSON
        (outcome,) = realm(fake).apply([order(ada)])
        assert outcome.answer in {Answer.LATER, Answer.UNKNOWN}
        assert fake.count("PUT") == 0
