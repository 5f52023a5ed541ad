"""clang refuses what breaks the rules of kernel/lock.h, and nothing else: see wrong.c."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLANG = os.environ.get("LOCKS_CC", "clang")


def flags():
    command = [HERE / "flags", CLANG]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()


def refused(source, extra):
    command = [CLANG, "--target=x86_64-linux-gnu", "-std=gnu11", "-ffreestanding", "-I.", "-Iarch/x86_64/include"]
    command += ["-fsyntax-only", "-Werror", *extra, source]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    print(done.stderr)
    lines = re.findall(rf"^{re.escape(str(source))}:(\d+):\d+: error: .*thread-safety", done.stderr, re.M)
    assert (done.returncode == 0) == (not lines), done.stderr
    return {int(line) for line in lines}


def marked(source, exact):
    wrong = r"wrong(: exact)? \*/$" if exact else r"wrong \*/$"
    lines = source.read_text().splitlines()
    return {n for n, line in enumerate(lines, 1) if re.search(wrong, line)}


@pytest.mark.skipif(not shutil.which(CLANG), reason=f"{CLANG} is missing")
def test_wrong_lines_are_refused():
    extra = flags()
    source = HERE / "wrong.c"
    assert refused(source, extra) == marked(source, "-DCALF_EXACT_GUARDS" in extra)
