/* Machine-wide counters. */
#include "mm/stat.h"

u64 vm_events[MAX_CPUS][VM_EVENT_ROW] __aligned(64);

const char *const vm_event_names[VM_EVENT_COUNT] = {
#define X(name) #name,
    VM_EVENTS(X)
#undef X
};

u64 vm_sum(enum vm_event e)
{
	u64 sum = 0;

	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		sum += atomic_load(&vm_events[cpu][e]);
	return sum;
}
