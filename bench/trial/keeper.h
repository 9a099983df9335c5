/*
 * The keeper outlives the bench by a moment: when the bench dies, however, it
 * kills every process group that was still at work. PDEATHSIG alone reaches
 * the bench's children, not what they have started. What has left its group for
 * a session of its own is known by a word in its environment, which whatever
 * the bench starts inherits. Where the bench comes to its own end, keeper_sweep
 * ends such a process.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_KEEPER_H
#define SOCKBENCH_BENCH_TRIAL_KEEPER_H

#include <sys/types.h>

/* Starts it, makes the caller a child subreaper, and puts the word into the
 * caller's environment. 0 or -errno. */
int keeper_open(void);

/* Dismisses it. What is still on its list dies. */
void keeper_close(void);

/* Its process, or -1. */
pid_t keeper_pid(void);

/* A process group to kill with the bench, and one to forget. No effect where
 * there is no keeper. */
void keeper_add(pid_t group);
void keeper_remove(pid_t group);

/*
 * Ends and reaps what fell to the bench as subreaper: descendants of a child
 * that left its group. Call with no child but the keeper running.
 */
void keeper_sweep(void);

#endif
