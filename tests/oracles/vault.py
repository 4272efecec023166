"""Runs Ansible's own vault. Reads one JSON list of questions from standard input, and writes one JSON
list of answers. Runs with the Python of Ansible's own venv.

    {"decrypt": "$ANSIBLE_VAULT;...", "password": "p"}         -> {"text": "..."} or {"error": "..."}
    {"encrypt": "text", "password": "p", "label": "prod"}      -> {"text": "$ANSIBLE_VAULT;..."}
"""

import json
import sys

from ansible.parsing.vault import VaultLib, VaultSecret


def answer(question):
    vault = VaultLib([("default", VaultSecret(question["password"].encode()))])
    try:
        if "encrypt" in question:
            return {"text": vault.encrypt(question["encrypt"], vault_id=question["label"]).decode()}
        return {"text": vault.decrypt(question["decrypt"]).decode()}
    except Exception as error:  # Ansible lets some of Python's own through
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
