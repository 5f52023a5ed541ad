/*
 * Memory as such: /proc/<pid>/mem and pagemap, /proc/kpagecount and kpageflags.
 *
 * The last three are arrays of u64, by page of the address space and by frame of the machine; a
 * read must start and end on an element.
 */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "kernel/lib/string.h"

#define PM_EXCLUSIVE BIT(56) /* one entry maps the frame */
#define PM_FILE	     BIT(61) /* a page of a file, or of shared memory */
#define PM_PRESENT   BIT(63)

#define PER_BUFFER (PAGE_SIZE / sizeof(u64))

/* ---- mem ---- */

/* Moves up to a page between the process's memory at va and buf. Bytes, or -EIO where nothing is
 * there. */
static ssize_t mem_part(struct mm *mm, vaddr_t va, void *buf, size_t n, bool write)
{
	ssize_t done = mm_access(mm, va, buf, n, write);

	return done > 0 ? done : -EIO;
}

static ssize_t mem_move(struct file *f, struct io_iter *it, loff_t *pos, bool write)
{
	struct proc_open *o = f->private;
	ssize_t total = 0, n = 0;
	char *buf;

	if (!o->mm || !mm_get_live(o->mm))
		return 0;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		n = -ENOMEM;
	while (buf && it->left) {
		size_t part = min(it->left, PAGE_SIZE);

		if (write) {
			part = iter_get(it, buf, part);
			n = part ? mem_part(o->mm, (vaddr_t)*pos, buf, part, true) : -EFAULT;
		} else {
			n = mem_part(o->mm, (vaddr_t)*pos, buf, part, false);
			if (n > 0) {
				part = iter_put(it, buf, (size_t)n);
				n = part ? (ssize_t)part : -EFAULT;
			}
		}
		if (n <= 0)
			break;
		total += n;
		*pos += n;
		if (fatal_signal_pending())
			break;
		cond_resched();
	}
	kfree(buf);
	mm_put_user(o->mm);
	return total ? total : n;
}

static ssize_t mem_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	return mem_move(f, it, pos, false);
}

static ssize_t mem_write(struct file *f, struct io_iter *it, loff_t *pos)
{
	return mem_move(f, it, pos, true);
}

const struct file_ops proc_mem_ops = {
    .open = proc_file_open,
    .release = proc_file_release,
    .read = mem_read,
    .write = mem_write,
    .seek = seek_plain,
};

/* ---- arrays of u64 ---- */

/*
 * Reads of an array: fill(arg, index, out, n) writes elements [index, index + n), n at most
 * PER_BUFFER. `count` is the array's length.
 */
static ssize_t read_array(struct io_iter *it, loff_t *pos, u64 count,
			  void (*fill)(void *arg, u64 index, u64 *out, u64 n), void *arg)
{
	ssize_t total = 0;
	u64 *buf;

	if (*pos < 0 || *pos % (loff_t)sizeof(u64) || it->left % sizeof(u64))
		return -EINVAL;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	while (it->left && (u64)*pos / sizeof(u64) < count) {
		u64 index = (u64)*pos / sizeof(u64);
		u64 n = min(it->left / sizeof(u64), PER_BUFFER);
		size_t done;

		n = min(n, count - index);
		fill(arg, index, buf, n);
		done = iter_put(it, buf, n * sizeof(u64));
		total += (ssize_t)done;
		*pos += (loff_t)done;
		if (done < n * sizeof(u64)) {
			total = total ? total : -EFAULT;
			break;
		}
		if (fatal_signal_pending())
			break;
		cond_resched();
	}
	kfree(buf);
	return total;
}

struct pagemap_fill {
	struct mm *mm;
	vaddr_t start;
	u64 *out;
	bool show_pfn; /* frame numbers are for root alone */
};

