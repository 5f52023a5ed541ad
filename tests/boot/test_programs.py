"""Every test of every program on every machine of the matrix, and each program's own ending."""

import pytest

from matrix import CONFIGS, names_of


def cases():
    for config in CONFIGS:
        group = pytest.mark.xdist_group(config.group)
        for program in config.programs():
            for test in names_of(program):
                name = f"{config.name}-{program}-{test}"
                yield pytest.param(config, program, test, id=name, marks=group)
            name = f"{config.name}-{program}-ends"
            yield pytest.param(config, program, None, id=name, marks=group)


def slack(config):
    """
    Frames that a program's ledger may be off by. With several CPUs it depends on who was first which slab
    an object that stays lies in, so a slab more or less may be left; over all programs of a machine
    that must not add up.
    """
    return 2 if config.smp > 1 else 0


@pytest.mark.parametrize("config", [pytest.param(c, id=c.name, marks=pytest.mark.xdist_group(c.group))
                                    for c in CONFIGS if c.smp > 1 and not c.linux])
def test_ledger_of_all(results, config):
    programs = results(config).programs
    lost = sum(p.frames for p in programs.values())
    if not programs:
        pytest.skip("none of its programs was picked")
    assert abs(lost) <= 2 * slack(config), f"{lost} frames after {len(programs)} programs"


@pytest.mark.parametrize("config,program,test", list(cases()))
def test_program(results, config, program, test):
    result = results(config)
    ran = result.programs.get(program)
    if ran is None:
        pytest.fail(f"{program} never ran; the machine's last boot: {result.last()}", pytrace=False)
    if test is None:
        fault = ran.fault(slack(config))
        if fault:
            pytest.fail(f"{program} {fault}\n{result.where(program)}", pytrace=False)
        return
    check = ran.checks.get(test)
    if check is None:
        pytest.fail(f"{test} gave no result; {result.where(program)}", pytrace=False)
    if check.skipped:
        pytest.skip("; ".join(check.notes) or "skipped")
    if not check.passed:
        pytest.fail("\n".join(check.notes) or "failed without a word", pytrace=False)
