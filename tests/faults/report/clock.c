/* The time of day, shifted by as many seconds as a file says. No other clock is touched.
 *
 *     cc -shared -fPIC -O2 -o clock.so clock.c
 *     WALL_CLOCK=file LD_PRELOAD=./clock.so program
 *
 * libfaketime does more than is wanted here: even told to leave the monotonic clock alone, it breaks sleeping until a
 * time on it (clock_nanosleep with TIMER_ABSTIME), which Python does.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t none;
static volatile const int64_t *shift = &none;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("WALL_CLOCK");
    int descriptor = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *found = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
    if (found != MAP_FAILED)
        shift = found;
    close(descriptor);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += *shift;
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    if (!failed) {
        at->tv_sec = now.tv_sec;
        at->tv_usec = now.tv_nsec / 1000;
    }
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
