/*
 * The clock is the time-stamp counter, whose rate is measured once against the PIT: channel 2
 * counts at a known 1,193,182 Hz (Intel 8254 data sheet) without any interrupt. The wall clock is
 * that plus an offset, by the battery-backed one at boot, until clock_set_wall_ns() changes it.
 */
#include "arch/clock.h"

#include "arch/cpu.h"
#include "arch/vdso.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/io.h"
#include "arch/x86_64/vdso/data.h"
#include "kernel/log.h"

#define PIT_HZ	      1193182ull
#define PIT_CHANNEL2  0x42
#define PIT_COMMAND   0x43
#define PIT_CH2_MODE0 0xb0 /* channel 2, low byte then high byte, mode 0 */
#define PIT_CH2_LATCH 0x80
#define GATE_PORT     0x61 /* bit 0: channel 2 counts; bit 1: the speaker */

#define MEASURE_TICKS 30000 /* of the PIT: 25 ms */
#define NSEC	      1000000000ull

static u64 tsc_base;
static u64 tsc_mult; /* ns = ticks * tsc_mult >> 32 */
static u64 tsc_hz;
static s64 boot_offset_ns;
/* Wall clock minus clock_ns(): where user mode reads it, too, once there is the vDSO's data. */
static s64 *wall_offset_ns = &boot_offset_ns;

static u16 pit_read(void)
{
	u8 lo;

	outb(PIT_COMMAND, PIT_CH2_LATCH);
	lo = inb(PIT_CHANNEL2);
	return (u16)(lo | inb(PIT_CHANNEL2) << 8);
}

/*
 * One reading of both counters that belong together: of several tries the one in which the least
 * time passed, since an emulator's thread may be set aside between the two.
 */
static u64 read_both(u16 *pit)
{
	u64 best = ~0ull, tsc = 0;

	for (int i = 0; i < 8; i++) {
		u64 before = cpu_rdtsc();
		u16 count = pit_read();
		u64 after = cpu_rdtsc();

		if (after - before < best) {
			best = after - before;
			tsc = before + best / 2;
			*pit = count;
		}
	}
	return tsc;
}

/* TSC ticks a second; 0 where the PIT does not count. */
static u64 measure_tsc(void)
{
	u16 start, end;
	u64 tsc_start, tsc_end;
	u64 tries = 0;

	outb(GATE_PORT, (u8)((inb(GATE_PORT) & ~0x02) | 0x01));
	outb(PIT_COMMAND, PIT_CH2_MODE0);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
	tsc_start = read_both(&start);
	while ((u16)(start - pit_read()) < MEASURE_TICKS)
		if (++tries > 100000000)
			return 0;
	tsc_end = read_both(&end);
	return (tsc_end - tsc_start) * PIT_HZ / (u16)(start - end);
}

void clock_init(void)
{
	u64 hz = measure_tsc();

	if (!hz) {
		log_warn("clock: the PIT does not count; taking the TSC for 1 GHz");
		hz = NSEC;
	}
	tsc_hz = hz;
	tsc_mult = (NSEC << 32) / hz;
	log_info("clock: TSC at %llu.%03llu MHz", (unsigned long long)(hz / 1000000),
		 (unsigned long long)(hz / 1000 % 1000));
}

void clock_init_early(void)
{
	tsc_base = cpu_rdtsc();
}

u64 clock_ns(void)
{
	u64 ticks = cpu_rdtsc() - tsc_base;

	return (u64)((unsigned __int128)ticks * tsc_mult >> 32);
}

u64 clock_wall_ns(void)
{
	return clock_ns() + (u64)__atomic_load_n(wall_offset_ns, __ATOMIC_RELAXED);
}

void clock_set_wall_ns(u64 ns)
{
	__atomic_store_n(wall_offset_ns, (s64)(ns - clock_ns()), __ATOMIC_RELAXED);
}

void arch_vdso_data(void *page)
{
	struct vdso_data *data = page;

	*data = (struct vdso_data){tsc_base, tsc_mult, *wall_offset_ns};
	wall_offset_ns = &data->wall_offset_ns;
}

u64 clock_tsc_hz(void)
{
	return tsc_hz;
}
