/* Copying to and from user memory: ranges are checked here, the moves are uaccess.S's. */
#include "arch/uaccess.h"

#include "arch/mmu.h"
#include "arch/x86_64/extable.h"

size_t uaccess_copy(void *to, const void *from, size_t n);
size_t uaccess_clear(void *to, size_t n);
int uaccess_load8(u64 *to, const void *from);
int uaccess_load4(u32 *to, const void *from);
int uaccess_load1(u8 *to, const void *from);
int uaccess_cmpxchg4(u32 *p, u32 expected, u32 new, u32 *old);

struct extable_entry {
	u64 at, fixup;
};
extern const struct extable_entry extable_start[], extable_end[];

#define WORD	  sizeof(u64)
#define LOW_BITS  0x0101010101010101ull
#define HIGH_BITS 0x8080808080808080ull

vaddr_t extable_find(vaddr_t rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if (e->at == rip)
			return e->fixup;
	return 0;
}

bool user_range_ok(const void __user *p, size_t n)
{
	u64 start = (__force u64)p;

	return start <= USER_END && n <= USER_END - start;
}

size_t copy_from_user(void *to, const void __user *from, size_t n)
{
	if (!user_range_ok(from, n))
		return n;
	return uaccess_copy(to, (__force const void *)from, n);
}

size_t copy_to_user(void __user *to, const void *from, size_t n)
{
	if (!user_range_ok(to, n))
		return n;
	return uaccess_copy((__force void *)to, from, n);
}

size_t clear_user(void __user *to, size_t n)
{
	if (!user_range_ok(to, n))
		return n;
	return uaccess_clear((__force void *)to, n);
}

/* The highest bit of the lowest byte that is 0 is set, and none below it. */
static u64 zero_byte(u64 word)
{
	return (word - LOW_BITS) & ~word & HIGH_BITS;
}

/*
 * Reads s up to its NUL or `size` bytes, into `to` where that is not NULL. Whole words are read
 * at aligned addresses alone, so that no page is touched but those that the string lies in.
 */
static ssize_t scan_user(char *to, const char __user *from, size_t size)
{
	const char *s = (__force const char *)from;
	size_t n = 0, limit;
	u64 word;
	u8 byte;

	if ((u64)s >= USER_END)
		return -EFAULT;
	limit = min(size, (size_t)(USER_END - (u64)s));
	while (n < limit) {
		if ((u64)(s + n) % WORD == 0 && limit - n >= WORD) {
			if (uaccess_load8(&word, s + n))
				return -EFAULT;
			if (!zero_byte(word)) {
				if (to)
					__builtin_memcpy(to + n, &word, WORD);
				n += WORD;
				continue;
			}
		}
		if (uaccess_load1(&byte, s + n))
			return -EFAULT;
		if (to)
			to[n] = (char)byte;
		if (!byte)
			return (ssize_t)n;
		n++;
	}
	return limit < size ? -EFAULT : (ssize_t)size;
}

ssize_t strncpy_from_user(char *to, const char __user *from, size_t size)
{
	return scan_user(to, from, size);
}

size_t strnlen_user(const char __user *s, size_t max)
{
	ssize_t n = scan_user(NULL, s, max);

	return n < 0 ? 0 : (size_t)n + 1;
}

int user_load32(u32 *to, const u32 __user *p)
{
	if (!user_range_ok(p, sizeof(*p)))
		return -EFAULT;
	return uaccess_load4(to, (__force const void *)p) ? -EFAULT : 0;
}

int user_cmpxchg32(u32 __user *p, u32 expected, u32 new, u32 *old)
{
	if (!user_range_ok(p, sizeof(*p)))
		return -EFAULT;
	return uaccess_cmpxchg4((__force u32 *)p, expected, new, old) ? -EFAULT : 0;
}
