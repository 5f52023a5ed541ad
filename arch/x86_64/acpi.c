/*
 * ACPI's tables: how one is found, from the root pointer by the root table (ACPI 6.4, section 5.2),
 * and what switching off asks of them (7.4.2): FADT and DSDT. The DSDT is a program; the one object wanted from it, \_S5, has so
 * plain an encoding that it is found by its bytes.
 */
#include "arch/x86_64/acpi.h"

#include "arch/mmu.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define MAPPED BIT(32) /* by boot/entry.S */

struct address {
	u8 space, width, offset, access;
	u64 addr;
} __packed;

struct fadt {
	struct acpi_header header;
	u32 facs, dsdt;
	u8 model, profile;
	u16 sci;
	u32 smi_port;
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	u32 gpe0, gpe1;
	u8 lengths[8];
	u16 latency2, latency3, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_arch;
	u8 reserved;
	u32 flags;
	struct address reset;
	u8 reset_value;
	u16 arm_boot;
	u8 minor;
	u64 x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
} __packed;
_Static_assert(offsetof(struct fadt, reset) == 116, "FADT: ACPI 6.4, table 5.9");
_Static_assert(offsetof(struct fadt, x_pm1a_control) == 172, "FADT: ACPI 6.4, table 5.9");

#define FADT_RESET   BIT(10)
#define SPACE_IO     1
#define RSDP_XSDT_AT 24
#define RSDP_RSDT_AT 16

struct acpi_power acpi_power;

static bool sums_to_zero(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *b++);
	return sum == 0;
}

/* The table at pa, whole and sound, or NULL. signature NULL: any. */
static const struct acpi_header *table_at(u64 pa, const char *signature)
{
	const struct acpi_header *h;

	if (!pa || pa > MAPPED - sizeof(*h))
		return NULL;
	h = phys_to_virt(pa);
	if (signature && memcmp(h->signature, signature, 4) != 0)
		return NULL;
	if (h->length < sizeof(*h) || h->length > MAPPED - pa || !sums_to_zero(h, h->length))
		return NULL;
	return h;
}

const struct acpi_header *acpi_find(const struct boot_info *info, const char *signature)
{
	u64 xsdt = 0, at = 0;
	u32 rsdt, at32;
	const struct acpi_header *root = NULL;
	size_t width = 8;

	if (!info->rsdp_len)
		return NULL;
	if (info->rsdp_len == 36) {
		memcpy(&xsdt, info->rsdp + RSDP_XSDT_AT, sizeof(xsdt));
		root = table_at(xsdt, "XSDT");
	}
	if (!root) {
		memcpy(&rsdt, info->rsdp + RSDP_RSDT_AT, sizeof(rsdt));
		root = table_at(rsdt, "RSDT");
		width = 4;
	}
	if (!root)
		return NULL;
	for (size_t off = sizeof(*root); off + width <= root->length; off += width) {
		const struct acpi_header *h;

		if (width == 8) {
			memcpy(&at, (const u8 *)root + off, sizeof(at));
		} else {
			memcpy(&at32, (const u8 *)root + off, sizeof(at32));
			at = at32;
		}
		h = table_at(at, signature);
		if (h)
			return h;
	}
	return NULL;
}

/* A small integer of AML (section 20.2.3): a constant op, or a byte. False: something else. */
static bool take_integer(const u8 **p, const u8 *end, u8 *v)
{
	if (*p >= end)
		return false;
	if (**p == 0x00 || **p == 0x01) {
		*v = *(*p)++;
		return true;
	}
	if (**p != 0x0a || end - *p < 2)
		return false;
	*v = (*p)[1];
	*p += 2;
	return true;
}

/* Name (_S5, Package () {a, b, ...}): 08 "_S5_" 12 length count a b. */
static bool find_s5(const struct acpi_header *dsdt)
{
	const u8 *p = (const u8 *)(dsdt + 1), *end = (const u8 *)dsdt + dsdt->length;

	for (; end - p > 8; p++) {
		const u8 *q = p + 5;

		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12 || (p[-1] != 0x08 && p[-1] != '\\'))
			continue;
		q += 1 + (*q >> 6) + 1; /* the length, of one to four bytes; the count */
		if (take_integer(&q, end, &acpi_power.s5_a) &&
		    take_integer(&q, end, &acpi_power.s5_b))
			return true;
	}
	return false;
}

static u16 control_port(u32 old, const struct address *new, bool has_new)
{
	if (old)
		return (u16)old;
	return has_new && new->space == SPACE_IO ? (u16) new->addr : 0;
}

static void take_fadt(const struct fadt *f)
{
	bool extended =
	    f->header.length >= offsetof(struct fadt, x_pm1b_control) + sizeof(struct address);
	const struct acpi_header *dsdt = extended ? table_at(f->x_dsdt, "DSDT") : NULL;

	if (!dsdt)
		dsdt = table_at(f->dsdt, "DSDT");
	acpi_power.pm1a = control_port(f->pm1a_control, &f->x_pm1a_control, extended);
	acpi_power.pm1b = control_port(f->pm1b_control, &f->x_pm1b_control, extended);
	acpi_power.smi_port = f->smi_port;
	acpi_power.smi_enable = f->acpi_enable;
	acpi_power.century = f->century;
	acpi_power.can_off = acpi_power.pm1a && dsdt && find_s5(dsdt);
	if (f->header.length > offsetof(struct fadt, reset_value) && (f->flags & FADT_RESET) &&
	    f->reset.space == SPACE_IO) {
		acpi_power.reset_port = (u16)f->reset.addr;
		acpi_power.reset_value = f->reset_value;
	}
}

void acpi_init(const struct boot_info *info)
{
	const struct acpi_header *fadt = acpi_find(info, "FACP");

	if (fadt && fadt->length >= offsetof(struct fadt, flags))
		take_fadt((const struct fadt *)fadt);
	if (!acpi_power.can_off)
		log_warn("acpi: no soft-off: the machine will halt instead");
	acpi_read_madt(info);
	acpi_read_numa(info);
}
