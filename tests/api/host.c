// Preloaded into the server: a host whose clock somebody set, and whose disk fails on demand.
//
// HOST_CLOCK_SHIFT: seconds by which the wall clock is off.
// HOST_DISK_FAILS: a path; while a file is there, nothing can be made durable.
// HOST_DISK_STALLS: a path; while a file is there, that takes half a second.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    const char *shift = getenv("HOST_CLOCK_SHIFT");
    if (result == 0 && clock == CLOCK_REALTIME && shift != NULL) {
        now->tv_sec += atol(shift);
    }
    return result;
}

int fdatasync(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    const char *flag = getenv("HOST_DISK_FAILS");
    if (flag != NULL && access(flag, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    flag = getenv("HOST_DISK_STALLS");
    if (flag != NULL && access(flag, F_OK) == 0) {
        usleep(500 * 1000);
    }
    return real(file);
}
