/* The vDSO in address spaces. */
#pragma once

#include "mm/mm.h"

/* Makes the file that is mapped. After fs_init(). */
void vdso_init(void);
/* Bytes that vdso_map() takes. */
u64 vdso_size(void);
/* Maps it at `at`, data first, and sets mm->vdso to where the object begins. 0 or -ENOMEM. */
int vdso_map(struct mm *mm, vaddr_t at);
/* What /proc calls an area over file f from page `pgoff` on; NULL: f is another file. */
const char *vdso_area_name(const struct file *f, u64 pgoff);
