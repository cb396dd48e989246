"""Following a source over real HTTP: resume, gaps, new epochs, and everything a source can do wrong."""

import datetime as dt
import ipaddress
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.contract.gate.conftest import FakeSource, eventually
from tests.unit.gate.conftest import NOW, RESET, SUSPEND, T0, Writer

from tocsin_gate import Gate, Misused, Refusal, SnapshotRefused, SourceRefused, Trust, following
from tocsin_gate.feed import Source
from tocsin_gate.files import changes_path
from tocsin_gate.following import WAIT_SECONDS_MAX, Follower, first_list, pause_seconds

ACCOUNTS = {"ann": 1, "bob": 1}


@pytest.fixture
def offered(writer, fake_source):
    """Let the source offer a list."""

    def offer(accounts=ACCOUNTS, *, epoch=1, **given):
        fake_source.snapshot = writer.bytes_of(accounts, combinations=[RESET, SUSPEND], epoch=epoch, **given)
        fake_source.epoch = epoch

    offer()
    return offer


@pytest.fixture
def followed(writer, fake_source, offered, clock):
    """A gate that follows the source, having begun with its list."""
    gate = Gate(writer.write(ACCOUNTS, combinations=[RESET, SUSPEND]), trust=writer.trust(), clock=clock)
    source = Source(fake_source.url, token="token-1")
    follower = Follower(gate, source=source, name="gate-1", clock=clock, pause=lambda tries: 0.01)
    follower.start()
    eventually(lambda: fake_source.streams)
    yield gate
    follower.stop()
    assert gate.status().following.state == "stopped"


def added(writer, name, **given):
    return writer.change(add=[[writer.hex_of(name), 2]], **given)


def test_a_first_list_is_fetched_where_there_is_none(writer, fake_source, offered, clock):
    trust = Trust.of(writer.trust())
    first_list(writer.path, trust=trust, source=Source(fake_source.url, token="token-1"))
    assert Gate(writer.path, trust=trust, clock=clock).position == (1, 0)
    assert [path.name for path in writer.folder.iterdir()] == ["list.snapshot"]


def test_a_first_list_that_is_not_ours_is_not_put_in_place(writer, fake_source, tmp_path):
    fake_source.snapshot = Writer(tmp_path, seed=b"b").bytes_of({})
    with pytest.raises(SnapshotRefused):
        first_list(writer.path, trust=Trust.of(writer.trust()), source=Source(fake_source.url, token="token-1"))
    assert list(writer.folder.iterdir()) == []


def test_a_change_is_enforced_and_reported_back(writer, fake_source, followed):
    eventually(lambda: {"gate": "gate-1", "epoch": 1, "seq": 0} in fake_source.reports)
    assert followed.check("eve").allow
    fake_source.push("change", added(writer, "eve"))
    eventually(lambda: not followed.check("eve").allow)
    eventually(lambda: {"gate": "gate-1", "epoch": 1, "seq": 1} in fake_source.reports)
    following = followed.status().following
    assert (following.state, following.trouble, following.source) == ("following", "", fake_source.url)


def test_a_dropped_stream_is_resumed_after_the_last_change(writer, fake_source, followed):
    fake_source.push("change", added(writer, "eve"))
    eventually(lambda: followed.position == (1, 1))
    fake_source.drop()
    eventually(lambda: len(fake_source.streams) == 2)
    assert fake_source.resumed_from() == ["1.0", "1.1"]
    fake_source.push("change", added(writer, "eve"))
    fake_source.push("change", added(writer, "fay", seq=2))
    eventually(lambda: not followed.check("fay").allow)


def test_a_lost_change_is_asked_for_again_and_then_everything(writer, fake_source, followed):
    fake_source.push("change", added(writer, "eve"))
    fake_source.push("change", added(writer, "gil", seq=3))
    eventually(lambda: len(fake_source.streams) == 2)
    assert fake_source.resumed_from()[1] == "1.1"
    fake_source.push("change", added(writer, "gil", seq=3))
    eventually(lambda: len(fake_source.streams) == 3)
    assert fake_source.resumed_from()[2] == "1.0"
    assert not followed.check("eve").allow
    for change in (added(writer, "eve"), added(writer, "fay", seq=2), added(writer, "gil", seq=3)):
        fake_source.push("change", change)
    eventually(lambda: followed.position == (1, 3))
    assert [followed.check(name).allow for name in ("eve", "fay", "gil", "hal")] == [False, False, False, True]


