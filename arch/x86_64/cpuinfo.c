/* /proc/cpuinfo from CPUID (Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E), in Linux's
 * words. */
#include "arch/cpuinfo.h"

#include <stdarg.h>

#include "arch/x86_64/smp.h"
#include "arch/x86_64/clock.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

enum cpuid_reg { EAX, EBX, ECX, EDX };

struct cpuid {
	u32 r[4];
};

static struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid c;

	__asm__("cpuid"
		: "=a"(c.r[EAX]), "=b"(c.r[EBX]), "=c"(c.r[ECX]), "=d"(c.r[EDX])
		: "a"(leaf), "c"(subleaf));
	return c;
}

/* A register of feature bits and what each is called; NULL: not shown. */
struct flag_word {
	u32 leaf, subleaf;
	enum cpuid_reg reg;
	const char *names[32];
};

/* In the order in which Linux lists them. */
static const struct flag_word flag_words[] = {
    {1, 0, EDX, {"fpu",	 "vme",	  "de",	  "pse",     "tsc",  "msr", "pae",  "mce",
		 "cx8",	 "apic",  NULL,	  "sep",     "mtrr", "pge", "mca",  "cmov",
		 "pat",	 "pse36", "pn",	  "clflush", NULL,   "dts", "acpi", "mmx",
		 "fxsr", "sse",	  "sse2", "ss",	     "ht",   "tm",  "ia64", "pbe"}},
    {0x80000001,
     0,
     EDX,
     {[11] = "syscall",
      [19] = "mp",
      [20] = "nx",
      [22] = "mmxext",
      [25] = "fxsr_opt",
      [26] = "pdpe1gb",
      [27] = "rdtscp",
      [29] = "lm",
      [30] = "3dnowext",
      [31] = "3dnow"}},
    {1, 0, ECX, {"pni",	   "pclmulqdq", "dtes64", "monitor", "ds_cpl",
		 "vmx",	   "smx",	"est",	  "tm2",     "ssse3",
		 "cid",	   "sdbg",	"fma",	  "cx16",    "xtpr",
		 "pdcm",   NULL,	"pcid",	  "dca",     "sse4_1",
		 "sse4_2", "x2apic",	"movbe",  "popcnt",  "tsc_deadline_timer",
		 "aes",	   "xsave",	NULL,	  "avx",     "f16c",
		 "rdrand", "hypervisor"}},
    {0x80000001,
     0,
     ECX,
     {[0] = "lahf_lm",
      [1] = "cmp_legacy",
      [2] = "svm",
      [3] = "extapic",
      [4] = "cr8_legacy",
      [5] = "abm",
      [6] = "sse4a",
      [7] = "misalignsse",
      [8] = "3dnowprefetch",
      [9] = "osvw",
      [10] = "ibs",
      [11] = "xop",
      [12] = "skinit",
      [13] = "wdt",
      [15] = "lwp",
      [16] = "fma4",
      [21] = "tbm",
      [22] = "topoext"}},
    {7, 0, EBX, {[0] = "fsgsbase", [1] = "tsc_adjust", [3] = "bmi1",	    [5] = "avx2",
		 [7] = "smep",	   [8] = "bmi2",       [9] = "erms",	    [10] = "invpcid",
		 [14] = "mpx",	   [16] = "avx512f",   [17] = "avx512dq",   [18] = "rdseed",
		 [19] = "adx",	   [20] = "smap",      [21] = "avx512ifma", [23] = "clflushopt",
		 [24] = "clwb",	   [29] = "sha_ni",    [30] = "avx512bw",   [31] = "avx512vl"}},
    {0xd, 1, EAX, {"xsaveopt", "xsavec", "xgetbv1", "xsaves"}},
    {7,
     0,
     ECX,
     {[1] = "avx512vbmi",
      [2] = "umip",
      [3] = "pku",
      [4] = "ospke",
      [6] = "avx512_vbmi2",
      [8] = "gfni",
      [9] = "vaes",
      [10] = "vpclmulqdq",
      [11] = "avx512_vnni",
      [12] = "avx512_bitalg",
      [14] = "avx512_vpopcntdq",
      [16] = "la57",
      [22] = "rdpid"}},
    {7, 0, EDX, {[4] = "fsrm", [10] = "md_clear", [14] = "serialize"}},
};

