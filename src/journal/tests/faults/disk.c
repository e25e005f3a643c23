/* A disk that fails on purpose: loaded before the C library (LD_PRELOAD) into a process of the tests, it counts the calls that change
 * the files of a journal, and makes one of them fail.
 *
 * FAULT_FILES  part of the path of the files that are meant
 * FAULT_KIND   none, full (no room from then on), short (half of a write, then no room), write (one write fails), sync (one sync fails),
 *              readonly (no write is allowed from then on), kill (the process dies before the call)
 * FAULT_AT     the number of the call, from 1; of `sync` the number of the sync
 * FAULT_COUNT  file that gets both numbers when the process ends by itself
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long changes, syncs;

static int is_meant(const char *path) {
    const char *part = getenv("FAULT_FILES");
    return part && path && strstr(path, part) && !strstr(path, "-lock");
}

static int is_meant_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_meant(path);
}

static int is_kind(const char *kind) {
    const char *is = getenv("FAULT_KIND");
    return is && !strcmp(is, kind);
}

static long at(void) {
    const char *text = getenv("FAULT_AT");
    return text ? atol(text) : 0;
}

/* Counts a change; returns the error that it has to fail with, or 0. */
static int change(int is_write) {
    changes++;
    if (is_kind("kill") && changes == at()) raise(SIGKILL);
    if (is_kind("full") && is_write && changes >= at()) return ENOSPC;
    if (is_kind("short") && is_write && changes > at()) return ENOSPC;
    if (is_kind("write") && is_write && changes == at()) return EIO;
    if (is_kind("readonly") && changes >= at()) return EROFS;
    return 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL_IF(fails) do { int error_ = (fails); if (error_) { errno = error_; return -1; } } while (0)
#define SHORTEN(count) ((is_kind("short") && changes == at() && (count) > 1) ? (count) / 2 : (count))

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write);
    if (is_meant_fd(fd)) { FAIL_IF(change(1)); return real(fd, bytes, SHORTEN(count)); }
    return real(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t place) {
    REAL(pwrite);
    if (is_meant_fd(fd)) { FAIL_IF(change(1)); return real(fd, bytes, SHORTEN(count), place); }
    return real(fd, bytes, count, place);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t place) {
    REAL(pwrite64);
    if (is_meant_fd(fd)) { FAIL_IF(change(1)); return real(fd, bytes, SHORTEN(count), place); }
    return real(fd, bytes, count, place);
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    if (is_meant_fd(fd)) FAIL_IF(change(size > 0));
    return real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    if (is_meant_fd(fd)) FAIL_IF(change(size > 0));
    return real(fd, size);
}
int unlink(const char *path) {
    REAL(unlink);
    if (is_meant(path)) FAIL_IF(change(0));
    return real(path);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    if (is_meant(to)) FAIL_IF(change(0));
    return real(from, to);
}
static int sync_fails(int fd) {
    if (!is_meant_fd(fd)) return 0;
    syncs++;
    if (is_kind("sync") && syncs == at()) return EIO;
    return change(0);
}
int fsync(int fd) {
    REAL(fsync);
    FAIL_IF(sync_fails(fd));
    return real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    FAIL_IF(sync_fails(fd));
    return real(fd);
}

__attribute__((destructor)) static void count(void) {
    const char *name = getenv("FAULT_COUNT");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (file) { fprintf(file, "%ld %ld\n", changes, syncs); fclose(file); }
}
