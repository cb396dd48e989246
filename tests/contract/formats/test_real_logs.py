"""The real logs of the data folder are recognised, and a sensible share of them is read."""

import json
from pathlib import Path

import pytest

from .conftest import Read, read_files

HUB = {
    "nginx_combined": ("http-dos-random-uri", "nginx-http-malformed", "nginx-http-sqli-probing", "apache2-malformed"),
    "apache_common": ("apache-http-probing",),
    "apache_vhost": ("bunkerweb-http-malformed",),
    "traefik_json": ("traefik_base-http-scenario",),
    "traefik_clf": ("traefik_clf",),
    "envoy_json_container": ("envoy-http-crawl-non_statics",),
    "caddy_json": ("caddy-logs", "caddy-basic-auth-bf"),
    "aws_alb": ("aws-alb-http-bad-user-agent",),
    "aws_cloudfront": ("aws-cloudfront-logs",),
    "aws_cloudtrail": ("aws-cloudtrail", "aws-nwo-login"),
    "keycloak_text": ("keycloak-bf", "keycloak-logs"),
    "syslog": ("sshd-logs", "ssh-bf"),
}
WRAPPED = {
    "AWS.CloudTrail": ("aws_cloudtrail", 0.9), "AWS.S3ServerAccess": ("aws_s3_access_json", 0.7), "Okta.SystemLog": ("okta_system_log", 0.9),
    "Auth0.Events": ("auth0_stream", 1.0), "Azure.Audit": ("entra_monitor", 1.0), "GitHub.Audit": ("github_audit", 0.6),
    "GSuite.ActivityEvent": ("google_workspace", 0.5), "Microsoft365.Audit.Exchange": ("microsoft365_audit_lower", 1.0),
    "GCP.AuditLog": ("google_cloud_audit", 0.8), "Snowflake.LoginHistory": ("generic_json", 0.9), "Notion.AuditLogs": ("generic_json", 0.9),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(data_folder, formats, tmp_path_factory) -> dict[str, Read]:
    paths = [
        data_folder / "cloud-otrf" / "ec2_proxy_s3_exfiltration_2020-09-14011940.json",
        data_folder / "cloud-otrf" / "AWS_S3_HoneyBucketLogs.csv",
        data_folder / "cloudtrail-invictus-2023" / "cloudtrail.jsonl.gz",
        *sorted((data_folder / "cloudtrail-stratus").glob("*.json")),
        data_folder / "http-semicomplete-2015" / "access.log.gz",
        data_folder / "auth-ssh" / "elastic-auth.log.gz",
        data_folder / "auth-rba-sample" / "rba-sample.csv",
    ]
    return read_files(paths, folder=tmp_path_factory.mktemp("out"), formats=formats)


def test_all_cloudtrail_records_are_read(whole):
    read = {name: source for name, (source, _rows) in whole.items() if source.format == "aws_cloudtrail"}
    assert len(read) == 20
    assert all(source.parsed == source.lines for source in read.values())


def test_the_stolen_role_is_one_principal_with_the_object_it_read(whole):
    _source, rows = whole["ec2_proxy_s3_exfiltration_2020-09-14011940.json"]
    read = [row for row in rows.values() if row["api_operation"] == "GetObject"]
    assert {row["object_type"] for row in read} == {"s3_object"}
    assert len({row["object_id"] for row in read}) == 1
    assert all(":role/" in row["actor_user_uid"] for row in read)


def test_failed_passwords_and_accepted_log_ins_of_sshd_are_all_found(whole):
    source, rows = whole["elastic-auth.log.gz"]
    assert source.parsed == source.lines == 7121
    tried = [row for row in rows.values() if (row["api_operation"] or "").startswith(("Failed", "Accepted"))]
    # 670 lines of their own from 104 addresses, and 43 that say "message repeated", one of them from another.
    assert sum(row["status_id"] == 2 and row["api_operation"] == "Failed password" for row in tried) == 713
    assert len({row["src_endpoint_ip"] for row in tried if row["api_operation"] == "Failed password"}) == 105
    assert sum(row["status_id"] == 1 for row in tried) == 226


def test_web_and_csv_logs_are_read(whole):
    assert whole["access.log.gz"][0].parsed >= 9999
    source, rows = whole["rba-sample.csv"]
    assert (source.format, source.parsed) == ("generic_csv", 9)
    assert {row["class_uid"] for row in rows.values()} == {3002}
    assert whole["AWS_S3_HoneyBucketLogs.csv"][0].parsed == 301


def test_logs_of_many_products_are_recognised(data_folder, formats, tmp_path):
    paths: dict[str, Path] = {}
    expected: dict[str, str] = {}
    for key, names in HUB.items():
        for name in names:
            folder = data_folder / "cases-crowdsec-hub" / name
            log = next(path for path in folder.iterdir() if path.suffix != ".json")
            copy = tmp_path / f"{name}.log"
            copy.write_bytes(log.read_bytes())
            paths[copy.name], expected[copy.name] = copy, key
    read = read_files(list(paths.values()), folder=tmp_path / "out", formats=formats)
    assert {name: source.format for name, (source, _rows) in read.items()} == expected
    for source, _rows in read.values():
        assert source.parsed >= 0.5 * (source.lines - source.rejected_by_reason.get("empty line", 0))


def test_single_audit_records_are_recognised_once_unwrapped(data_folder, formats, tmp_path):
    for name in WRAPPED:
        cases = (data_folder / "cases-panther" / f"{name}.jsonl").read_text().splitlines()
        records = [json.loads(case)["event"] for case in cases if not json.loads(case)["needs_mocks"]]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    read = read_files(sorted(tmp_path.glob("*.jsonl")), folder=tmp_path / "out", formats=formats)
    for name, (key, share) in WRAPPED.items():
        source, _rows = read[f"{name}.jsonl"]
        assert source.format == key
        assert source.parsed >= share * source.lines, name
