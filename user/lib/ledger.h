/*
 * The ledger of frames: what was free before an experiment must be free after it. It is exact, to
 * the frame, on a kernel that counts so (Calf); elsewhere it is skipped.
 */
#pragma once

/*
 * Runs the experiment in a child process, so that all it maps is gone when it ends, and checks the
 * ledger around it. Returns the exit status for the program: the experiment's, or
 * STATUS_CHECK_FAILED where the ledger does not balance.
 */
int ledger_run(int (*experiment)(void));
