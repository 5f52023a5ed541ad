"""share.pml as cases for Spin: it holds, and does not where any one step of it is left out."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = HERE / "share.pml"
OUT = ROOT / os.environ.get("CALF_BUILD", "build") / "tests/model"

MEMORY_MIB = 1024
DEPTH = 100000  # of the search; Spin says where it was too small

# What is left out, and which assertion fails by it.
USE = r"assertion violated.*!\(\((ps|tlb)\["
FREE = "assertion violated.*(table|frame)_live"
END = "invalid end state"
MUTATIONS = {
    "M_COPY_KEEPS_W": USE,  # share_table() leaves W in the original
    "M_DROP_BEFORE_FLUSH": USE,  # unshare_table(): the old table loses its reference first
    "M_DROP_WITHOUT_LOCK": FREE,  # drop_table() does not wait for readers
    "M_FORK_KEEPS_W": USE,  # share_entry() does, of an upper entry
    "M_FORK_WITHOUT_FLUSH": USE,
    "M_LEAF_DROPS_FIRST": USE,  # write_one(): the old frame loses its reference before the flush
    "M_LEAF_WITHOUT_FLUSH": USE,
    "M_LOCK_OVER_FLUSH": "assertion violated.*upper_lock",  # tree_flush_busy() keeps the table's lock
    "M_NO_WAIT": "assertion violated.*up_w",  # without wait_while_busy()
    "M_READER_KEEPS_LOCK": END,  # slot_put() left out: all who need the table wait for ever
    "M_READER_LETS_GO": FREE,  # tree_find() gives up a lock before it has the next
    "M_REARM_ANY": USE,  # tree_own_child_slow() does not look at the mapcount
    "M_REUSE_ANY": USE,  # nor does reuse()
    "M_STORE_BEFORE_FLUSH": USE,  # write_one() without the step "busy"
    "M_UNMAP_DROPS_FIRST": USE,  # gather_flush(), the other way round
    "M_UNSHARE_WITHOUT_FLUSH": USE,
    "M_UPPER_NOT_BUSY": USE,  # unshare_table() flushes while a CPU may walk the old entry again
}


def search(name, optimize, *defines):
    """What the exhaustive search says of the model, or of what the defines make of it."""
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    flags = [optimize, "-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MIB}"]
    subprocess.run(["spin", "-a", *defines, MODEL], cwd=out, check=True)
    subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], cwd=out, check=True)
    done = subprocess.run(
        ["./pan", f"-m{DEPTH}"], cwd=out, check=True, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout)
    return done.stdout


def test_spin_share():
    said = search("share", "-O2")
    assert "errors: 0" in said, f"{OUT}/share: spin -t -p {MODEL} shows how"
    for cut_short in ("Search not completed", "MEMLIM", "depth too small"):
        assert cut_short not in said
    assert "+ Partial Order Reduction" in said
    assert re.search(r"^\s+invalid end states\s+\+", said, re.M)


def test_spin_share_mutations_are_all_run():
    assert set(re.findall(r"\bM_[A-Z]\w+", MODEL.read_text())) == set(MUTATIONS)


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
def test_spin_share_without(mutation):
    said = search(mutation, "-O1", f"-D{mutation}")
    assert "errors: 1" in said
    assert re.search(MUTATIONS[mutation], said)
