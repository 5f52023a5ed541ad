/* Packets: their memory, and queues of them. */
#include "kernel/net/packet.h"

#include "kernel/lib/string.h"
#include "kernel/net/rights.h"
#include "kernel/net/socket.h"
#include "kernel/net/unix.h"
#include "mm/alloc.h"

static struct packet *alloc(size_t n)
{
	u32 frames = n > PACKET_INLINE ? (u32)DIV_ROUND_UP(n, PAGE_SIZE) : 0;
	size_t behind = frames ? frames * sizeof(struct page *) : n;
	struct packet *p = kmalloc(sizeof(*p) + behind);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	for (; p->nr_frames < frames; p->nr_frames++) {
		p->frames[p->nr_frames] = page_alloc(PAGE_KERNEL, 0, 0);
		if (!p->frames[p->nr_frames]) {
			packet_free(p);
			return NULL;
		}
	}
	/* What kmalloc rounds up is counted by the half: a stream of single bytes is not free. */
	p->charge = (u32)(sizeof(*p) + (frames ? frames * PAGE_SIZE : ALIGN_UP(n, 256)));
	return p;
}

struct packet *packet_new(struct io_iter *it, size_t n)
{
	struct packet *p = alloc(n);

	if (!p)
		return ERR_PTR(-ENOBUFS);
	if (!p->nr_frames) {
		p->end = (u32)iter_get(it, p->data, n);
	} else {
		for (u32 k = 0; p->end < n && p->end == k * PAGE_SIZE; k++)
			p->end += (u32)iter_get(it, page_to_virt(p->frames[k]),
						min(n - p->end, PAGE_SIZE));
	}
	if (p->end == n)
		return p;
	packet_free(p);
	return ERR_PTR(-EFAULT);
}

size_t packet_copy(const struct packet *p, struct io_iter *it, size_t skip, size_t n)
{
	size_t at = p->start + skip, end = min(at + n, (size_t)p->end), done = 0;

	if (!p->nr_frames)
		return iter_put(it, p->data + at, end - at);
	while (at < end && it->left) {
		size_t offset = at & (PAGE_SIZE - 1), chunk = min(PAGE_SIZE - offset, end - at),
		       got;

		chunk = min(chunk, it->left);
		got = iter_put(it, (char *)page_to_virt(p->frames[at / PAGE_SIZE]) + offset, chunk);
		done += got;
		at += got;
		if (got < chunk)
			break;
	}
	return done;
}

void packet_free(struct packet *p)
{
	for (u32 k = 0; k < p->nr_frames; k++)
		page_put(p->frames[k]);
	if (p->rights)
		rights_drop(p->rights);
	if (p->name)
		unix_name_put(p->name);
	if (p->owner) {
		sock_uncharge(p->owner, p->charge);
		sock_put(p->owner);
	}
	kfree(p);
}

void packet_queue_init(struct packet_queue *q)
{
	list_init(&q->list);
	q->count = q->bytes = q->charge = 0;
}

void packet_append(struct packet_queue *q, struct packet *p)
{
	list_add_tail(&q->list, &p->link);
	WRITE_ONCE(q->count, q->count + 1);
	WRITE_ONCE(q->bytes, q->bytes + packet_len(p));
	q->charge += p->charge;
}

void packet_remove(struct packet_queue *q, struct packet *p)
{
	list_del(&p->link);
	WRITE_ONCE(q->count, q->count - 1);
	WRITE_ONCE(q->bytes, q->bytes - packet_len(p));
	q->charge -= p->charge;
}

void packet_consume(struct packet_queue *q, struct packet *p, u32 n)
{
	p->start += n;
	WRITE_ONCE(q->bytes, q->bytes - n);
}

void packet_queue_take(struct packet_queue *q, struct list_head *to)
{
	list_init(to);
	list_splice_tail(to, &q->list);
	packet_queue_init(q);
}

void packets_free(struct list_head *list)
{
	while (!list_empty(list)) {
		struct packet *p = list_first(list, struct packet, link);

		list_del(&p->link);
		packet_free(p);
	}
}
