/* The vDSO in address spaces. */
#pragma once

#include "mm/mm.h"

/* Makes the file that is mapped. After fs_init(). */
void vdso_init(void);
/* Bytes that vdso_map() takes. */
u64 vdso_size(void);
/* Maps it at `at`, data first, and sets mm->vdso to where the object begins. 0 or -ENOMEM. */
int vdso_map(struct mm *mm, vaddr_t at);
