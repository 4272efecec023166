"""Runs the real Ansible: one JSON request on each line of standard input, one JSON result on each line of standard
output, until standard input ends. It needs the Python of Ansible's own venv.

    {"id": 1, "argv": ["ansible-inventory", "-i", "hosts", "--list"], "cwd": "/tmp/x", "env": {}}
        -> {"id": 1, "status": 0, "stdout": "...", "stderr": "..."}     the real command line, in a separate child process
    {"id": 2, "values": ["0x10", "[1, 'a']"]}     values of an INI inventory (`ast.literal_eval`, then Ansible's types)
    {"id": 3, "yaml": ["a: yes"]}                 documents, read by Ansible's own loader (PyYAML)
        -> {"id": 2, "typed": [["int", "16"], ...]}

Ansible is imported once and each command is a fork of this process, which takes tens of milliseconds instead of a
second. Settings that Ansible reads during its import (environment variables, an `ansible.cfg`) need a separate process.

No files remain: HOME and all temporary files are in one folder, which is removed when this process ends.
"""

import atexit
import functools
import gc
import json
import os
import pkgutil
import selectors
import shutil
import signal
import sys
import tempfile
import time

AT_ONCE = 2
SECONDS = 60

folder = tempfile.mkdtemp(prefix="oregano-oracle-")
owner = os.getpid()


@atexit.register
def remove_folder():
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def environment(home):
    """What a command sees of the environment, before what its request adds."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "TMPDIR": home,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": os.path.join(home, ".ansible"),
        "ANSIBLE_LOCAL_TEMP": os.path.join(home, "local"),
        "ANSIBLE_CONFIG": "",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "COLUMNS": "10000",
    }


ours = environment(folder)
del ours["ANSIBLE_CONFIG"]
for name in list(os.environ):
    if name not in ours:
        del os.environ[name]
os.environ.update(ours)
os.chdir(folder)

# The name of this file is also the name of a package.
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))

import ansible.cli.adhoc  # noqa: E402
import ansible.cli.inventory  # noqa: E402
import ansible.cli.vault  # noqa: E402
import ansible.executor.task_queue_manager  # noqa: E402,F401
import ansible.plugins.inventory.ini  # noqa: E402
import ansible.template  # noqa: E402,F401
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate  # noqa: E402
from ansible.parsing.utils.yaml import from_yaml  # noqa: E402
from ansible.parsing.vault import EncryptedString  # noqa: E402
from ansible.utils.collection_loader import _collection_finder  # noqa: E402
from ansible.plugins.loader import cache_loader, inventory_loader, vars_loader  # noqa: E402

COMMANDS = {
    "ansible": ansible.cli.adhoc.main,
    "ansible-inventory": ansible.cli.inventory.main,
    "ansible-vault": ansible.cli.vault.main,
}


def warm():
    """Plugins are imported when they are first used: better once than in every child."""
    for name in ("host_list", "script", "auto", "yaml", "ini", "toml"):
        inventory_loader.get(name)
    vars_loader.get("host_group_vars")
    cache_loader.get("memory")
    # The table of moved plugins is a large YAML file that each command would read again.
    read = _collection_finder._meta_yml_to_dict = functools.cache(_collection_finder._meta_yml_to_dict)
    read(pkgutil.get_data("ansible.config", "ansible_builtin_runtime.yml"), ("ansible.builtin", "runtime.yml"))


def needs_a_process_of_its_own(request):
    settings = any(name.startswith(("ANSIBLE_", "LC_", "PYTHON")) or name == "HOME" for name in request.get("env", {}))
    return settings or os.path.exists(os.path.join(request["cwd"], "ansible.cfg"))


def run(request, out, err):
    """The child: never returns."""
    status = 250
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["cwd"])
        argv = request["argv"]
        if needs_a_process_of_its_own(request):
            home = os.path.join(folder, str(os.getpid()))
            os.mkdir(home)
            variables = environment(home) | request.get("env", {})
            if not variables["ANSIBLE_CONFIG"]:
                del variables["ANSIBLE_CONFIG"]
            program = os.path.join(os.path.dirname(sys.executable), argv[0])
            os.execve(sys.executable, [sys.executable, program, *argv[1:]], variables)
        os.environ.update(request.get("env", {}))
        # Python's streams still use the old file descriptors; a new pair writes to the files.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        sys.argv = list(argv)
        try:
            COMMANDS[argv[0]](list(argv))
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # whatever it is, it must not come back into the loop of the parent
        os.write(2, f"oracle: {type(error).__name__}: {error}\n".encode())
    os._exit(status)


def typed(value):
    """A value with its type, so that `1`, `True` and `1.0` are three."""
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(int(value))]
    if isinstance(value, float):
        return ["float", repr(float(value))]
    if isinstance(value, EncryptedString):
        return ["vault"]
    if isinstance(value, str):
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return ["refused", "a surrogate"]
        return ["str", str(value)]
    if isinstance(value, (list, tuple)):
        return ["list", [typed(item) for item in value]]
    if isinstance(value, dict):
        return ["map", [[typed(key), typed(item)] for key, item in value.items()]]
    return ["other", type(value).__name__]


def answer_each(read, texts):
    answers = []
    for text in texts:
        try:
            answers.append(typed(read(text)))
        except BaseException as error:
            answers.append(["refused", type(error).__name__])
    return answers


def ini_value(text):
    plugin = ansible.plugins.inventory.ini.InventoryModule()
    plugin._origin = Origin(path="/hosts", line_num=1)
    return plugin._parse_value(text)


def yaml_document(text):
    return from_yaml(TrustedAsTemplate().tag(text), file_name="/hosts.yml")


class Child:
    def __init__(self, request):
        self.request = request
        self.files = [tempfile.TemporaryFile(dir=folder) for _ in range(2)]
        self.until = time.monotonic() + SECONDS
        self.pid = os.fork()
        if self.pid == 0:
            run(request, *(file.fileno() for file in self.files))

    def answer(self, status):
        texts = []
        for file in self.files:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        return {"id": self.request["id"], "status": status, "stdout": texts[0], "stderr": texts[1]}


def reply(answer):
    os.write(real_stdout, (json.dumps(answer) + "\n").encode())


def reap(children):
    """Answers for the children that have ended; ends those whose time is over."""
    for pid, child in list(children.items()):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            del children[pid]
            reply(child.answer(os.waitstatus_to_exitcode(status)))
        elif time.monotonic() > child.until:
            end(pid)
            del children[pid]
            reply(child.answer(-signal.SIGKILL))


def end(pid):
    """The child and what it started: it leads a session of its own, unless it is too young for that."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.waitpid(pid, 0)


def serve():
    # The end of a child interrupts the wait for input.
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(waking, selectors.EVENT_READ)
    waiting, children, rest, open_ = [], {}, b"", True
    while open_:
        for key, _ in selector.select(timeout=1):
            read = os.read(key.fd, 1 << 16)
            if key.fd == waking:
                continue
            open_ = bool(read)
            *lines, rest = (rest + read).split(b"\n")
            waiting.extend(json.loads(line) for line in lines)
        reap(children)
        while waiting and len(children) < AT_ONCE:
            request = waiting.pop(0)
            if "argv" in request:
                child = Child(request)
                children[child.pid] = child
            elif "values" in request:
                reply({"id": request["id"], "typed": answer_each(ini_value, request["values"])})
            else:
                reply({"id": request["id"], "typed": answer_each(yaml_document, request["yaml"])})
    for pid in children:
        end(pid)


real_stdout = os.dup(1)
os.dup2(2, 1)
warm()
gc.collect()
gc.freeze()
serve()
