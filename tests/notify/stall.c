/*
 * Preloaded into the controller: makes it hang where a dying disk or a mistake would, and go on
 * afterwards. A place hangs as long as there is a FIFO of its name in the directory STALLS:
 *
 *   start    any sync
 *   commit   a sync of the thread `heart`
 *   heart    the thread `heart`, when it asks for the time
 *   doors    nobody comes in at port STALL_PORT, though all else goes on
 *   runtime  the thread that would let somebody in at port STALL_PORT
 *   slow     each read of the ledger takes a while, with some work
 *
 * Who hangs waits for a writer of the FIFO and uses no processor. A file `<name>.hangs` says that
 * somebody does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int is_wanted(const char *name, char *path, size_t size) {
    const char *stalls = getenv("STALLS");
    if (stalls == NULL) {
        return 0;
    }
    snprintf(path, size, "%s/%s", stalls, name);
    return access(path, F_OK) == 0;
}

static void hang(const char *name) {
    char path[4096], mark[4104];
    int before = errno;
    while (is_wanted(name, path, sizeof path)) {
        snprintf(mark, sizeof mark, "%s.hangs", path);
        close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        close(open(path, O_RDONLY | O_CLOEXEC));
    }
    errno = before;
}

static int is_heart(void) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return strcmp(name, "heart") == 0;
}

static int is_doors(int fd) {
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    const char *port = getenv("STALL_PORT");
    return port != NULL && getsockname(fd, (struct sockaddr *)&at, &size) == 0
        && at.sin_family == AF_INET && ntohs(at.sin_port) == atoi(port);
}

static void sync_hangs(void) {
    hang("start");
    if (is_heart()) {
        hang("commit");
    }
}

int fsync(int fd) {
    sync_hangs();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    sync_hangs();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (is_heart()) {
        hang("heart");
    }
    return ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, at);
}

int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags) {
    char path[4096];
    if (is_doors(fd)) {
        hang("runtime");
        if (is_wanted("doors", path, sizeof path)) {
            errno = EAGAIN;
            return -1;
        }
    }
    return ((int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4"))(
        fd, from, size, flags);
}

static void take_a_while(int fd) {
    char path[4096], link[64], file[4096] = "";
    if (!is_wanted("slow", path, sizeof path)) {
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, file, sizeof file - 1) > 0 && strstr(file, "/ledger.db") != NULL) {
        struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
        for (volatile int work = 0; work < 1000 * 1000; work++) {
        }
        nanosleep(&pause, NULL);
    }
}

ssize_t pread64(int fd, void *into, size_t size, off64_t at) {
    take_a_while(fd);
    return ((ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64"))(
        fd, into, size, at);
}
