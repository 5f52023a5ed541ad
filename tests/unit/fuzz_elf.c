/*
 * Corrupt programs: exec's loader must refuse them or map them, and lose nothing. The program is
 * its own interpreter, so that both are loaded.
 */
#include "kernel/elf.h"
#include "kernel/knobs.h"
#include "kernel/panic.h"
#include "kernel/random.h"
#include "mm/audit.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos);
struct file *file_open_exec(int dirfd, const char *path, int flags);

static const u8 *contents;
static size_t contents_size;
static struct file *program;
int randomize_va_space = 2;

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos)
{
	ASSERT(f == program);
	if (pos < 0)
		return -EINVAL;
	if ((u64)pos >= contents_size)
		return 0;
	n = min(n, contents_size - (size_t)pos);
	memcpy(buf, contents + pos, n);
	return (ssize_t)n;
}

struct file *file_open_exec(int dirfd, const char *path, int flags)
{
	(void)dirfd;
	(void)flags;
	return path[0] == '/' ? file_get(program) : ERR_PTR(-ENOENT);
}

u64 random_u64(void)
{
	static u64 n;

	return n += 0x9e3779b97f4a7c15ull;
}

static void boot(void)
{
	sim_memory_init(1, 4096);
	frames_init_zero();
	mm_init();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct elf_image image = {0};
	struct mm *mm;
	u64 before;
	int err;

	if (!sim_arena)
		boot();
	alloc_trim();
	before = frames_free();
	contents = data;
	contents_size = size;
	program = sim_file(size, true, false);
	for (size_t at = 0; at < size; at += PAGE_SIZE)
		ASSERT(sim_file_write(program, at, data + at, min(size - at, (size_t)PAGE_SIZE)));
	mm = mm_create();
	ASSERT(mm);
	sim_run(0, mm);
	err = elf_load(mm, program, data, min(size, (size_t)256), &image);
	ASSERT(err <= 0 && err > -200);
	if (!err) {
		sim_exec(image.start);
		ASSERT(mm->brk_start <= USER_END || mm->brk == mm->brk_start);
	}
	ASSERT(mm_audit());
	mm_put_user(mm);
	file_put(program);
	alloc_trim();
	ASSERT(frames_free() == before);
	return 0;
}
