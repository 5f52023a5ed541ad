/*
 * One 256-bit key. A long request runs ChaCha20 under it: the first 32 bytes of the stream replace
 * the key, the rest is the answer. Short ones (exec makes several) are served from a pool filled in
 * the same way, and what they take is erased from it. So nothing that was given out can be computed
 * from what is in memory later.
 */
#include "kernel/random.h"

#include "arch/cpu.h"
#include "arch/uaccess.h"
#include "kernel/lib/string.h"
#include "kernel/lock.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

static spinlock_t lock = SPINLOCK_INIT(LOCK_RANDOM);
static u32 key[8] __guarded_by_global(&lock);
static bool seeded __guarded_by_global(&lock);
static u8 pool[256] __aligned(4) __guarded_by_global(&lock);
static size_t pool_left __guarded_by_global(&lock); /* at the end of the pool */

static u32 rotate(u32 v, u32 n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(u32 x[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

static void chacha_block(const u32 with[8], u64 counter, u32 out[16])
{
	u32 in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(&in[4], with, 32);
	in[12] = (u32)counter;
	in[13] = (u32)(counter >> 32);
	memcpy(out, in, sizeof(in));
	for (unsigned n = 0; n < 10; n++) {
		quarter_round(out, 0, 4, 8, 12);
		quarter_round(out, 1, 5, 9, 13);
		quarter_round(out, 2, 6, 10, 14);
		quarter_round(out, 3, 7, 11, 15);
		quarter_round(out, 0, 5, 10, 15);
		quarter_round(out, 1, 6, 11, 12);
		quarter_round(out, 2, 7, 8, 13);
		quarter_round(out, 3, 4, 9, 14);
	}
	for (unsigned n = 0; n < 16; n++)
		out[n] += in[n];
}

/* Replaces the key by one that depends on it and on `words`. */
static void stir_locked(const u32 words[8]) __must_hold(&lock)
{
	u32 block[16];

	for (unsigned n = 0; n < 8; n++)
		key[n] ^= words[n];
	chacha_block(key, ~0ull, block);
	memcpy(key, block, sizeof(key));
	pool_left = 0;
}

static void seed_locked(void) __must_hold(&lock)
{
	u32 words[8];

	for (unsigned n = 0; n < 8; n++) {
		u64 hw = 0;

		if (!cpu_random(&hw))
			hw = 0;
		words[n] = (u32)(hw ^ hw >> 32 ^ rotate((u32)cpu_rdtsc(), n * 3));
	}
	stir_locked(words);
	seeded = true;
}

void random_add(const void *buf, size_t n)
{
	u32 words[8] = {0};
	u64 flags;

	for (size_t k = 0; k < n; k++)
		((u8 *)words)[k % sizeof(words)] ^= ((const u8 *)buf)[k];
	flags = spin_lock_irq(&lock);
	stir_locked(words);
	spin_unlock_irq(&lock, flags);
}

/* A key for one stream, and a new one for the next. */
static void take_key_locked(u32 own[8]) __must_hold(&lock)
{
	u32 block[16];

	if (!seeded)
		seed_locked();
	chacha_block(key, 0, block);
	memcpy(key, block, sizeof(key));
	memcpy(own, block + 8, 32);
	memset(block, 0, sizeof(block));
}

static void fill_pool_locked(void) __must_hold(&lock)
{
	u32 own[8];

	take_key_locked(own);
	for (size_t at = 0; at < sizeof(pool); at += 64)
		chacha_block(own, at / 64, (u32 *)(pool + at));
	memset(own, 0, sizeof(own));
	pool_left = sizeof(pool);
}

static void take_from_pool(void *buf, size_t n)
{
	u64 flags = spin_lock_irq(&lock);
	u8 *from;

	if (pool_left < n)
		fill_pool_locked();
	from = pool + sizeof(pool) - pool_left;
	memcpy(buf, from, n);
	memset(from, 0, n);
	pool_left -= n;
	spin_unlock_irq(&lock, flags);
}

void random_bytes(void *buf, size_t n)
{
	u32 own[8], block[16];
	u64 flags, counter = 0;

	if (n <= 32) {
		take_from_pool(buf, n);
		return;
	}
	flags = spin_lock_irq(&lock);
	take_key_locked(own);
	spin_unlock_irq(&lock, flags);
	while (n) {
		size_t take = min(n, sizeof(block));

		chacha_block(own, ++counter, block);
		memcpy(buf, block, take);
		buf = (char *)buf + take;
		n -= take;
	}
	memset(own, 0, sizeof(own));
	memset(block, 0, sizeof(block));
}

u64 random_u64(void)
{
	u64 v;

	random_bytes(&v, sizeof(v));
	return v;
}

#define GRND_NONBLOCK 1u
#define GRND_RANDOM   2u
#define GRND_INSECURE 4u

SYSCALL3(getrandom, u8 __user *, buf, u64, n, u32, flags)
{
	u8 chunk[256];
	u64 done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = min(n, 0x7fffffffull);
	while (done < n) {
		size_t want = min(n - done, (u64)sizeof(chunk)), missed;

		random_bytes(chunk, want);
		missed = copy_to_user(buf + done, chunk, want);
		done += want - missed;
		if (missed)
			return done ? (long)done : -EFAULT;
		if (signal_pending())
			break;
		cond_resched();
	}
	return (long)done;
}
