"""A root file system out of Debian's packages, with the runner as /init and scripts as its programs."""

from initrd import Initrd
from matrix import PROGS, ROOT

ROOTS = ROOT / "build" / "tests" / "real"


def overlay(root, scripts, out, arguments=None):
    """Writes the initrd to `out`. `arguments`: of some scripts, by name. FileNotFoundError: no such root yet."""
    base = ROOTS / f"{root}.cpio"
    if not base.exists():
        raise FileNotFoundError(f"{base} is not there: `make real-roots` fetches Debian's packages")
    archive = Initrd()
    archive.file("init", PROGS / "runner")
    for script in scripts:
        archive.file(f"progs/{script.name}", script)
    lines = [" ".join([script.name] + (arguments or {}).get(script.name, [])) for script in scripts]
    archive.text("tests.list", "\n".join(lines) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "wb") as whole:
        whole.write(base.read_bytes())
        whole.write(archive.bytes())
