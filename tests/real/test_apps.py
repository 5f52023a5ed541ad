"""`make run APP=name`: the machine comes up in the named program, on the serial line, and goes off with it."""

import os

import pytest

from test_real import SCRATCH
from conftest import make_iso
from machine import POWER_OFF, Machine
from matrix import FULL, ROOT

# What is awaited and what is then typed, in turn; the first is that the program is there.
TALKS = {
    "sqlite": [(r"Type SQL.*\n(?s:.*)sqlite> ", "select 6 * 7;"), (r"\n42\n", ".quit")],
    "redis": [
        (r"Type a command.*\n(?s:.*)> ", "set animal cow"),
        (r"\nOK\n", "bgsave"),
        (r"Background saving started", "get animal"),
        (r'\n"cow"\n', "quit"),
    ],
    "python": [(r"Type an expression.*\n(?s:.*)>>> ", "6 * 7"), (r"\n42\n", "exit()")],
    "nginx": [(r"Type: curl.*\n(?s:.*)# ", "curl -s localhost"), (r"\nServed by nginx on Calf", "exit")],
    "postgres": [(r"Type SQL.*\n(?s:.*)=# ", "select 6 * 7;"), (r"\n +42\n", "\\q")],
}


@pytest.mark.parametrize("app", TALKS if FULL else ["sqlite"])
def test_app(app):
    initrd = ROOT / "build" / "apps" / f"{app}.cpio"
    if not initrd.exists():
        pytest.fail(f"{initrd} is not there: `make real-roots REAL_APPS={app}` fetches Debian's packages", pytrace=False)
    iso = make_iso(f"app-{app}-{os.getpid()}", initrd, "loglevel=4 -- /app")
    with Machine(iso=iso, memory="1G", ahci=True).start() as run:
        for awaited, typed in TALKS[app]:
            run.expect(awaited, 200)
            run.send(typed + "\r")
        outcome = run.finish(200)
    (SCRATCH / f"app-{app}.log").write_text(outcome.text)
    os.unlink(iso)
    assert outcome.kind == POWER_OFF
    assert "init: /app exited with status 0" in outcome.text
