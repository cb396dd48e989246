"""The rule in the manual is a rule."""

import re
from pathlib import Path

from tocsin.detections.queries import run_examples
from tocsin.detections.rulefile import read_rule

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "howto" / "write-a-rule.md"


def test_the_whole_rule_of_the_manual_does_what_its_examples_say(tmp_path):
    (written,) = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "invoice_walk.yml"
    path.write_text(written, encoding="utf-8")
    assert [run.problem for run in run_examples(read_rule(path))] == ["", ""]
