/* As /init: ends the machine in the way that `quit=` of the kernel's command line asks for. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void sysrq(const char *key)
{
	int fd;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	fd = open("/proc/sysrq-trigger", O_WRONLY);
	if (fd < 0 || write(fd, key, 1) != 1)
		puts("no sysrq-trigger");
}

int main(void)
{
	const char *how = getenv("quit");

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("quits: %s\n", how ? how : "(no word)");
	if (!how || !strcmp(how, "off"))
		reboot(RB_POWER_OFF);
	else if (!strcmp(how, "panic"))
		sysrq("c");
	else if (!strcmp(how, "reset"))
		reboot(RB_AUTOBOOT);
	else if (!strcmp(how, "busy"))
		for (;;)
			;
	else if (!strcmp(how, "sleep"))
		for (;;)
			pause();
	else if (!strcmp(how, "segv"))
		*(volatile int *)8 = 1;
	else if (!strcmp(how, "status"))
		return 3;
	else if (!strcmp(how, "zero"))
		return 0;
	return 4;
}
