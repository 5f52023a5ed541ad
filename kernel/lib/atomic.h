/* Atomic operations by name, over the compiler's builtins. Relaxed unless the name says otherwise. */
#pragma once

#include "kernel/lib/types.h"

#ifdef __CHECKER__
/* sparse's builtins take no enum. */
#define atomic_load(p)		   (*(p))
#define atomic_load_acquire(p)	   (*(p))
#define atomic_store(p, v)	   ((void)(*(p) = (v)))
#define atomic_store_release(p, v) ((void)(*(p) = (v)))
#else
#define atomic_load(p)		   __atomic_load_n(p, __ATOMIC_RELAXED)
#define atomic_load_acquire(p)	   __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define atomic_store(p, v)	   __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define atomic_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#endif

/* Read-modify-write: fully ordered, and the new value is returned. */
#define atomic_add(p, v) __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_sub(p, v) __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_or(p, v)	 __atomic_or_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_and(p, v) __atomic_and_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_inc(p)	 atomic_add(p, 1)
#define atomic_dec(p)	 atomic_sub(p, 1)
/* Returns what was there before, for who tests that alone. */
#define atomic_fetch_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#ifdef __CHECKER__
#define atomic_xchg(p, v) (*(p) = (v))
#else
#define atomic_xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#endif

/* True where *p held `old` and now holds `new`; else *oldp is what it held. */
#define atomic_cas(p, oldp, new) \
	__atomic_compare_exchange_n(p, oldp, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