struct description {
	void (*text)(void *arg, const char *text);
	void *arg;
};

static void __printf(2, 3) say(const struct description *d, const char *fmt, ...)
{
	char line[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	d->text(d->arg, line);
}

static u32 max_leaf(u32 base)
{
	return cpuid(base, 0).r[EAX];
}

static bool leaf_exists(u32 leaf)
{
	return leaf <= max_leaf(leaf & 0x80000000);
}

static void say_names(const struct description *d)
{
	struct cpuid c = cpuid(0, 0);
	u32 sign = cpuid(1, 0).r[EAX];
	u32 family = (sign >> 8) & 0xf, model = (sign >> 4) & 0xf;
	char vendor[13] = {0}, brand[49] = {0};
	const char *name = brand;

	memcpy(vendor, &c.r[EBX], 4);
	memcpy(vendor + 4, &c.r[EDX], 4);
	memcpy(vendor + 8, &c.r[ECX], 4);
	if (family == 0xf)
		family += (sign >> 20) & 0xff;
	if (family >= 6)
		model |= (sign >> 12) & 0xf0;
	if (leaf_exists(0x80000004)) {
		for (u32 i = 0; i < 3; i++) {
			c = cpuid(0x80000002 + i, 0);
			memcpy(brand + i * 16, c.r, 16);
		}
	}
	name += strspn(name, " ");
	say(d, "vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", vendor, family, model);
	say(d, "model name\t: %s\n", *name ? name : "unknown");
	if (sign & 0xf)
		say(d, "stepping\t: %u\n", sign & 0xf);
	else
		say(d, "stepping\t: unknown\n");
}

static void say_flags(const struct description *d)
{
	say(d, "flags\t\t:");
	for (size_t w = 0; w < ARRAY_SIZE(flag_words); w++) {
		const struct flag_word *word = &flag_words[w];
		u32 bits = 0;

		if (leaf_exists(word->leaf))
			bits = cpuid(word->leaf, word->subleaf).r[word->reg];
		for (unsigned i = 0; i < 32; i++)
			if (bits & (1u << i) && word->names[i])
				say(d, " %s", word->names[i]);
	}
	say(d, "\nbugs\t\t:\n");
}

static void say_hertz(const struct description *d, const char *name, u64 hertz)
{
	say(d, "%s%lu.%03lu\n", name, hertz / 1000000, hertz / 1000 % 1000);
}

static void say_sizes(const struct description *d)
{
	u32 line = (cpuid(1, 0).r[EBX] >> 8 & 0xff) * 8;
	u32 bits = leaf_exists(0x80000008) ? cpuid(0x80000008, 0).r[EAX] : 0x3024;

	say(d, "clflush size\t: %u\ncache_alignment\t: %u\n", line, line);
	say(d, "address sizes\t: %u bits physical, %u bits virtual\n", bits & 0xff,
	    bits >> 8 & 0xff);
	say(d, "power management:\n\n");
}

static void say_place(const struct description *d, u32 cpu)
{
	struct cpu_topology t;
	u32 cpus, threads;

	cpu_topology(cpu, &t);
	cpus = (u32)__builtin_popcountll(t.package_cpus);
	threads = (u32)__builtin_popcountll(t.core_cpus);
	say(d, "physical id\t: %u\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n", t.package,
	    cpus, t.core, cpus / threads);
}

void cpu_describe(u32 cpu, void (*text)(void *arg, const char *text), void *arg)
{
	const struct description d = {text, arg};
	u32 apic = percpus[cpu].apic_id;

	say(&d, "processor\t: %u\n", cpu);
	say_names(&d);
	say_hertz(&d, "cpu MHz\t\t: ", clock_tsc_hz());
	if (leaf_exists(0x80000006))
		say(&d, "cache size\t: %u KB\n", cpuid(0x80000006, 0).r[ECX] >> 16);
	say_place(&d, cpu);
	say(&d, "apicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\n", apic,
	    apic);
	say(&d, "cpuid level\t: %u\nwp\t\t: yes\n", max_leaf(0));
	say_flags(&d);
	say(&d, "bogomips\t: %lu.%02lu\n", clock_tsc_hz() / 500000, clock_tsc_hz() / 5000 % 100);
	say_sizes(&d);
}
