/*
 * Copying to and from the current task's memory. Each access faults as the program's own would
 * (copy-on-write included); what cannot be reached ends the copy. May sleep; no spinlock held.
 */
#pragma once

#include "kernel/errno.h"
#include "kernel/lib/compiler.h"

/* Bytes NOT copied: 0 is success. */
size_t __must_check copy_from_user(void *to, const void __user *from, size_t n);
size_t __must_check copy_to_user(void __user *to, const void *from, size_t n);
size_t __must_check clear_user(void __user *to, size_t n);
/* Length without the NUL, `size` where no NUL was within size bytes, or -EFAULT. */
ssize_t __must_check strncpy_from_user(char *to, const char __user *from, size_t size);
/* Length with the NUL, or `max` + 1 where longer, or 0 where unreadable. */
size_t __must_check strnlen_user(const char __user *s, size_t max);
/* 0, or -EFAULT; *old is what *p held. Stores `new` where that was `expected`. */
int __must_check user_cmpxchg32(u32 __user *p, u32 expected, u32 new, u32 *old);
/* 0, or -EFAULT; *to is what *p held, all of it at one moment. */
int __must_check user_load32(u32 *to, const u32 __user *p);
/* True where [p, p+n) lies below USER_END; says nothing of what is mapped. */
bool user_range_ok(const void __user *p, size_t n);

/* 0 or -EFAULT, for scalars: get_user(var, ptr) where var has *ptr's size, put_user(value, ptr). */
#define get_user(x, p)                                                               \
	({                                                                           \
		_Static_assert(sizeof(x) == sizeof(*(p)), "get_user: sizes differ"); \
		copy_from_user(&(x), (p), sizeof(*(p))) ? -EFAULT : 0;               \
	})
#define put_user(x, p)                                                                  \
	({                                                                              \
		__typeof__(*(p)) put_v_ = (x);                                          \
		copy_to_user((p), (const void *)&put_v_, sizeof(put_v_)) ? -EFAULT : 0; \
	})
