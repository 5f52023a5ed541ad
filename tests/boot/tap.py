"""Reads what progs/runner.c and the programs under it print, one line a check."""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"^(not )?ok (\d+) - (\S+)(?: # (SKIP)\b ?(.*))?")
BEGIN = re.compile(r"^@begin (\S+)")
END = re.compile(r"^@end (\S+) status=(\d+) frames=(-?\d+) ms=(\d+) audit=(\w+) objects=(\S+)$")
PLAN = re.compile(r"^1\.\.(\d+)")
# Objects that stay with what lives on: an inode that was locked once keeps its list of locks.
KEPT = ("file_lock_ctx",)


def objects_of(text):
    names = [] if text == "none" else text.split(",")
    return [name for name in names if name.split(":")[0] not in KEPT]


@dataclass
class Check:
    passed: bool
    skipped: bool
    notes: list


@dataclass
class Program:
    """One program's part of the text."""

    checks: dict = field(default_factory=dict)
    plan: int | None = None
    status: int | None = None  # None: it never came to its end
    frames: int = 0  # frames gone for good; the ledger balances at 0
    ms: int = 0
    audit: str = "none"  # what the audit of the machine's frames said; Linux has none
    objects: list = field(default_factory=list)  # caches of the kernel left with more or fewer, as NAME:MORE
    text: list = field(default_factory=list)

    def fault(self):
        """Why the program as a whole is not right, or None."""
        if self.status is None:
            return "did not end"
        if self.plan is None:
            return f"said no plan; status {self.status}"
        if self.plan != len(self.checks):
            return f"planned {self.plan} checks and ran {len(self.checks)}"
        failed = any(not c.passed for c in self.checks.values())
        if self.status != (1 if failed else 0):
            return f"ended with status {self.status}"
        if self.frames:
            return f"the ledger of frames is off by {self.frames}"
        if self.objects:
            return f"objects of the kernel are left: {self.objects}"
        if self.audit not in ("good", "none"):
            return f"the audit of frames is {self.audit}"
        return None


def parse(text):
    """Programs by name, in order. Lines outside of any program are the kernel's."""
    programs = {}
    current = None
    notes = []
    for line in text.splitlines():
        if match := BEGIN.match(line):
            current = programs[match[1]] = Program()
            notes = []
            continue
        if current is None:
            continue
        if match := END.match(line):
            current.status, current.frames = int(match[2]), int(match[3])
            current.ms, current.audit = int(match[4]), match[5]
            current.objects = objects_of(match[6])
            current = None
        elif match := RESULT.match(line):
            current.checks[match[3]] = Check(not match[1], bool(match[4]), notes)
            notes = []
        elif match := PLAN.match(line):
            current.plan = int(match[1])
        else:
            notes.append(line)
        if current is not None:
            current.text.append(line)
    return programs


def finished(text):
    """True where the runner came to its end and said so."""
    return re.search(r"^@done$", text, re.MULTILINE) is not None
