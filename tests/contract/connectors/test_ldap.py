"""A real slapd: exactly those who were flagged must choose a new password, and what a flag does not do is told."""

import ipaddress
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ldap3
import pytest
from conftest import peer_module
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.ports import free_port

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import Answer, Holding, Order, Standing
from tocsin.containment.values import Measure, MeasureKind
from tocsin.integrations.ldap.connector import connect

RESET = MeasureKind.RESET_PASSWORD
PEOPLE = 1000
peer_ldap = peer_module("ldap")
GOOD = {"address": "ldaps://directory.example", "bind_dn": "cn=a,dc=b", "base": "dc=b"}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with peer_ldap.running(tmp_path_factory.mktemp("slapd"), people=PEOPLE + 200) as running:
        yield running


def test_of_a_thousand_people_exactly_the_flagged_must_change_at_their_next_bind(slapd, orders_for):
    everybody = slapd.accounts(PEOPLE)
    flagged = everybody[::7] + everybody[3:300:11]
    flagged = sorted(set(flagged))
    others = {account: slapd.fingerprint(account) for account in everybody[1::40] if account not in flagged}
    outcomes = list(slapd.connector().apply(orders_for(flagged, RESET)))
    assert {outcome.answer for outcome in outcomes} == {Answer.TAKEN} and len(outcomes) == len(flagged)
    assert {account: slapd.fingerprint(account) for account in others} == others

    def demanded(account: str) -> bool:
        session, done, must_change = slapd.bind(account, slapd.password(account))
        may_search = session.search(session.user, "(objectClass=*)", ldap3.BASE)
        session.unbind()
        assert done and may_search != must_change
        return must_change

    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(everybody, pool.map(demanded, everybody), strict=True))
    assert sorted(account for account, must_change in answers.items() if must_change) == flagged


def test_a_bind_without_the_control_is_told_success_which_is_why_there_is_a_warning(slapd, orders_for):
    account = slapd.accounts(1)[0]
    connector = slapd.connector()
    list(connector.apply(orders_for([account], RESET)))
    session, done, _demanded = slapd.bind(account, slapd.password(account), with_control=False)
    session.unbind()
    assert done
    assert any("without the password policy control" in warning for warning in connector.abilities().warnings)


def test_a_connection_that_was_bound_before_goes_on_working_which_is_why_there_is_a_warning(slapd, orders_for):
    account = slapd.accounts(1)[0]
    session, _done, _demanded = slapd.bind(account, slapd.password(account))
    connector = slapd.connector()
    list(connector.apply(orders_for([account], RESET)))
    assert session.search(session.user, "(objectClass=*)", ldap3.BASE)
    session.unbind()
    assert any("bound before go on working" in warning for warning in connector.abilities().warnings)


def test_done_means_that_the_old_password_is_dead_and_the_new_one_lives(slapd, orders_for):
    account = slapd.accounts(1)[0]
    orders = orders_for([account], RESET)
    connector = slapd.connector()
    list(connector.apply(orders))
    slapd.finish(account, RESET)
    assert [read.holding for read in connector.verify(orders)] == [Holding.DONE]
    for password, lets_in in ((slapd.password(account), False), (f"new-Password-{account}", True)):
        session, done, _demanded = slapd.bind(account, password)
        session.unbind()
        assert done is lets_in


def test_a_suspended_account_is_not_let_in_until_it_is_undone(slapd, orders_for):
    account = slapd.accounts(1)[0]
    orders = orders_for([account], MeasureKind.SUSPEND)
    connector = slapd.connector()
    for act, lets_in in ((connector.apply, False), (connector.undo, True)):
        list(act(orders))
        session, done, _demanded = slapd.bind(account, slapd.password(account))
        session.unbind()
        assert done is lets_in


def test_sessions_cannot_be_ended_in_a_directory_and_it_says_so(slapd):
    abilities = slapd.connector().abilities()
    assert MeasureKind.REAUTHENTICATE not in abilities.takes and MeasureKind.REVOKE_SESSIONS not in abilities.takes


def test_the_account_of_tocsin_can_neither_read_nor_set_passwords(slapd):
    account = slapd.accounts(1)[0]
    server = ldap3.Server("127.0.0.1", port=slapd.port, get_info=ldap3.NONE)
    session = ldap3.Connection(server, peer_ldap.SERVICE, peer_ldap.SERVICE_PASSWORD, auto_bind=True, check_names=False)
    dn = f"uid={account},ou=people,{peer_ldap.SUFFIX}"
    session.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["userPassword"])
    assert session.response[0]["raw_attributes"].get("userPassword", []) == []
    assert not session.modify(dn, {"userPassword": [(ldap3.MODIFY_REPLACE, ["thief-Password"])]})
    session.unbind()


