"""Run ceph's S3 test suite against a private server and count what passes, by group.

    git clone https://github.com/ceph/s3-tests
    python -m venv s3-tests/.venv && s3-tests/.venv/bin/pip install -r s3-tests/requirements.txt
    .venv/bin/python tools/s3_conformance.py s3-tests s3-tests/.venv/bin/python

The suite is only run, never changed. Its users are three accounts; signatures are not checked.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from sagebrush.launch import PrivateServer
from sagebrush.services.s3.owners import canonical_id

MAIN, OTHER, THIRD = "111111111111", "222222222222", "333333333333"
# What a user of SageMaker never meets.
UNMET_MARKERS = (
    "bucket_logging",
    "bucket_logging_cleanup",
    "cloud_transition",
    "cloud_restore",
    "target_by_bucket",
    "lifecycle_expiration",
    "lifecycle_transition",
)
UNMET_NAMES = ("object_lock",)
# The first group whose pattern is found in a test's name has it.
GROUPS = {
    "object lock": "object_lock",
    "browser form uploads": "post_object",
    "cross-origin rules": "cors",
    "lifecycle settings": "lifecycle|delete_marker_expiration",
    "encryption headers": "encrypt|sse_|_enc|kms",
    "ownership controls": "ownership|owner_enforced|owner_preferred|object_writer",
    "bucket policies, public access": "policy|public_block|block_public|ignore_public",
    "access control lists": "acl|access_bucket|grant",
    "tags": "tag",
    "checksums, attributes": "checksum|cksum|attributes",
    "versions, delete markers": "version|delete_marker",
    "multipart uploads": "multipart|upload_part|part_",
    "conditional requests": "if_match|if_none|ifmatch|ifnon|modifiedsince|conditional|current_if",
    "copies": "copy",
    "listings": "bucket_list|listv2|list_objects|key_count",
    "signed and anonymous requests": "raw_|anon|auth|100_continue|presigned",
    "ranges, concurrency": "range|atomic|concurrent",
    "buckets": "bucket|account_usage",
    "objects": "object|",
}

CONFIGURATION = """[DEFAULT]
host = 127.0.0.1
port = {port}
is_secure = False
ssl_verify = False
[fixtures]
bucket prefix = st-{{random}}-
iam name prefix = s3-tests-
iam path prefix = /s3-tests/
"""


def main() -> None:
    """Run the suite and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument("python", type=Path, help="the Python that has its requirements")
    parser.add_argument("--all", action="store_true", help="also the groups nobody here meets")
    parser.add_argument("-k", dest="keyword", default="", help="only tests that match")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateServer() as server:
        report = Path(folder) / "report.xml"
        configuration = Path(folder) / "s3tests.conf"
        configuration.write_text(_configuration(server), "utf-8")
        selection = _selection(parsed)
        subprocess.run(
            [
                *(parsed.python.absolute(), "-m", "pytest", "-q", "--tb=line"),
                *("-p", "no:cacheprovider", "-W", "ignore", f"--junit-xml={report}"),
                *("s3tests/functional/test_s3.py", *selection),
            ],
            cwd=parsed.suite,
            env={**os.environ, "S3TEST_CONF": str(configuration)},
            check=False,
        )
        _print_table(report)


def _selection(parsed: argparse.Namespace) -> list[str]:
    names = [] if parsed.all else [f"not {name}" for name in UNMET_NAMES]
    if parsed.keyword:
        names.append(f"({parsed.keyword})")
    selection = ["-k", " and ".join(names)] if names else []
    if not parsed.all:
        selection += ["-m", " and ".join(f"not {marker}" for marker in UNMET_MARKERS)]
    return selection


def _configuration(server: PrivateServer) -> str:
    users = {
        "s3 main": (MAIN, "api_name = us-west-2\n"),
        "s3 alt": (OTHER, ""),
        "s3 tenant": (THIRD, "tenant = testx\n"),
        "iam": (MAIN, ""),
        "iam root": (MAIN, ""),
        "iam alt root": (OTHER, ""),
    }
    sections = [
        f"[{section}]\naccess_key = {account}\nsecret_key = any\ndisplay_name = {account}\n"
        f"user_id = {canonical_id(account)}\nemail = {account}@example.com\n{extra}"
        for section, (account, extra) in users.items()
    ]
    port = server.endpoint.rpartition(":")[2]
    return CONFIGURATION.format(port=port) + "".join(sections)


def _print_table(report: Path) -> None:
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    failures: list[str] = []
    for case in ET.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").removeprefix("test_")
        group = next(group for group, pattern in GROUPS.items() if re.search(pattern, name))
        total[group] += 1
        if any(child.tag in ("failure", "error", "skipped") for child in case):
            failures.append(name)
        else:
            passed[group] += 1
    print("| group | cases | passed |\n|---|---|---|")
    for group in GROUPS:
        if total[group]:
            print(f"| {group} | {total[group]} | {passed[group]} |")
    print(f"| **all** | **{total.total()}** | **{passed.total()}** |")
    print("not passed:", *sorted(failures), sep="\n  ")


if __name__ == "__main__":
    main()
