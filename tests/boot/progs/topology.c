/* Where each CPU lies, as /sys/devices/system/cpu and /proc/cpuinfo tell it. */
#include "tap.h"

#include <dirent.h>

static char buf[65536];

/* A file of a CPU's directory, into buf. False: there is none. */
static bool read_of(int cpu, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
	return slurp(path, buf, sizeof(buf)) > 0;
}

static long number_of(int cpu, const char *file)
{
	char *end;
	long value;

	REQUIRE(read_of(cpu, file));
	value = strtol(buf, &end, 10);
	CHECK(end != buf && !strcmp(end, "\n"));
	return value;
}

/* "0-2,5\n" as bits. */
static uint64_t list_of(int cpu, const char *file)
{
	uint64_t set = 0;
	char *at = buf;

	REQUIRE(read_of(cpu, file));
	do {
		long first = strtol(at, &at, 10),
		     last = *at == '-' ? strtol(at + 1, &at, 10) : first;

		for (; first <= last; first++)
			set |= 1ull << first;
	} while (*at++ == ',');
	CHECK(at[-1] == '\n' && !*at);
	return set;
}

/* "ff,ffffffff\n", in as many digits as there are CPUs for. */
static uint64_t mask_of(int cpu, const char *file)
{
	uint64_t set = 0;
	int digits = 0;
	char *at = buf;

	REQUIRE(read_of(cpu, file));
	for (; *at != '\n' && *at; at++)
		if (*at != ',') {
			char one[2] = {*at, 0};

			set = set << 4 | strtoul(one, NULL, 16);
			digits++;
		}
	EQ(digits, (sysconf(_SC_NPROCESSORS_CONF) + 3) / 4);
	return set;
}

TEST(each_cpu_has_a_place)
{
	int n = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t all = n == 64 ? ~0ull : (1ull << n) - 1;

	for (int i = 0; i < n; i++) {
		uint64_t core = list_of(i, "topology/thread_siblings_list");
		uint64_t package = list_of(i, "topology/core_siblings_list");

		CHECK(core & 1ull << i);
		CHECK(!(core & ~package) && !(package & ~all));
		EQ(list_of(i, "topology/core_cpus_list"), core);
		EQ(list_of(i, "topology/package_cpus_list"), package);
		EQ(mask_of(i, "topology/thread_siblings"), core);
		EQ(mask_of(i, "topology/core_cpus"), core);
		EQ(mask_of(i, "topology/core_siblings"), package);
		EQ(mask_of(i, "topology/package_cpus"), package);
		EQ(mask_of(i, "topology/die_cpus"), list_of(i, "topology/die_cpus_list"));
		EQ(number_of(i, "topology/die_id"), 0);
	}
}

/* The machines of the tests have one package of as many cores as CPUs. */
TEST(cores_are_numbered)
{
	int n = sysconf(_SC_NPROCESSORS_CONF);

	for (int i = 0; i < n; i++) {
		EQ(number_of(i, "topology/physical_package_id"), 0);
		EQ(number_of(i, "topology/core_id"), i);
		EQ(list_of(i, "topology/thread_siblings_list"), 1ull << i);
		EQ(__builtin_popcountll(list_of(i, "topology/core_siblings_list")), n);
	}
}

TEST(cpuinfo_agrees)
{
	int cpu = -1, seen = 0;
	char *save;

	REQUIRE(slurp("/proc/cpuinfo", buf, sizeof(buf)) > 0);
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int value;

		if (sscanf(line, "processor\t: %d", &value) == 1)
			EQ(value, ++cpu);
		else if (sscanf(line, "physical id\t: %d", &value) == 1)
			seen += EQ(value, 0);
		else if (sscanf(line, "core id\t\t: %d", &value) == 1)
			seen += EQ(value, cpu);
		else if (sscanf(line, "siblings\t: %d", &value) == 1)
			seen += EQ(value, sysconf(_SC_NPROCESSORS_CONF));
		else if (sscanf(line, "cpu cores\t: %d", &value) == 1)
			seen += EQ(value, sysconf(_SC_NPROCESSORS_CONF));
	}
	EQ(seen, 4 * (cpu + 1));
}