def test_a_change_with_a_bad_signature_is_not_applied_and_ends_the_stream(writer, fake_source, followed):
    fake_source.push("change", {**added(writer, "eve"), "sig": "00" * 64})
    eventually(lambda: len(fake_source.streams) == 2)
    assert followed.check("eve").allow
    assert "signature_wrong" in followed.status().following.trouble
    assert followed.status().last_refusal.reason == "signature_wrong"


def test_a_heartbeat_keeps_sensitive_acts_possible_also_in_other_processes(writer, fake_source, followed, clock):
    other = Gate(writer.path, trust=writer.trust(), clock=clock)
    clock.now = NOW + 5000
    assert not followed.check("zoe", sensitive=True).allow
    fake_source.push("heartbeat", writer.change(seq=0, at=NOW + 4990))
    eventually(lambda: followed.check("zoe", sensitive=True).allow)
    other.refresh()
    assert other.check("zoe", sensitive=True).allow


def test_a_new_epoch_is_fetched_put_in_place_and_reported(writer, fake_source, followed, offered, clock):
    fake_source.push("change", added(writer, "eve"))
    eventually(lambda: followed.position == (1, 1))
    assert changes_path(writer.path, epoch=1).exists()
    offered({"cyd": 2}, epoch=2)
    fake_source.push("epoch", {"epoch": 2})
    eventually(lambda: followed.position == (2, 0))
    eventually(lambda: {"gate": "gate-1", "epoch": 2, "seq": 0} in fake_source.reports)
    assert [followed.check(name).allow for name in ("ann", "cyd", "eve")] == [True, False, True]
    assert Gate(writer.path, trust=writer.trust(), clock=clock).position == (2, 0)
    eventually(lambda: not changes_path(writer.path, epoch=1).exists())
    eventually(lambda: fake_source.resumed_from()[-1] == "2.0")


@pytest.mark.parametrize("kind", ["older", "foreign", "cut", "nonsense"])
def test_a_list_that_is_not_good_never_replaces_the_good_file(
    writer, fake_source, followed, offered, clock, tmp_path, kind
):
    good = writer.path.read_bytes()
    if kind == "older":
        fake_source.snapshot, fake_source.epoch = writer.bytes_of({}), 2
    elif kind == "foreign":
        fake_source.snapshot, fake_source.epoch = Writer(tmp_path, seed=b"b").bytes_of({}, epoch=2), 2
    elif kind == "nonsense":
        fake_source.snapshot, fake_source.epoch = b"<html>", 2
    else:
        offered({}, epoch=2)
        fake_source.cut_to = 5000
    fake_source.push("epoch", {"epoch": 2})
    eventually(lambda: followed.status().following.trouble)
    assert writer.path.read_bytes() == good
    assert not followed.check("ann").allow
    assert followed.position == (1, 0)
    fake_source.cut_to = None
    offered({}, epoch=3)
    eventually(lambda: followed.position == (3, 0))


def test_a_source_that_does_not_know_the_epoch_is_asked_from_the_beginning(writer, fake_source, followed):
    fake_source.push("change", added(writer, "eve"))
    eventually(lambda: followed.position == (1, 1))
    fake_source.stream_status = 410
    fake_source.drop()
    eventually(lambda: "410" in followed.status().following.trouble)
    fake_source.stream_status = 200
    eventually(lambda: fake_source.resumed_from()[-1] == "1.0")
    assert not followed.check("eve").allow


def test_a_source_that_cannot_be_reached_takes_nothing_away(writer, clock):
    gone = FakeSource()
    gone.server.server_close()
    gate = Gate(writer.write(ACCOUNTS, combinations=[RESET]), trust=writer.trust(), clock=clock)
    follower = Follower(gate, source=Source(gone.url, token="token-1"), name="gate-1", pause=lambda tries: 0.01)
    follower.start()
    eventually(lambda: gate.status().following.tries > 3)
    assert not gate.check("ann").allow
    assert gate.status().following.trouble
    follower.stop()


