"""How many CPUs come up, by machine and by command line; and what stops or shows all of them."""

import re

import pytest

from machine import HANG, PANIC, POWER_OFF
from test_boots import boot, busybox

pytestmark = pytest.mark.xdist_group("several")  # see Config.group in matrix.py

SHOW = """#!/bin/sh
mount -t proc proc /proc
echo "cpus: $(grep -c ^processor /proc/cpuinfo)"
grep ^Cpus_allowed: /proc/self/status
busybox mkdir /sys
mount -t sysfs sysfs /sys
for cpu in /sys/devices/system/cpu/cpu[0-9]*/topology; do
	cd $cpu
	echo place: $(cat physical_package_id core_id thread_siblings_list core_siblings_list)
done
poweroff -f
"""


def show(name, smp, cmdline="", **options):
    outcome = boot(f"smp-{name}", busybox(SHOW), cmdline, smp=smp, **options)
    assert outcome.kind == POWER_OFF, outcome
    return outcome


def cpus(outcome):
    return int(re.search(r"^cpus: (\d+)", outcome.text, re.M)[1])


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
@pytest.mark.parametrize(
    "smp,count", [(1, 1), (2, 2), ("2,sockets=2", 2), ("4,cores=2,threads=2", 4), (8, 8)]
)
def test_all_cpus_run(smp, count, uefi):
    outcome = show(f"all{count}-{uefi}", smp, uefi=uefi)
    assert cpus(outcome) == count, outcome
    assert f"Cpus_allowed:\t{(1 << count) - 1:x}" in outcome.text, outcome


@pytest.mark.parametrize(
    "smp,places",
    [
        ("2,sockets=2", ["0 0 0 0", "1 0 1 1"]),
        ("4,cores=2,threads=2", ["0 0 0-1 0-3", "0 0 0-1 0-3", "0 1 2-3 0-3", "0 1 2-3 0-3"]),
        ("4,sockets=2,cores=2", ["0 0 0 0-1", "0 1 1 0-1", "1 0 2 2-3", "1 1 3 2-3"]),
    ],
)
def test_each_cpu_has_its_place(smp, places):
    outcome = show("place" + re.sub("[^0-9]", "", smp), smp)
    assert re.findall(r"^place: (.*)", outcome.text, re.M) == places, outcome


def test_sixty_four_cpus_run():
    assert cpus(show("64", 64, memory="512M", timeout=240)) == 64


@pytest.mark.parametrize(
    "words,count",
    [("maxcpus=2", 2), ("maxcpus=1", 1), ("maxcpus=0", 1), ("nosmp", 1), ("maxcpus=99", 4)],
)
def test_the_command_line_limits_them(words, count):
    outcome = show(words.replace("=", ""), 4, words)
    assert cpus(outcome) == count, outcome
    assert f"smp: {count} of 4 CPUs run" in outcome.text, outcome


def test_cpus_that_are_not_plugged_in_are_not_started():
    assert cpus(show("unplugged", "2,maxcpus=4")) == 2


def test_without_acpi_one_cpu_runs():
    extra = ["-machine", "acpi=off"]
    outcome = boot("smp-noacpi", busybox(SHOW), smp=2, extra=extra, idle=8)
    assert cpus(outcome) == 1, outcome
    # without ACPI there is no way to switch off
    assert outcome.kind == HANG and "halted" in outcome.text, outcome


def test_nodes_are_found():
    extra = ["-object", "memory-backend-ram,id=a,size=128M", "-object", "memory-backend-ram,id=b,size=128M"]
    extra += ["-numa", "node,nodeid=0,memdev=a,cpus=0", "-numa", "node,nodeid=1,memdev=b,cpus=1"]
    extra += ["-numa", "dist,src=0,dst=1,val=20"]
    outcome = show("numa", 2, extra=extra)
    assert re.search(r"acpi: 2 nodes, of 2 CPUs and \d+ ranges of memory; distances are told", outcome.text)
    assert cpus(outcome) == 2, outcome


def sysrq(key, **options):
    script = f"#!/bin/sh\nmount -t proc proc /proc\necho {key} >/proc/sysrq-trigger\npoweroff -f\n"
    return boot(f"sysrq-{key}", busybox(script), smp=4, **options)


def test_a_panic_says_which_cpu_and_stops_all():
    outcome = sysrq("c")
    assert outcome.kind == PANIC, outcome
    assert re.search(r"^CPU [0-3], task \d+ \(init\)", outcome.text, re.M), outcome


def test_all_cpus_say_where_they_are():
    outcome = sysrq("l")
    assert outcome.kind == POWER_OFF, outcome
    for cpu in range(4):
        assert re.search(rf"CPU {cpu}, task -?\d+ \(", outcome.text), outcome
    assert outcome.text.count("ap_main") >= 2, outcome  # those that idle, and are not CPU 0
