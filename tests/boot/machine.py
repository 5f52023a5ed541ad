"""One QEMU machine: boots it, reads its serial line, and says how it ended.

QEMU's own status cannot tell a power-off from a triple fault (both are 0 under -no-reboot), so the
reason is taken from QMP's SHUTDOWN event, and the status only tells a panic's isa-debug-exit.
"""

import codecs
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

QEMU = os.environ.get("QEMU", "qemu-system-x86_64")
OVMF_CODE = ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = ("/usr/share/OVMF/OVMF_VARS.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")

POWER_OFF = "power-off"
PANIC = "panic"
RESET = "reset"  # a triple fault, or a reboot that nobody asked for
HANG = "hang"

ANSI = re.compile(r"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[c78])")
HALF = re.compile(r"\x1b(\[[0-9;?=]*|[()])?$")  # one that has only begun


@dataclass(repr=False)
class Outcome:
    """How a run ended, and all that it said."""

    kind: str
    status: int | None
    text: str
    seconds: float

    @property
    def good(self):
        return self.kind == POWER_OFF

    def tail(self, lines=40):
        return "\n".join(self.text.splitlines()[-lines:])

    def __repr__(self):
        return f"{self.kind} (QEMU status {self.status}) after {self.seconds:.1f} s:\n{self.tail()}"


def first_existing(paths):
    for path in paths:
        if os.path.exists(path):
            return path
    raise FileNotFoundError(" or ".join(paths))


@dataclass
class Machine:
    """A machine to be. Give either an ISO, or a kernel with an initrd and a command line."""

    iso: str | None = None
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str = ""
    memory: str = "512M"
    smp: int | str = 1  # or QEMU's words: "2,sockets=2"
    uefi: bool = False
    # Time passes by instructions, four nanoseconds each, and idle time at once: what is timed in the
    # machine does not depend on how busy its host is.
    counted: bool = False
    # The ISO in an AHCI drive: the firmware reads it several times as fast as the plain one's, which
    # counts where it is large.
    ahci: bool = False
    extra: list = field(default_factory=list)

    def arguments(self, scratch):
        args = [QEMU, "-accel", "tcg", "-cpu", "max", "-m", self.memory, "-smp", str(self.smp)]
        args += ["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]
        args += ["-nic", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        if self.counted:
            args += ["-icount", "shift=2,sleep=off"]
        if self.uefi:
            variables = os.path.join(scratch, "vars.fd")
            shutil.copyfile(first_existing(OVMF_VARS), variables)
            code = first_existing(OVMF_CODE)
            args += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"]
            args += ["-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
        if self.iso and self.ahci:
            args += ["-device", "ahci,id=ahci", "-device", "ide-cd,bus=ahci.0,drive=cd", "-boot", "d"]
            args += ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={self.iso}"]
        elif self.iso:
            args += ["-cdrom", self.iso, "-boot", "d"]
        if self.kernel:
            args += ["-kernel", self.kernel, "-append", self.cmdline]
        if self.initrd:
            args += ["-initrd", self.initrd]
        return args + self.extra

    def start(self):
        return Run(self)

    def run(self, timeout, idle=None):
        """Boots, lets it run to its end without input, and says how it ended."""
        with self.start() as run:
            return run.finish(timeout, idle)


class Run:
    """A machine that is on. Use as a context: leaving it kills QEMU if it still runs."""

    def __init__(self, machine):
        self.scratch = tempfile.mkdtemp(prefix="calf-qemu-")
        ours, theirs = socket.socketpair()
        args = machine.arguments(self.scratch)
        args += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}"]
        args += ["-mon", "chardev=qmp,mode=control"]
        self.text = ""
        self.half = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.qmp = ours
        self.qmp_text = b""
        self.qmp.sendall(b'{"execute":"qmp_capabilities"}\n')
        os.set_blocking(self.process.stdout.fileno(), False)
        self.open = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.qmp.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def pump(self, seconds):
        """Takes in what comes within `seconds`; true where something came."""
        ready, _, _ = select.select([self.process.stdout] if self.open else [], [], [], seconds)
        if not ready:
            return False
        data = self.process.stdout.read()
        if not data:
            self.open = False
            return False
        text = self.half + self.decoder.decode(data)
        half = HALF.search(text)
        self.half = half[0] if half else ""
        text = text[: len(text) - len(self.half)]
        self.text += ANSI.sub("", text).replace("\r", "")
        return True

    def send(self, text):
        """Types `text` on the serial line."""
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        self.process.stdin.flush()

    def expect(self, pattern, timeout, since=0):
        """Waits for a match of `pattern` in the text from `since` on; returns the match."""
        deadline = time.monotonic() + timeout
        wanted = re.compile(pattern, re.MULTILINE)
        while True:
            match = wanted.search(self.text, since)
            if match:
                return match
            left = deadline - time.monotonic()
            if left <= 0 or not self.open:
                why = "the machine stopped" if not self.open else f"nothing within {timeout} s"
                tail = "\n".join(self.text[since:].splitlines()[-30:])
                raise AssertionError(f"expected {pattern!r}: {why}; the line said:\n{tail}")
            self.pump(min(left, 1.0))

    def finish(self, timeout, idle=None):
        """Runs to the end. Past `timeout` seconds, or `idle` seconds of silence, it is a hang."""
        deadline = self.began + timeout
        spoke = time.monotonic()
        while self.open:
            if self.pump(0.5):
                spoke = time.monotonic()
            now = time.monotonic()
            if now > deadline or (idle and now - spoke > idle):
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                return self.outcome(HANG, None)
        status = self.process.wait()
        return self.outcome(self.reason(status), status)

    def outcome(self, kind, status):
        return Outcome(kind, status, self.text, time.monotonic() - self.began)

    def reason(self, status):
        """Turns QEMU's status and the SHUTDOWN event into one of the kinds above."""
        if status != 0:
            return PANIC
        self.qmp.settimeout(5)
        try:
            while chunk := self.qmp.recv(65536):
                self.qmp_text += chunk
        except OSError:
            pass
        for line in self.qmp_text.splitlines():
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                why = event["data"]["reason"]
                return POWER_OFF if why == "guest-shutdown" else RESET
        return RESET
