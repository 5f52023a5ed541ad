# The benchmarks: one program, Calf and Linux, the same QEMU. BENCHFLAGS goes to tests/bench/run.py.
BENCH_OUT := build/bench
BENCHFLAGS ?=

$(BENCH_OUT)/micro: tests/bench/micro.c tests/bench/forks.c tests/bench/micro.h
	@mkdir -p $(@D)
	@$(MUSL_CC) -std=gnu11 -O2 -static -Wall -Wextra -Wshadow -Werror -o $@ $(filter %.c,$^)

.PHONY: bench bench-check
bench:
	@$(MAKE) --no-print-directory deps DEPS=bench
	@$(MAKE) --no-print-directory -s all $(BENCH_OUT)/micro $(LINUX)
	@$(PYTHON) tests/bench/run.py $(BENCHFLAGS)

bench-check:
	@$(MAKE) --no-print-directory deps DEPS=run
	@$(MAKE) --no-print-directory -s all $(BENCH_OUT)/micro
	@$(PYTHON) tests/bench/run.py --check $(BENCHFLAGS)