static int pagemap_page(const struct page_view *v, void *arg)
{
	struct pagemap_fill *fill = arg;
	u64 e = PM_PRESENT;

	if (fill->show_pfn)
		e |= pte_pfn(v->pte);
	if (v->page && v->page->kind == PAGE_FILE)
		e |= PM_FILE;
	if (v->page && v->exclusive)
		e |= PM_EXCLUSIVE;
	fill->out[(v->va - fill->start) >> PAGE_SHIFT] = e;
	return 0;
}

static void fill_pagemap(void *arg, u64 index, u64 *out, u64 n)
{
	struct pagemap_fill *fill = arg;

	fill->start = index << PAGE_SHIFT;
	fill->out = out;
	memset(out, 0, n * sizeof(*out));
	rwsem_read_lock(&fill->mm->lock);
	mm_walk(fill->mm, fill->start, fill->start + (n << PAGE_SHIFT), pagemap_page, fill);
	rwsem_read_unlock(&fill->mm->lock);
}

static ssize_t pagemap_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	struct proc_open *o = f->private;
	struct pagemap_fill fill = {.mm = o->mm, .show_pfn = current->cred.euid == 0};
	ssize_t done;

	if (!o->mm || !mm_get_live(o->mm))
		return 0;
	done = read_array(it, pos, USER_END >> PAGE_SHIFT, fill_pagemap, &fill);
	mm_put_user(o->mm);
	return done;
}

const struct file_ops proc_pagemap_ops = {
    .open = proc_file_open,
    .release = proc_file_release,
    .read = pagemap_read,
    .seek = seek_plain,
};

/* Entries of data frames; a table's mapcount is not that of a page. */
static void fill_counts(void *arg, u64 index, u64 *out, u64 n)
{
	(void)arg;
	for (u64 i = 0; i < n; i++) {
		const struct page *p = pfn_to_page(index + i);
		bool data = p->kind == PAGE_ANON || p->kind == PAGE_FILE;

		out[i] = data ? page_mapcount(p) : 0;
	}
}

static ssize_t kpagecount_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	(void)f;
	return read_array(it, pos, page_array_len, fill_counts, NULL);
}

const struct file_ops proc_kpagecount_ops = {.read = kpagecount_read, .seek = seek_plain};

/* Bits of /proc/kpageflags, as Linux numbers them. */
#define KPF_UPTODATE   BIT(3)
#define KPF_DIRTY      BIT(4)
#define KPF_SLAB       BIT(7)
#define KPF_BUDDY      BIT(10)
#define KPF_MMAP       BIT(11)
#define KPF_ANON       BIT(12)
#define KPF_SWAPBACKED BIT(14)
#define KPF_ZERO_PAGE  BIT(24)
#define KPF_PGTABLE    BIT(26)
#define KPF_RESERVED   BIT(32)

static u64 page_flags_of(const struct page *p, pfn_t pfn)
{
	u64 mapped = page_mapcount(p) ? KPF_MMAP : 0;

	if (pfn == zero_pfn)
		return KPF_ZERO_PAGE | KPF_RESERVED;
	switch ((enum page_kind)p->kind) {
	case PAGE_FREE:
		return KPF_BUDDY;
	case PAGE_RESERVED:
		return KPF_RESERVED;
	case PAGE_SLAB:
		return KPF_SLAB;
	case PAGE_TABLE:
		return KPF_PGTABLE;
	case PAGE_ANON:
		return KPF_UPTODATE | KPF_ANON | KPF_SWAPBACKED | mapped;
	case PAGE_FILE:
		return KPF_UPTODATE | KPF_DIRTY | mapped;
	default:
		return 0;
	}
}

static void fill_flags(void *arg, u64 index, u64 *out, u64 n)
{
	(void)arg;
	for (u64 i = 0; i < n; i++)
		out[i] = page_flags_of(pfn_to_page(index + i), index + i);
}

static ssize_t kpageflags_read(struct file *f, struct io_iter *it, loff_t *pos)
{
	(void)f;
	return read_array(it, pos, page_array_len, fill_flags, NULL);
}

const struct file_ops proc_kpageflags_ops = {.read = kpageflags_read, .seek = seek_plain};
