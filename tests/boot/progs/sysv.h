/* Getting rid of what processes have left behind of System V IPC. */
#pragma once

#include "tap.h"

/* System V objects outlive who made them. */
static void sweep_ipc(void)
{
	char about[256];

	for (long place = 0; place < 4096; place++) {
		long shm = syscall(SYS_shmctl, place, 13, about);
		long sem = syscall(SYS_semctl, place, 0, 18, about);
		long msg = syscall(SYS_msgctl, place, 11, about);

		if (shm >= 0)
			syscall(SYS_shmctl, shm, 0, NULL);
		if (sem >= 0)
			syscall(SYS_semctl, sem, 0, 0, NULL);
		if (msg >= 0)
			syscall(SYS_msgctl, msg, 0, NULL);
		if (place > 64 && shm < 0 && sem < 0 && msg < 0)
			break;
	}
}
