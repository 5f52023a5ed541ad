/*
 * The log. A line goes, stamped, into a ring that keeps the newest 64 KiB; lines of the console's
 * level go there too, at once. Safe anywhere, interrupt handlers and panics included.
 */
#include "kernel/log.h"

#include "arch/clock.h"
#include "kernel/console.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/lock.h"

#define RING_SIZE (64u << 10)
#define LINE_MAX  512

int log_console_level = LOG_INFO;

static spinlock_t lock = SPINLOCK_INIT(LOCK_LOG);
static char ring[RING_SIZE] __guarded_by_global(&lock);
/* bytes since boot; the next one goes to written % RING_SIZE */
static u64 written __guarded_by_global(&lock);
static bool in_panic;

static void ring_put(const char *s, size_t n) __must_hold(&lock)
{
	while (n--)
		ring[written++ % RING_SIZE] = *s++;
}

/* Lines end with CR LF on a console and with LF in the ring. */
static void console_lines(const char *s, size_t n)
{
	while (n) {
		const char *end = memchr(s, '\n', n);
		size_t len = end ? (size_t)(end - s) : n;

		console_write(s, len);
		if (!end)
			break;
		console_write("\r\n", 2);
		s += len + 1;
		n -= len + 1;
	}
}

void log_printf(enum log_level level, const char *fmt,
		...) __no_lock_analysis /* a panic does without */
{
	char line[LINE_MAX];
	u64 us = clock_ns() / 1000;
	u64 flags = 0;
	va_list args;
	size_t n, body;

	n = (size_t)scnprintf(line, sizeof(line) - 1, "<%d>[%5llu.%06llu] ", level,
			      (unsigned long long)(us / 1000000),
			      (unsigned long long)(us % 1000000));
	va_start(args, fmt);
	body = (size_t)vsnprintf(line + n, sizeof(line) - 1 - n, fmt, args);
	va_end(args);
	n = min(n + body, sizeof(line) - 2);
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	if (!in_panic)
		flags = spin_lock_irq(&lock);
	ring_put(line, n);
	if ((int)level <= log_console_level || in_panic)
		console_lines(line + 3, n - 3);
	if (!in_panic)
		spin_unlock_irq(&lock, flags);
}

void log_panic(void)
{
	in_panic = true;
}

size_t log_tail(char *buf, size_t size) __no_lock_analysis /* a panic does without */
{
	u64 flags = 0;
	size_t n, i;

	if (!in_panic)
		flags = spin_lock_irq(&lock);
	n = min(size, (size_t)RING_SIZE);
	n = min((u64)n, written);
	for (i = 0; i < n; i++)
		buf[i] = ring[(written - n + i) % RING_SIZE];
	if (!in_panic)
		spin_unlock_irq(&lock, flags);
	return n;
}
