/* The battery-backed clock (Motorola MC146818A data sheet), read once: it is set to UTC. */
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/io.h"
#include "kernel/lib/compiler.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum {
	RTC_SECONDS = 0,
	RTC_MINUTES = 2,
	RTC_HOURS = 4,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_STATUS_A = 10,
	RTC_STATUS_B = 11,
};

#define A_UPDATING 0x80
#define B_BINARY   0x04
#define B_24_HOURS 0x02
#define HOUR_PM	   0x80

#define NSEC 1000000000ull

struct rtc_time {
	u8 second, minute, hour, day, month, year, century;
};

static u8 cmos_read(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static void read_all(struct rtc_time *t)
{
	for (int i = 0; i < 100000 && (cmos_read(RTC_STATUS_A) & A_UPDATING); i++)
		;
	t->second = cmos_read(RTC_SECONDS);
	t->minute = cmos_read(RTC_MINUTES);
	t->hour = cmos_read(RTC_HOURS);
	t->day = cmos_read(RTC_DAY);
	t->month = cmos_read(RTC_MONTH);
	t->year = cmos_read(RTC_YEAR);
	t->century = acpi_power.century ? cmos_read(acpi_power.century) : 0;
}

static u8 from_bcd(u8 v)
{
	return (u8)((v >> 4) * 10 + (v & 0xf));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years begin in March here. */
static u64 days_since_epoch(u64 year, u64 month, u64 day)
{
	u64 y = month > 2 ? year : year - 1;
	u64 m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static u64 to_seconds(struct rtc_time t)
{
	u8 status = cmos_read(RTC_STATUS_B);
	bool pm = !(status & B_24_HOURS) && (t.hour & HOUR_PM);
	u64 year;

	if (!(status & B_24_HOURS))
		t.hour &= 0xff ^ HOUR_PM;
	if (!(status & B_BINARY)) {
		t.second = from_bcd(t.second);
		t.minute = from_bcd(t.minute);
		t.hour = from_bcd(t.hour);
		t.day = from_bcd(t.day);
		t.month = from_bcd(t.month);
		t.year = from_bcd(t.year);
		t.century = from_bcd(t.century);
	}
	if (!(status & B_24_HOURS))
		t.hour = (u8)(t.hour % 12 + (pm ? 12 : 0));
	year = t.century >= 19 ? t.century * 100u + t.year : 2000u + t.year;
	return ((days_since_epoch(year, t.month, t.day) * 24 + t.hour) * 60 + t.minute) * 60 +
	       t.second;
}

void wall_clock_init(void)
{
	struct rtc_time a, b;

	/* Two readings that agree were not torn by an update. */
	read_all(&b);
	do {
		a = b;
		read_all(&b);
	} while (a.second != b.second || a.minute != b.minute || a.hour != b.hour ||
		 a.day != b.day || a.month != b.month || a.year != b.year);
	clock_set_wall_ns(to_seconds(b) * NSEC);
}
