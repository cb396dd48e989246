"""A row may point down the layers, never up; and never put a reverse name on a noun that must not know of it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

# In a process of its own: Django can be set up only once, and other tests set it up for a real database.
PRINT_KEYS = """
import json
from tocsin.project import settings
settings.use_database(settings.parameters_of_socket("/nonexistent", role="nobody", database="none"))
from django.apps import apps
keys = []
for model in apps.get_app_config("tocsin").get_models(include_auto_created=True):
    for field in model._meta.get_fields():
        if field.is_relation and not field.auto_created and field.related_model is not None:
            keys.append([model.__module__, field.name, field.related_model.__module__, field.remote_field.related_name or ""])
print(json.dumps(keys))
"""


def layers(root: Path) -> list[set[str]]:
    """Return the names on each layer of the import contract, highest first."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    lines = next(each["layers"] for each in contracts if each["type"] == "layers")
    return [{name.strip(" ()") for name in line.split("|")} for line in lines]


def upward(keys: list[list[str]], order: list[set[str]]) -> list[str]:
    """Return what is wrong with each foreign key that crosses modules."""
    height = {name: -index for index, names in enumerate(order) for name in names}
    found = []
    for owner_module, field, target_module, related_name in keys:
        owner, target = owner_module.split(".")[1], target_module.split(".")[1]
        if owner == target:
            continue
        if height[target] >= height[owner]:
            found.append(f"{owner}.{field} points up, to {target}")
        if not related_name.endswith("+"):
            found.append(f'{owner}.{field} needs related_name="+": {target} must not know of {owner}')
    return found


def test_foreign_keys_point_down_and_leave_no_reverse_name(root: Path):
    printed = subprocess.run([sys.executable, "-c", PRINT_KEYS], capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    assert upward(json.loads(printed.stdout), layers(root)) == []


def test_a_planted_key_that_points_up_is_seen(root: Path):
    planted = ["tocsin.incidents.models", "scope", "tocsin.scopes.models", "incidents"]
    assert upward([planted], layers(root)) == [
        "incidents.scope points up, to scopes",
        'incidents.scope needs related_name="+": scopes must not know of incidents',
    ]
