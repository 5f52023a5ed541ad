/* The reference model driven by libFuzzer: the input's bytes are the decisions. */
#include "tests/unit/model/model.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct input {
	const u8 *at, *end;
};

/* Past the end of the input every choice is the first. */
static u32 choose(void *arg, u32 n)
{
	struct input *in = arg;
	u32 v = 0;

	for (u32 reach = 1; reach < n && in->at < in->end; reach <<= 8) {
		v = v << 8 | *in->at++;
		if (reach > n >> 8)
			break;
	}
	return v % n;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct model m;
	static bool booted;
	struct input in = {data, data + size};

	if (!booted)
		model_boot(2048);
	booted = true;
	sim_forget_one_in = 0;
	model_init(&m, choose, &in);
	vm_fork_share_level = (int)choose(&in, FORK_SHARE_AUTO + 2);
	m.mixed = vm_fork_share_level > FORK_SHARE_AUTO;
	m.fail_allocations = choose(&in, 2);
	m.check_every = 8;
	while (in.at < in.end)
		model_step(&m);
	model_check(&m);
	model_end(&m);
	return 0;
}
