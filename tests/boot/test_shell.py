"""The busybox shell on the serial line, as a person uses it."""

import os
import time

import pytest

from conftest import make_iso
from machine import POWER_OFF, Machine

PROMPT = r"calf# $"
INIT = """#!/bin/sh
/bin/busybox mkdir -p /proc /sys /bin /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='calf# ' TERM=vt100
# not as process 1: what it starts would count as orphaned, and ^Z would do nothing, as on Linux
setsid -c sh -i
poweroff -f
"""


class Shell:
    """Types commands and reads what they say."""

    def __init__(self, run):
        self.run = run
        self.seen = 0
        self.prompt(60)

    def prompt(self, timeout=20):
        """Waits for the next prompt; what was said until then."""
        match = self.run.expect(PROMPT, timeout, self.seen)
        text = self.run.text[self.seen : match.start()]
        self.seen = match.end()
        return text

    def type(self, keys):
        self.run.send(keys)

    def wait(self, pattern, timeout=20):
        match = self.run.expect(pattern, timeout, self.seen)
        self.seen = match.end()
        return match

    def settle(self, seconds):
        """Lets what was typed take hold."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.run.pump(left)

    def do(self, line, timeout=20):
        """Runs a command; its output without the echo of the line."""
        self.type(line + "\r")
        text = self.prompt(timeout)
        return text.split("\n", 1)[1] if "\n" in text else ""


@pytest.fixture(scope="module")
def shell(busybox_initrd):
    initrd = busybox_initrd("shell", INIT)
    iso = make_iso(f"shell-{os.getpid()}", initrd, "loglevel=3")
    with Machine(iso=iso, memory="256M").start() as run:
        yield Shell(run)
        run.send("exit\r")
        assert run.finish(time.monotonic() - run.began + 20).kind == POWER_OFF
    os.unlink(iso)


pytestmark = pytest.mark.xdist_group("shell")


def test_echo_and_status(shell):
    assert shell.do("echo $((6 * 7))") == "42\n"
    assert shell.do("false; echo $?") == "1\n"
    assert shell.do("nosuchcommand 2>/dev/null; echo $?") == "127\n"


def test_ls_proc(shell):
    names = shell.do("ls /proc").split()
    for name in ("1", "self", "meminfo", "vmstat", "uptime"):
        assert name in names, names


def test_ps(shell):
    lines = shell.do("ps").splitlines()
    assert "PID" in lines[0]
    assert any("ps" in line for line in lines[1:])
    assert any(line.split()[0] == "1" for line in lines[1:])


def test_pipes(shell):
    assert shell.do("seq 1 1000 | grep 7 | wc -l").strip() == "271"
    assert shell.do("yes | head -n 3 | tr y n") == "n\nn\nn\n"
    assert shell.do("echo b a c | tr ' ' '\\n' | sort | xargs") == "a b c\n"


def test_redirection_and_files(shell):
    shell.do("echo one > /tmp/f; echo two >> /tmp/f")
    assert shell.do("cat /tmp/f") == "one\ntwo\n"
    assert shell.do("cp /tmp/f /tmp/g; mv /tmp/g /tmp/h; cmp /tmp/f /tmp/h && rm /tmp/h; ls /tmp/h")
    assert shell.do("find /tmp -name f") == "/tmp/f\n"
    assert shell.do("sed -i s/one/1/ /tmp/f; awk '{print NR, $1}' /tmp/f") == "1 1\n2 two\n"


def test_background_and_wait(shell):
    assert "done 5" in shell.do("(sleep 0.2; exit 5) & wait $!; echo done $?")


def test_subshells_are_copies(shell):
    assert shell.do("x=1; (x=2; echo $x); echo $x") == "2\n1\n"


def test_interrupt(shell):
    shell.type("sleep 1000\r")
    shell.wait("sleep 1000\n")
    shell.settle(0.5)
    shell.type("\x03")
    shell.prompt()
    assert shell.do("echo $?") == "130\n"


def test_interrupt_of_a_busy_pipeline(shell):
    shell.type("yes > /dev/null\r")
    shell.wait("null\n")
    shell.settle(0.5)
    shell.type("\x03")
    shell.prompt()
    shell.type("yes | cat > /dev/null\r")
    shell.wait("null\n")
    shell.settle(0.5)
    shell.type("\x03")
    shell.prompt()


def test_stop_and_foreground(shell):
    shell.type("sleep 1001\r")
    shell.wait("1001\n")
    shell.settle(0.5)
    shell.type("\x1a")
    shell.wait("Stopped")
    shell.prompt()
    assert "Stopped" in shell.do("jobs")
    shell.type("fg\r")
    shell.wait("sleep 1001\n")
    shell.settle(0.5)
    shell.type("\x03")
    shell.prompt()
    assert shell.do("jobs").strip() == ""


def test_stop_and_background(shell):
    shell.type("sleep 1.5\r")
    shell.wait("1.5\n")
    shell.settle(0.3)
    shell.type("\x1a")
    shell.prompt()
    shell.do("bg")
    assert "done" in shell.do("wait; echo done")


def test_end_of_file(shell):
    shell.type("cat > /tmp/typed\r")
    shell.wait("typed\n")
    shell.settle(0.3)  # until the shell has given the terminal its own ways back
    shell.type("first line\rsecond\r\x04")
    shell.prompt()
    assert shell.do("cat /tmp/typed") == "first line\nsecond\n"


def test_line_editing_of_the_terminal(shell):
    shell.type("cat > /tmp/typed\r")
    shell.wait("typed\n")
    shell.settle(0.3)  # until the shell has given the terminal its own ways back
    shell.type("wrong\x15right\x7f\x7fte one two\x17\r\x04")
    shell.prompt()
    assert shell.do("cat /tmp/typed") == "rigte one \n"


def test_line_editing_of_the_shell(shell):
    assert shell.do("echo helo\x1b[Dl") == "hello\n"
    shell.do("echo remembered")
    shell.type("\x1b[A")
    shell.wait("echo remembered")
    shell.type("\r")
    shell.wait("^remembered\n")
    shell.prompt()


def test_vi_edits_and_saves(shell):
    shell.do("printf 'alpha\\nbeta\\ngamma\\n' > /tmp/edited")
    shell.type("vi /tmp/edited\r")
    shell.wait("gamma")
    for keys in ("j", "x", "A", " line", "\x1b", "o", "new", "\x1b", "gg", "dd", ":wq\r"):
        shell.settle(0.2)
        shell.type(keys)
    shell.prompt()
    assert shell.do("cat /tmp/edited") == "eta line\nnew\ngamma\n"


def test_stty_and_tty(shell):
    assert "speed" in shell.do("stty")
    assert shell.do("test -t 0 && echo a tty") == "a tty\n"


def test_here_documents_and_command_substitution(shell):
    assert shell.do("cat <<X\rhi $(echo there)\rX").endswith("hi there\n")


def test_memory_tools(shell):
    assert "Mem:" in shell.do("free")
    assert "PID" in shell.do("top -b -n 1 | head -n 5")
    assert "load average" in shell.do("uptime")
