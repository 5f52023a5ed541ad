/* /proc/meminfo, vmstat and buddyinfo: the memory of the machine in numbers. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "mm/commit.h"
#include "mm/pagecache.h"
#include "mm/stat.h"

/* Frames in use, as far as a look at struct page tells. */
struct frame_counts {
	u64 anon, tables, mapped;
};

/*
 * Reads the struct page of each frame in use: nothing on the way of a fault pays for these numbers. What
 * changes meanwhile is counted before or after its change.
 */
static void count_frames(struct frame_counts *c)
{
	u64 step = 1;

	*c = (struct frame_counts){0};
	for (pfn_t pfn = 0; pfn < page_array_len; pfn += step) {
		const struct page *p = pfn_to_page(pfn);
		enum page_kind kind = READ_ONCE(p->kind);
		u8 order = READ_ONCE(p->order);

		/* Free memory is passed over by the block. */
		step = kind == PAGE_FREE && order <= MAX_ORDER ? 1ull << order : 1;
		if (kind == PAGE_ANON)
			c->anon++;
		else if (kind == PAGE_TABLE)
			c->tables++;
		else if (kind == PAGE_FILE && page_mapcount(p))
			c->mapped++;
		if (pfn % 0x10000 == 0xffff)
			cond_resched();
	}
}

static u64 kernel_stack_kb(void)
{
	return task_count() * 16ull;
}

static void show_kb(struct seq *s, const char *name, u64 kb)
{
	seq_printf(s, "%-16s%8lu kB\n", name, kb);
}

static void show_pages(struct seq *s, const char *name, u64 pages)
{
	show_kb(s, name, pages << (PAGE_SHIFT - 10));
}

static void show_zeros(struct seq *s, const char *const *names)
{
	for (; *names; names++)
		show_kb(s, *names, 0);
}

int proc_show_meminfo(struct seq *s, void *arg)
{
	/* What has no counterpart here: swap, writing back, and pages sorted by age. */
	static const char *const aging[] = {
	    "SwapCached:",     "Active:",
	    "Inactive:",       "Active(anon):",
	    "Inactive(anon):", "Active(file):",
	    "Inactive(file):", "Unevictable:",
	    "Mlocked:",	       "SwapTotal:",
	    "SwapFree:",       "Dirty:",
	    "Writeback:",      NULL,
	};
	static const char *const after_slab[] = {
	    "SecPageTables:", "NFS_Unstable:", "Bounce:", "WritebackTmp:", NULL};
	static const char *const tail[] = {
	    "VmallocTotal:",   "VmallocUsed:",
	    "VmallocChunk:",   "Percpu:",
	    "AnonHugePages:",  "ShmemHugePages:",
	    "ShmemPmdMapped:", "FileHugePages:",
	    "FilePmdMapped:",  NULL,
	};
	struct frame_counts c;
	u64 slab = slab_frames();

	(void)arg;
	count_frames(&c);
	show_pages(s, "MemTotal:", frames_total());
	show_pages(s, "MemFree:", frames_free());
	show_pages(s, "MemAvailable:", frames_free());
	show_kb(s, "Buffers:", 0);
	show_pages(s, "Cached:", mapping_total_pages());
	show_zeros(s, aging);
	show_pages(s, "AnonPages:", c.anon);
	show_pages(s, "Mapped:", c.mapped);
	show_pages(s, "Shmem:", mapping_total_shmem());
	show_kb(s, "KReclaimable:", 0);
	show_pages(s, "Slab:", slab);
	show_kb(s, "SReclaimable:", 0);
	show_pages(s, "SUnreclaim:", slab);
	show_kb(s, "KernelStack:", kernel_stack_kb());
	show_pages(s, "PageTables:", c.tables);
	show_zeros(s, after_slab);
	show_pages(s, "CommitLimit:", commit_limit());
	show_pages(s, "Committed_AS:", committed_as());
	show_zeros(s, tail);
	seq_puts(s, "HugePages_Total:       0\nHugePages_Free:        0\n"
		    "HugePages_Rsvd:        0\nHugePages_Surp:        0\n");
	show_kb(s, "Hugepagesize:", 2048);
	show_kb(s, "Hugetlb:", 0);
	return 0;
}

int proc_show_vmstat(struct seq *s, void *arg)
{
	struct frame_counts c;
	struct mmu_flushes f;

	(void)arg;
	count_frames(&c);
	mmu_flushes(&f);
	seq_printf(s, "nr_free_pages %lu\n", frames_free());
	seq_printf(s, "nr_anon_pages %lu\n", c.anon);
	seq_printf(s, "nr_mapped %lu\n", c.mapped);
	seq_printf(s, "nr_file_pages %lu\n", mapping_total_pages());
	seq_puts(s, "nr_dirty 0\nnr_writeback 0\n");
	seq_printf(s, "nr_shmem %lu\n", mapping_total_shmem());
	seq_puts(s, "nr_slab_reclaimable 0\n");
	seq_printf(s, "nr_slab_unreclaimable %lu\n", slab_frames());
	seq_printf(s, "nr_kernel_stack %lu\n", kernel_stack_kb());
	seq_printf(s, "nr_page_table_pages %lu\n", c.tables);
	seq_puts(s, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n");
	for (unsigned e = 0; e < VM_EVENT_COUNT; e++)
		seq_printf(s, "%s %lu\n", vm_event_names[e], vm_sum((enum vm_event)e));
	seq_printf(s, "nr_tlb_remote_flush %lu\n", f.remote);
	seq_printf(s, "nr_tlb_remote_flush_received %lu\n", f.received);
	seq_printf(s, "nr_tlb_local_flush_all %lu\n", f.local_all);
	seq_printf(s, "nr_tlb_local_flush_one %lu\n", f.local_one);
	return 0;
}

int proc_show_slabinfo(struct seq *s, void *arg)
{
	unsigned max = 64, n;
	struct slab_info *info = kzalloc(max * sizeof(*info));

	(void)arg;
	if (!info)
		return -ENOMEM;
	n = min(slab_caches(info, max), max);
	seq_puts(s, "slabinfo - version: 2.1\n"
		    "# name            <active_objs> <num_objs> <objsize> <objperslab> "
		    "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
		    "<active_slabs> <num_slabs> <sharedavail>\n");
	for (unsigned i = 0; i < n; i++)
		seq_printf(s,
			   "%-17s %6lu %6lu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6lu "
			   "%6lu %6u\n",
			   info[i].name, info[i].used, info[i].slabs * info[i].objects,
			   info[i].size, info[i].objects, 1u << info[i].order, 0, 0, 0,
			   info[i].slabs, info[i].slabs, 0);
	kfree(info);
	return 0;
}

int proc_show_buddyinfo(struct seq *s, void *arg)
{
	u64 counts[MAX_ORDER + 1];

	(void)arg;
	frames_free_by_order(counts);
	seq_printf(s, "Node %d, zone %8s ", 0, "Normal");
	for (unsigned i = 0; i <= MAX_ORDER; i++)
		seq_printf(s, "%6lu ", counts[i]);
	seq_putc(s, '\n');
	return 0;
}
