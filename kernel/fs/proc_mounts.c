/* /proc/<pid>/mounts and mountinfo: what is mounted where, as the process sees it;
 * /proc/filesystems. */
#include "kernel/fs/proc.h"

#include "kernel/errno.h"
#include "kernel/lib/string.h"

/* The n-th mount, referenced; NULL past the last. Steps of a listing go by number, so that nothing
 * is held between them. */
static struct mount *nth_mount(u64 n)
{
	struct mount *m, *found = NULL;

	spin_lock(&dentry_lock);
	list_for_each (m, &mounts, link) {
		if (n-- == 0) {
			mount_get(m);
			found = m;
			break;
		}
	}
	spin_unlock(&dentry_lock);
	return found;
}

static void show_mount_flags(struct seq *s, const struct mount *m)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
	    {MS_NOSUID, ",nosuid"},   {MS_NODEV, ",nodev"},	      {MS_NOEXEC, ",noexec"},
	    {MS_NOATIME, ",noatime"}, {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"},
	};
	u32 flags = m->flags;

	seq_puts(s, m->flags & MS_RDONLY ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			seq_puts(s, names[i].name);
}

/* The path at which m is seen, into buf; NULL where the current root does not lead to it. */
static const char *mount_point(struct mount *m, char *buf, size_t size)
{
	struct path root = {m, m->root};
	char *name = path_format(&root, buf, size);

	return IS_ERR(name) || *name != '/' ? NULL : name;
}

typedef void (*mount_line_fn)(struct seq *s, const struct mount *m, const char *where);

static int show_mount(struct seq *s, mount_line_fn line)
{
	struct mount *m = nth_mount(s->next);
	const char *where;
	char *buf;

	if (!m)
		return 0;
	buf = kmalloc(PATH_MAX);
	where = buf ? mount_point(m, buf, PATH_MAX) : NULL;
	if (where)
		line(s, m, where);
	s->next++;
	s->more = true;
	mount_put(m);
	kfree(buf);
	return buf ? 0 : -ENOMEM;
}

static const char *source_of(const struct mount *m)
{
	return m->source && *m->source ? m->source : "none";
}

static void mounts_line(struct seq *s, const struct mount *m, const char *where)
{
	seq_escape(s, source_of(m), " \t\n\\#");
	seq_putc(s, ' ');
	seq_escape(s, where, " \t\n\\");
	seq_printf(s, " %s ", m->sb->type->name);
	show_mount_flags(s, m);
	seq_puts(s, " 0 0\n");
}

int proc_show_mounts(struct seq *s, void *arg)
{
	(void)arg;
	return show_mount(s, mounts_line);
}

static void mountinfo_line(struct seq *s, const struct mount *m, const char *where)
{
	seq_printf(s, "%d %d %u:%u / ", m->id, m->parent ? m->parent->id : m->id,
		   dev_major(m->sb->dev), dev_minor(m->sb->dev));
	seq_escape(s, where, " \t\n\\");
	seq_putc(s, ' ');
	show_mount_flags(s, m);
	seq_printf(s, " - %s ", m->sb->type->name);
	seq_escape(s, source_of(m), " \t\n\\#");
	seq_printf(s, " %s\n", m->flags & MS_RDONLY ? "ro" : "rw");
}

int proc_show_mountinfo(struct seq *s, void *arg)
{
	(void)arg;
	return show_mount(s, mountinfo_line);
}

static void show_fs_type(const char *name, void *arg)
{
	seq_printf(arg, "nodev\t%s\n", name);
}

int proc_show_filesystems(struct seq *s, void *arg)
{
	(void)arg;
	fs_types_for_each(show_fs_type, s);
	return 0;
}