TEST(a_directory_for_each)
{
	DIR *d = opendir("/sys/devices/system/cpu");
	int n = sysconf(_SC_NPROCESSORS_CONF), found = 0, number;
	char path[300], rest;
	struct dirent *e;
	struct stat st;

	REQUIRE(d);
	while ((e = readdir(d)))
		if (sscanf(e->d_name, "cpu%d%c", &number, &rest) == 1) {
			snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", e->d_name);
			EQ(stat(path, &st), 0);
			CHECK(S_ISDIR(st.st_mode));
			EQ(e->d_ino, st.st_ino);
			found++;
		}
	closedir(d);
	EQ(found, n);
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", n);
	FAILS(access(path, F_OK), ENOENT);
	FAILS(access("/sys/devices/system/cpu/cpu00", F_OK), ENOENT);
	FAILS(access("/sys/devices/system/cpu/cpu", F_OK), ENOENT);
	FAILS(access("/sys/devices/system/cpu/cpu0/online", F_OK), ENOENT);
}

TEST(those_that_are_there)
{
	static const char *const files[] = {"online", "possible", "present"};
	int n = sysconf(_SC_NPROCESSORS_CONF);
	char want[16], path[64];

	snprintf(want, sizeof(want), n > 1 ? "0-%d\n" : "0\n", n - 1);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", files[i]);
		REQUIRE(slurp(path, buf, sizeof(buf)) > 0);
		CHECK(!strcmp(buf, want));
	}
	REQUIRE(slurp("/sys/devices/system/cpu/kernel_max", buf, sizeof(buf)) > 0);
	CHECK(atoi(buf) >= n - 1);
	REQUIRE(slurp("/sys/devices/system/cpu/offline", buf, sizeof(buf)) > 0);
	CHECK(!strcmp(buf, "\n"));
}

TEST(a_further_cpu_is_online)
{
	struct stat st;
	int fd;

	if (sysconf(_SC_NPROCESSORS_CONF) < 2)
		SKIP("one CPU");
	EQ(number_of(1, "online"), 1);
	EQ(stat("/sys/devices/system/cpu/cpu1/online", &st), 0);
	EQ(st.st_mode, S_IFREG | 0644);
	EQ(st.st_size, 4096);
	fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);
	REQUIRE(fd >= 0);
	EQ(write(fd, "1\n", 2), 2);
	FAILS(write(fd, "what\n", 5), EINVAL);
	close(fd);
}

/* As numactl(8) and libnuma look for it: here all is one node. */
TEST(the_node_that_has_all)
{
	int n = sysconf(_SC_NPROCESSORS_CONF);
	long total, free, used;
	char want[16];

	snprintf(want, sizeof(want), n > 1 ? "0-%d\n" : "0\n", n - 1);
	REQUIRE(slurp("/sys/devices/system/node/online", buf, sizeof(buf)) > 0);
	CHECK(!strcmp(buf, "0\n"));
	REQUIRE(slurp("/sys/devices/system/node/node0/cpulist", buf, sizeof(buf)) > 0);
	CHECK(!strcmp(buf, want));
	REQUIRE(slurp("/sys/devices/system/node/node0/cpumap", buf, sizeof(buf)) > 0);
	EQ(strtoul(buf, NULL, 16), (1ul << n) - 1);
	REQUIRE(slurp("/sys/devices/system/node/node0/distance", buf, sizeof(buf)) > 0);
	CHECK(!strcmp(buf, "10\n"));
	REQUIRE(slurp("/sys/devices/system/node/node0/meminfo", buf, sizeof(buf)) > 0);
	REQUIRE(sscanf(buf,
		       "Node 0 MemTotal:       %8ld kB\n"
		       "Node 0 MemFree:        %8ld kB\n"
		       "Node 0 MemUsed:        %8ld kB\n",
		       &total, &free, &used) == 3);
	EQ(free + used, total);
	EQ(total, value_of("/proc/meminfo", "MemTotal"));
}
