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


@pytest.mark.parametrize("config,program,test", list(cases()))
def test_program(results, config, program, test):
    result = results(config)
    ran = result.programs.get(program)
    if ran is None:
        pytest.fail(f"{program} never ran; the machine's last boot: {result.last()}", pytrace=False)
    if test is None:
        fault = ran.fault()
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
