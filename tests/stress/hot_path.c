/* hot_path MIXED.fpk CACHE.fpk: after the first run of a shape, runs allocate nothing, take no lock and make no system call
 * (with more than one thread: but futex, which wakes a worker that has gone to sleep). malloc and the locks are this
 * program's own here and count; system calls end the process by a seccomp filter. */
#include "stress.h"
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Counting allocations and locks ---- */
static atomic_long allocations, locks;
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);
void *malloc(size_t n) { return (void)allocations++, __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return (void)allocations++, __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return (void)allocations++, __libc_realloc(p, n); }
void *aligned_alloc(size_t align, size_t n) { return (void)allocations++, __libc_memalign(align, n); }
void free(void *p) {
    if (p) allocations++;
    __libc_free(p);
}
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m) { return (void)locks++, __real_pthread_mutex_lock(m); }

/* ---- Refusing system calls ---- */
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From now on for all threads of the process: any other call kills it. False where the system has no such filters. */
static bool refuse_calls(bool futex_too) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(write), ALLOW(exit_group),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, futex_too ? SYS_exit_group : SYS_futex, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

/* ---- Runs ---- */
static frit_session *open_session(const char *path, int threads, bool bind) {
    frit_device_options o = {.struct_size = sizeof o, .threads = threads};
    frit_package *p;
    frit_device *d;
    frit_weights *w;
    frit_session *s;
    must(frit_package_open(path, &p, err));
    must(frit_device_open("cpu", &o, &d, err));
    must(frit_weights_create(p, d, NULL, &w, err));
    if (bind) mixed_bind(w);
    must(frit_session_create(w, NULL, &s, err));
    frit_package_release(p);
    frit_device_release(d);
    frit_weights_release(w);
    return s;
}

static mixed_run runs[N_CASES];

static void one_round(frit_session *mixed, frit_session *cached) {
    for (int i = 0; i < N_CASES; i++) must(frit_session_run(mixed, &runs[i].in, 1, runs[i].out, 2, err));
    for (int k = 0; k < 64; k++) must(cached_run(cached, k, err));
}

enum { NO_FILTER = 77, COUNTED = 3 };

/* What the measured part does besides runs, to see that it would be noticed. */
typedef enum { NOTHING, ALLOCATES, CALLS } extra;

/* Whether every thread of the process but this one sleeps. */
static bool others_sleep(void) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *d;
    bool all = tasks != NULL;
    while (all && (d = readdir(tasks))) {
        char path[64], state = 'S';
        long id = strtol(d->d_name, NULL, 10);
        if (id <= 0 || id == getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%ld/stat", id);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = '?';
        if (f) fclose(f);
        all = state == 'S';
    }
    if (tasks) closedir(tasks);
    return all;
}

/* Workers make calls of their own as they begin, which on a busy machine may be late. */
static void settle(void) {
    for (int i = 0; i < 5000 && !others_sleep(); i++) usleep(1000);
}

/* In a process of its own. */
static void child(char **argv, int threads, extra e) {
    frit_session *mixed = open_session(argv[1], threads, true), *cached = open_session(argv[2], threads, false);
    for (int i = 0; i < N_CASES; i++) mixed_case(&runs[i], i);
    one_round(mixed, cached);
    settle();
    allocations = locks = 0;
    if (!refuse_calls(threads == 1)) _exit(NO_FILTER);
    for (int k = 0; k < 200; k++) one_round(mixed, cached);
    void *volatile kept = e == ALLOCATES ? malloc(8) : NULL;
    free(kept);
    if (e == CALLS) getppid();
    _exit(allocations || locks ? COUNTED : 0);
}

/* Its wait status, or NO_FILTER. */
static int measure(char **argv, int threads, extra e) {
    int status;
    fflush(stdout);
    pid_t p = fork();
    if (!p) child(argv, threads, e);
    waitpid(p, &status, 0);
    return status;
}

static bool only_computes(char **argv, int threads) {
    int status = measure(argv, threads, NOTHING);
    const char *what = WIFSIGNALED(status)              ? "made a system call"
                       : WEXITSTATUS(status) == COUNTED ? "allocated memory or took a lock"
                       : WEXITSTATUS(status)            ? "failed"
                                                        : "only computed";
    printf("%d thread%s: %s\n", threads, threads == 1 ? "" : "s", what);
    return status == 0;
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("usage: hot_path MIXED.fpk CACHE.fpk\n", stderr), 2;
    int called = measure(argv, 1, CALLS), allocated = measure(argv, 1, ALLOCATES);
    if (WIFEXITED(called) && WEXITSTATUS(called) == NO_FILTER)
        return puts("skipped: this system lets no process filter its system calls"), NO_FILTER;
    if (!WIFSIGNALED(called) || !WIFEXITED(allocated) || WEXITSTATUS(allocated) != COUNTED)
        return puts("what this program looks for goes unnoticed"), 1;
    return !only_computes(argv, 1) | !only_computes(argv, 3);
}
