/*
 * The vDSO in address spaces: one file for all, a page of data and then the object, whose pages
 * every program maps as it maps a library's. Nothing is mapped before it is touched, and a program
 * that writes to its own gets a copy.
 */
#include "kernel/vdso.h"

#include "arch/vdso.h"
#include "kernel/fs/vfs.h"
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/mman.h"
#include "mm/page.h"
#include "mm/pagecache.h"

static struct file *vdso_file;

u64 vdso_size(void)
{
	return PAGE_SIZE + (u64)(arch_vdso_end - arch_vdso_start);
}

/* The page of the file at `index`; the reference to it is kept. */
static void *file_page(u64 index)
{
	struct page *p = mapping_get(&vdso_file->inode->mapping, index);

	if (!p || IS_ERR(p))
		panic("no memory for the vDSO");
	return page_to_virt(p);
}

void vdso_init(void)
{
	u64 pages = (u64)(arch_vdso_end - arch_vdso_start) / PAGE_SIZE;

	vdso_file = shmem_file("vdso", vdso_size(), false);
	if (IS_ERR(vdso_file))
		panic("no memory for the vDSO");
	vdso_file->inode->mapping.shmem = false; /* programs count it as they count libraries */
	arch_vdso_data(file_page(0));
	for (u64 i = 0; i < pages; i++)
		memcpy(file_page(1 + i), arch_vdso_start + i * PAGE_SIZE, PAGE_SIZE);
}

int vdso_map(struct mm *mm, vaddr_t at)
{
	long err =
	    mm_mmap(mm, at, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, vdso_file, 0);

	if (err >= 0)
		err = mm_mmap(mm, at + PAGE_SIZE, vdso_size() - PAGE_SIZE, PROT_READ | PROT_EXEC,
			      MAP_PRIVATE | MAP_FIXED_NOREPLACE, vdso_file, PAGE_SIZE);
	if (err < 0)
		return -ENOMEM;
	mm->vdso = at + PAGE_SIZE;
	return 0;
}

const char *vdso_area_name(const struct file *f, u64 pgoff)
{
	if (f != vdso_file)
		return NULL;
	return pgoff ? "[vdso]" : "[vvar]";
}
