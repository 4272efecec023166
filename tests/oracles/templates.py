"""Evaluates templates with Ansible.

Reads a JSON list of cases on standard input: `inventory` (the text of a YAML inventory), `host`, `template` (any
value), and perhaps `env` and `files` (content by name). Writes a JSON list: for each case `{"value": …}`, or
`{"error": the class of the exception}`.
"""

import json
import os
import sys
import tempfile

# The configuration of the machine is not used.
CONFIG = tempfile.NamedTemporaryFile(suffix=".cfg")
os.environ["ANSIBLE_CONFIG"] = CONFIG.name

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager


def trusted(value):
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: trusted(member) for key, member in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return value


def plain(value):
    """Without Ansible's tags."""
    if isinstance(value, dict):
        return {key if isinstance(key, (bool, int, float, type(None))) else str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(type(value).__name__)


def answer(case):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (case.get("files") or {}).items():
            with open(os.path.join(folder, name), "w", newline="") as file:
                file.write(content)
        path = os.path.join(folder, "hosts.yml")
        with open(path, "w") as file:
            file.write(case["inventory"])
        before = dict(os.environ)
        os.environ.update(case.get("env") or {})
        try:
            loader = DataLoader()
            loader.set_basedir(folder)
            inventory = InventoryManager(loader=loader, sources=[path])
            manager = VariableManager(loader=loader, inventory=inventory)
            variables = manager.get_vars(host=inventory.get_host(case["host"]))
            variables["hostvars"] = HostVars(inventory=inventory, variable_manager=manager, loader=loader)
            value = Templar(loader, variables).template(trusted(case["template"]))
            return {"value": plain(value)}
        except Exception as error:
            return {"error": type(error).__name__}
        finally:
            os.environ.clear()
            os.environ.update(before)


def main():
    cases = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ansible prints is no answer
    init_plugin_loader()
    json.dump([answer(case) for case in cases], out)


main()
