"""`make run APP=name`: the machine comes up in the named program, on the serial line, and goes off with it."""

import os

import pytest

from test_real import SCRATCH
from conftest import make_iso
from machine import POWER_OFF, Machine
from matrix import ROOT


def test_sqlite():
    initrd = ROOT / "build" / "apps" / "sqlite.cpio"
    if not initrd.exists():
        pytest.fail(f"{initrd} is not there: `make real-roots` fetches Debian's packages", pytrace=False)
    iso = make_iso(f"app-sqlite-{os.getpid()}", initrd, "loglevel=4 -- /app")
    with Machine(iso=iso, memory="512M", ahci=True).start() as run:
        run.expect(r"Type SQL.*\n(?s:.*)sqlite> ", 200)
        run.send("select 6 * 7;\r")
        run.expect(r"\n42\n", 60)
        run.send(".quit\r")
        outcome = run.finish(200)
    (SCRATCH / "app-sqlite.log").write_text(outcome.text)
    os.unlink(iso)
    assert outcome.kind == POWER_OFF
    assert "init: /app exited with status 0" in outcome.text
