/* Kills a program just before the n-th system call by which it changes what is on the disk.
 *
 *     cc -O2 -Wall -Wextra -o killat killat.c
 *     killat 7 '' program arguments...      the first six are carried out, the seventh is not
 *     killat 7 gate program arguments...    the same, counted from when the file `gate` is there
 *
 * The exit code is the program's own if it ended before that, and 137 if it was killed. All its threads are watched, and killed
 * together (SIGKILL), as they are if this program is killed. System calls are seen where the kernel enters them, so no library can
 * hide one. What changes the disk: writes, syncs, and whatever makes, renames, truncates or removes a file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED 137

static void die(const char *what) {
    fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
    exit(126);
}

static int changes(const struct __ptrace_syscall_info *call) {
    switch (call->entry.nr) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2:
    case SYS_fsync: case SYS_fdatasync: case SYS_sync_file_range:
    case SYS_ftruncate: case SYS_fallocate: case SYS_renameat2: case SYS_unlinkat: case SYS_mkdirat:
#ifdef SYS_rename
    case SYS_rename: case SYS_renameat: case SYS_unlink: case SYS_mkdir: case SYS_rmdir:
#endif
        return 1;
    case SYS_openat:
        return (call->entry.args[2] & O_CREAT) != 0;
    default:
        return 0;
    }
}

/* What is written to a pipe or an eventfd is on no disk. */
static int to_disk(pid_t thread, const struct __ptrace_syscall_info *call) {
    char link[64], target[16];
    if (call->entry.nr != SYS_write && call->entry.nr != SYS_writev) return 1;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, (int)call->entry.args[0]);
    ssize_t length = readlink(link, target, sizeof target);
    return length > 5 && target[0] == '/' && strncmp(target, "/dev/", 5) != 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "killat COUNT GATE PROGRAM [ARGUMENT...]\n"), 126;
    long left = atol(argv[1]);
    const char *gate = argv[2];
    pid_t program = fork();
    if (program < 0) die("fork");
    if (program == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) die("trace");
        raise(SIGSTOP);
        execvp(argv[3], argv + 3);
        die(argv[3]);
    }
    int status, is_open = !*gate;
    if (waitpid(program, &status, 0) != program) die("wait");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SETOPTIONS, program, 0, options) != 0) die("options");
    if (ptrace(PTRACE_SYSCALL, program, 0, 0) != 0) die("go on");
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) die("wait");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == program) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info call;
            long got = ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call);
            is_open = is_open || access(gate, F_OK) == 0;
            if (got > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY && is_open && changes(&call) && to_disk(thread, &call) && --left == 0) {
                kill(program, SIGKILL);
                while (waitpid(-1, &status, __WALL) > 0);
                return KILLED;
            }
            signal = 0;
        } else if (signal == SIGTRAP || signal == SIGSTOP) {
            /* An event, or a thread that begins. */
            signal = 0;
        }
        /* One that is being killed by another thread's exit can't be told to go on. */
        if (ptrace(PTRACE_SYSCALL, thread, 0, signal) != 0 && errno != ESRCH) die("go on");
    }
}
