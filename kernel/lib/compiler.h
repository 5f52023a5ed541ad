/* What the compiler and sparse understand beyond C, and the few macros that every file wants. */
#pragma once

#include "kernel/lib/types.h"

#ifdef __CHECKER__
#define __user	__attribute__((noderef, address_space(1)))
#define __force __attribute__((force))
#else
#define __user
#define __force
#endif

/*
 * Which lock guards what, for clang's -Wthread-safety; see kernel/lock.h. CALF_EXACT_GUARDS: this clang
 * lets a field name another of its struct. An older one asks only that some lock be held.
 */
#ifdef __clang__
#define __lock_attr(x) __attribute__((x))
#else
#define __lock_attr(x)
#endif
#ifdef CALF_EXACT_GUARDS
#define __guarded_by(l)	   __lock_attr(guarded_by(l))
#define __pt_guarded_by(l) __lock_attr(pt_guarded_by(l))
#else
#define __guarded_by(l)	   __lock_attr(guarded_var)
#define __pt_guarded_by(l) __lock_attr(pt_guarded_var)
#endif
#define __guarded		   __lock_attr(guarded_var)
#define __guarded_by_global(l)	   __lock_attr(guarded_by(l))
#define __pt_guarded_by_global(l)  __lock_attr(pt_guarded_by(l))
#define __capability(name)	   __lock_attr(capability(name))
#define __acquires(...)		   __lock_attr(acquire_capability(__VA_ARGS__))
#define __acquires_shared(...)	   __lock_attr(acquire_shared_capability(__VA_ARGS__))
#define __try_acquires(...)	   __lock_attr(try_acquire_capability(__VA_ARGS__))
#define __releases(...)		   __lock_attr(release_capability(__VA_ARGS__))
#define __releases_shared(...)	   __lock_attr(release_shared_capability(__VA_ARGS__))
#define __assert_holds(...)	   __lock_attr(assert_capability(__VA_ARGS__))
#define __assert_holds_shared(...) __lock_attr(assert_shared_capability(__VA_ARGS__))
#define __must_hold(...)	   __lock_attr(requires_capability(__VA_ARGS__))
#define __must_hold_shared(...)	   __lock_attr(requires_shared_capability(__VA_ARGS__))
#define __excludes(...)		   __lock_attr(locks_excluded(__VA_ARGS__))
#define __no_lock_analysis	   __lock_attr(no_thread_safety_analysis)

#define __must_check   __attribute__((warn_unused_result))
#define __noreturn     __attribute__((noreturn))
#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __section(s)   __attribute__((section(s)))
#define __unused       __attribute__((unused))
#define __noinline     __attribute__((noinline))
#define __force_inline inline __attribute__((always_inline))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __init	       __attribute__((section(".init.text"), cold))
#define __initdata     __attribute__((section(".init.data")))

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define unreachable() __builtin_unreachable()

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define BIT(n)				(1ull << (n))
#define ALIGN_UP(x, a)			(((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)		((x) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(n, d)		(((n) + (d)-1) / (d))

#define min(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define max(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* A read that is meant to do without the lock that guards x: clang does not ask for it here. */
#define READ_ONCE(x)                                            \
	({                                                      \
		const volatile __typeof__(x) *once_ptr_ = &(x); \
		*once_ptr_;                                     \
	})
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()	 __asm__ __volatile__("" ::: "memory")

/* A pointer-returning function reports an errno as ERR_PTR(-ENOMEM); NULL is never an error. */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long err)
{
	return (void *)err;
}
static inline long PTR_ERR(const void *p)
{
	return (long)p;
}
static inline bool IS_ERR(const void *p)
{
	return (u64)p >= (u64)-MAX_ERRNO;
}
