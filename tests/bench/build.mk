# The benchmarks: one program, Calf and Linux, the same QEMU. BENCHFLAGS goes to tests/bench/run.py.
BENCH_OUT := build/bench
BENCHFLAGS ?=

BENCH_COMMON := tests/bench/common.c tests/bench/common.h
$(BENCH_OUT)/micro: tests/bench/micro.c tests/bench/forks.c tests/bench/micro.h $(BENCH_COMMON)
$(BENCH_OUT)/parallel: tests/bench/parallel.c $(BENCH_COMMON)
$(BENCH_OUT)/sparse: tests/bench/sparse.c $(BENCH_COMMON)
$(BENCH_OUT)/micro $(BENCH_OUT)/parallel $(BENCH_OUT)/sparse:
	@mkdir -p $(@D)
	@$(MUSL_CC) -std=gnu11 -O2 -static -Wall -Wextra -Wshadow -Werror -pthread -o $@ $(filter %.c,$^)

.PHONY: bench bench-check bench-smp bench-real bench-sparse
bench:
	@$(MAKE) --no-print-directory deps DEPS=bench
	@$(MAKE) --no-print-directory -s all $(BENCH_OUT)/micro $(LINUX)
	@$(PYTHON) tests/bench/run.py $(BENCHFLAGS)

bench-check:
	@$(MAKE) --no-print-directory deps DEPS=run
	@$(MAKE) --no-print-directory -s all $(BENCH_OUT)/micro
	@$(PYTHON) tests/bench/run.py --check $(BENCHFLAGS)

# Two CPUs, by the clock, against tests/bench/ratios.csv.
bench-smp:
	@$(MAKE) --no-print-directory deps DEPS=run
	@$(MAKE) --no-print-directory -s all plain-build $(BENCH_OUT)/parallel $(LINUX)
	@LEAST=180 PAIRS=200 $(PLAIN_OUT)/test_scale
	@$(PYTHON) tests/bench/run.py --smp $(BENCHFLAGS)

# Debian's own servers and programs, against tests/bench/real.csv. REALFLAGS goes to tests/bench/real.py.
REALFLAGS ?=
bench-real:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s all boot-progs real-roots
	@$(PYTHON) tests/bench/real.py $(REALFLAGS)

# What AUTO_SPARSE in mm/fork.c follows from.
bench-sparse:
	@$(MAKE) --no-print-directory deps DEPS=run
	@$(MAKE) --no-print-directory -s all $(BENCH_OUT)/sparse
	@rm -rf $(BENCH_OUT)/root && mkdir -p $(BENCH_OUT)/root && cp $(BENCH_OUT)/sparse $(BENCH_OUT)/root/init
	@cd $(BENCH_OUT)/root && echo init | cpio -o -H newc --quiet >../sparse.cpio
	@$(MAKE) --no-print-directory -s iso INITRD=$(BENCH_OUT)/sparse.cpio ISO=$(BENCH_OUT)/sparse.iso \
		CMDLINE="norandmaps quiet"
	@$(MAKE) --no-print-directory -s qemu ISO=$(BENCH_OUT)/sparse.iso MEM=1G \
		QEMUFLAGS="-icount shift=0,sleep=off -cpu max,-erms,-fsrm"