def test_a_wrong_token_is_told(writer, fake_source, clock):
    gate = Gate(writer.write(ACCOUNTS, combinations=[RESET]), trust=writer.trust(), clock=clock)
    follower = Follower(gate, source=Source(fake_source.url, token="other"), name="gate-1", pause=lambda tries: 0.01)
    follower.start()
    trouble = eventually(lambda: gate.status().following.trouble)
    assert "401" in trouble
    assert "Export the trust file anew" in trouble
    follower.stop()


def test_waiting_doubles_up_to_a_minute_with_jitter():
    assert all(0.1 <= pause_seconds(0) <= 0.3 for _ in range(100))
    many = [pause_seconds(50) for _ in range(200)]
    assert max(many) <= WAIT_SECONDS_MAX + 0.1
    assert max(many) - min(many) > 10


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "http://gate.example.org"])
def test_a_source_that_would_show_the_token_is_refused(url):
    with pytest.raises(SourceRefused):
        Source(url, token="token-1")
    Source("http://gate.example.org", token="token-1", plain_http=True)


def certificate(folder):
    """Make a self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def test_tls_is_verified(writer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)
    source = FakeSource()
    source.snapshot = writer.bytes_of(ACCOUNTS, combinations=[RESET])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    source.server.socket = context.wrap_socket(source.server.socket, server_side=True)
    source.server.handle_error = lambda *_: None
    source.thread = threading.Thread(target=source.server.serve_forever, kwargs={"poll_interval": 0.01})
    source.thread.start()
    url = source.url.replace("http:", "https:")
    aside = folder / "aside"
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            Source(url, token="token-1").fetch(aside, epoch=None)
        assert Source(url, token="token-1", ca_file=str(folder / "cert.pem")).fetch(aside, epoch=None)
        assert aside.read_bytes() == source.snapshot
    finally:
        source.close()


def test_an_older_list_is_refused_by_its_name_without_being_fetched(writer, fake_source, clock):
    gate = Gate(writer.write({}, epoch=5), trust=writer.trust(), clock=clock)
    with pytest.raises(SourceRefused, match="offers epoch 1; epoch 5 is in force"):
        Source(fake_source.url, token="token-1").fetch(writer.folder / "aside", epoch=gate.position[0])
    assert not (writer.folder / "aside").exists()


def test_a_gate_needs_a_name_that_the_source_takes(writer, fake_source, clock):
    gate = Gate(writer.write({}), trust=writer.trust(), clock=clock)
    with pytest.raises(Misused):
        Follower(gate, source=Source(fake_source.url, token="token-1"), name="a b")


def test_changes_that_a_full_disk_refused_are_written_before_the_next(
    writer, fake_source, followed, clock, monkeypatch
):
    full = [True]
    real = following.files.append_line

    def append(path, line):
        if full[0]:
            raise OSError(28, "No space left on device")
        real(path, line)

    monkeypatch.setattr("tocsin_gate.following.files.append_line", append)
    fake_source.push("change", added(writer, "eve"))
    eventually(lambda: "No space" in followed.status().following.trouble)
    eventually(lambda: len(fake_source.streams) == 2)
    assert not followed.check("eve").allow
    full[0] = False
    fake_source.push("change", added(writer, "fay", seq=2))
    eventually(lambda: not followed.check("fay").allow)
    restarted = eventually(
        lambda: (made := Gate(writer.path, trust=writer.trust(), clock=clock)).position == (1, 2) and made
    )
    assert not restarted.check("eve").allow


def test_reasons_of_refused_downloads_are_kept_for_status(fake_source, followed, offered, tmp_path):
    offered({}, epoch=2, not_after=(T0 - 1) * 1000)
    fake_source.push("epoch", {"epoch": 2})
    eventually(lambda: followed.status().last_refusal)
    assert followed.status().last_refusal.reason is Refusal.EXPIRED
