"""
One Bochs machine: an emulator that has what QEMU's TCG leaves out, above all the tags of translations (PCID).
It counts time by instructions, and runs its CPUs in turn, so that a run goes the same way each time.
"""

import os
import pty
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import ANSI, HANG, PANIC, POWER_OFF, RESET, Outcome

CONFIG = """
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model={model}, count={smp}, ips=50000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
ata0: enabled=1
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={scratch}/serial
clock: sync=none
log: {scratch}/log
panic: action=fatal
"""


@dataclass
class Bochs:
    """A machine to be. Its end is told from Bochs' own log."""

    iso: str
    memory: int = 256  # MiB
    smp: int = 1
    model: str = "corei7_skylake_x"

    def run(self, timeout):
        """Boots, lets it run to its end without input, and says how it ended."""
        with tempfile.TemporaryDirectory(prefix="calf-bochs-") as scratch:
            return self._run(Path(scratch), timeout)

    def _run(self, scratch, timeout):
        config = CONFIG.format(scratch=scratch, **vars(self))
        (scratch / "config").write_text(config)
        (scratch / "commands").write_text("c\n")  # Debian's Bochs has its debugger, which waits for a word
        began = time.monotonic()
        ours, theirs = pty.openpty()  # its screen and keyboard
        process = subprocess.Popen(
            ["bochs", "-q", "-f", scratch / "config", "-rc", scratch / "commands"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(theirs)
        status = wait(process, ours, began + timeout)
        os.close(ours)
        text, log = (read(scratch / name) for name in ("serial", "log"))
        kind = HANG if status is None else ending(log)
        return Outcome(kind, status, ANSI.sub("", text).replace("\r", ""), time.monotonic() - began)


def wait(process, screen, deadline):
    """The status, or None where it had to be killed; what it draws is thrown away."""
    while process.poll() is None:
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None
        if select.select([screen], [], [], 0.5)[0]:
            try:
                os.read(screen, 65536)
            except OSError:  # it has closed its side
                process.wait()
    return process.returncode


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def ending(log):
    if "ACPI control: soft power off" in log:
        return POWER_OFF
    return RESET if "shutdown" in log or "triple fault" in log else PANIC