def test_an_attribute_and_a_template_say_how_the_directory_writes_an_account(slapd, orders_for):
    account = slapd.accounts(1)[0]
    connector = slapd.connector(account_attribute="mail", account_template="{account}@example.org")
    outcomes = list(connector.apply(orders_for([account, "nobody"], RESET)))
    assert {outcome.order.account: outcome.answer for outcome in outcomes} == {
        account: Answer.TAKEN,
        "nobody": Answer.ABSENT,
    }
    slapd.finish(account, RESET)
    facts, _cursor = connector.done_since((datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert account in {fact.account for fact in facts}


def test_accounts_that_are_no_accounts_by_the_filter_are_absent(slapd, orders_for):
    account = slapd.accounts(1)[0]
    connector = slapd.connector(filter=f"(&(objectClass=person)(!(uid={account})))")
    assert [outcome.answer for outcome in connector.apply(orders_for([account], RESET))] == [Answer.ABSENT]


def test_more_accounts_than_one_answer_may_hold_are_all_found(slapd, orders_for):
    everybody = [f"p{number:05}" for number in range(PEOPLE)]
    assert slapd.connector().plan(orders_for(everybody, RESET)).known == PEOPLE


def test_wrong_credentials_are_said_without_telling_them(slapd, orders_for):
    connector = connect("ldap-main", settings=slapd.settings(), secrets={"password": "wrong-Secret-99"})
    with pytest.raises(SystemNotUnderstood) as raised:
        list(connector.apply(orders_for(["p00000"], RESET)))
    assert "invalidCredentials" in str(raised.value) and "wrong-Secret-99" not in str(raised.value)
    assert raised.value.mend


def test_a_check_finds_what_is_wrong_and_how_to_mend_it(slapd):
    faults = slapd.connector(base=f"ou=services,{peer_ldap.SUFFIX}").check()
    assert [remark.mend for remark in faults if remark.standing is Standing.FAULT]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("address", "http://x"), ("address", "ldaps://"), ("address", "ldap://directory.example"), ("base", "nonsense"),
        ("filter", "(a=b"), ("account_attribute", "uid)(x"), ("account_template", "{account}{account}"),
        ("measures", ["reauthenticate"]), ("measures", "reset_password"), ("connections", 0), ("connections", True),
        ("starttls", True), ("ca_file", "/no/such/file"), ("unknown", 1), ("timeout_seconds", "5"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(setting, value):
    with pytest.raises(SystemNotUnderstood) as raised:
        connect("ldap-main", settings={**GOOD, setting: value}, secrets={"password": "x"})
    assert raised.value.where == f"ldap-main: {setting}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


# Of ldap3 2.9: it asks Python 3.11 for a function that is going away, and leaves the socket of a refused handshake.
@pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_verified_for_both_kinds_of_address(certificate, tmp_path, orders_for):
    cert, key = certificate
    tls = f"TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\nTLSCACertificateFile {cert}"
    with peer_ldap.running(tmp_path / "slapd", people=3, tls=tls, tls_port=free_port()) as slapd:
        addresses = (
            {"address": f"ldaps://localhost:{slapd.tls_port}"},
            {"address": f"ldap://localhost:{slapd.port}", "starttls": True},
        )
        for address in addresses:
            believed = slapd.connector(**address, ca_file=str(cert))
            assert believed.plan(orders_for(["p00000"], RESET)).known == 1
            with pytest.raises(SystemUnreachable):
                slapd.connector(**address).plan(orders_for(["p00000"], RESET))


@pytest.mark.benchmark
def test_pace(slapd, orders_for, capsys):
    everybody = [f"p{number:05}" for number in range(PEOPLE)]
    since = datetime.now(UTC)
    for connections in (1, 8):
        connector = slapd.connector(connections=connections)
        list(connector.undo([Order(account, Measure(RESET), since, account) for account in everybody]))
        began = time.monotonic()
        list(connector.apply([Order(account, Measure(RESET), since, account) for account in everybody]))
        with capsys.disabled():
            print(f"\nslapd pwdReset, {connections} connections: {PEOPLE / (time.monotonic() - began):,.0f} a second")
