/* A model of a disk that loses its power, for one directory tree of one process.
 *
 * Preloaded, it keeps a second copy of the tree, the image: what a disk would hold if the power went now. The process may be
 * killed (SIGKILL) at any moment; the image is then what a machine would find after the power came back.
 *
 *     cc -O2 -Wall -Wextra -shared -fPIC -o powerloss.so powerloss.c -ldl -lpthread
 *     cc -O2 -Wall -Wextra -DPOWERLOSS_TOOL -o powerloss powerloss.c
 *
 *     LD_PRELOAD=powerloss.so POWERLOSS_DIR=/tmp/t/data POWERLOSS_IMAGE=/tmp/t/image token-authority serve ...
 *     powerloss /tmp/t/image /tmp/t/after     makes the directory `after` (it must not be there) as the disk holds it
 *
 * The model, as strict as POSIX allows:
 *  - Bytes, and a file's length, are in the image once fsync or fdatasync on that file returned. sync_file_range, sync, syncfs
 *    and close make nothing durable.
 *  - Names (create, mkdir, rename, unlink, rmdir) are in the image once fsync on the directory that holds them returned. A
 *    name whose file was never synced is an empty file.
 *  - POWERLOSS_DIR itself counts as durable, from the moment when it exists.
 *  - While an fsync runs, any part of what it covers may be in the image already, in any order, as on a disk.
 * The real fsync is left out: a killed process does not lose the page cache, and the tests are quicker.
 *
 * Environment:
 *   POWERLOSS_DIR               the tree: an absolute path without symbolic links; it may not exist yet. Unset: no effect.
 *   POWERLOSS_IMAGE             the image: a directory outside of the tree; made if it is not there. If it is empty, what the
 *                               tree holds at the start counts as durable. If it is not, it must be the image of this tree: the
 *                               process was killed without a loss of power, and all that is not in the image is still unsynced.
 *   POWERLOSS_IGNORE_FDATASYNC  1: fdatasync returns 0 and does nothing. Whoever relies on it must then lose data.
 *   POWERLOSS_FAIL_SYNC         a path: while it exists, fsync and fdatasync in the tree return -1 with EIO and do nothing.
 *   POWERLOSS_EAGER             per cent of writes of which a random part reaches the image at once, as a disk may write back
 *                               early and out of order. Default 0. POWERLOSS_SEED makes the choice repeatable.
 *
 * Image:
 *   inodes/<id>   the durable bytes of the file <id>; absent: empty
 *   dirs/<id>     the durable names of the directory <id>, replaced as a whole; absent: none. A line is "f <id> <name>" for a
 *                 file and "d <id> <name>" for a directory. The root, POWERLOSS_DIR, is 1. Other names in dirs/ are leftovers.
 *   table         for a restart: "<dev> <ino> <id>" per file or directory that is tracked, the last line counts, id 0: no more
 *
 * Not seen, so not in the image: writes through mmap, io_uring, splice and system calls that bypass libc; O_SYNC is not honoured;
 * hard and symbolic links are not modelled; what is written to a file after its last name was removed is not durable. One
 * process at a time. If the image can't be kept the process is aborted: no test shall pass on a wrong image.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOT_ID 1
#define COPY_BYTES (256 * 1024)

static void die(const char *what, const char *path) {
    fprintf(stderr, "powerloss: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

#ifdef POWERLOSS_TOOL

/* --- the tool: makes a directory of an image --- */

static const char *image;

static void copy_file(long id, const char *to) {
    char from[PATH_MAX];
    static char buffer[COPY_BYTES];
    snprintf(from, sizeof from, "%s/inodes/%ld", image, id);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), in = open(from, O_RDONLY | O_CLOEXEC);
    if (out < 0) die("create", to);
    if (in < 0 && errno != ENOENT) die("open", from);
    for (ssize_t n; in >= 0 && (n = read(in, buffer, sizeof buffer)) != 0;)
        if (n < 0 || write(out, buffer, n) != n) die("copy to", to);
    if (in >= 0) close(in);
    close(out);
}

static void copy_dir(long id, const char *to) {
    char from[PATH_MAX], line[PATH_MAX], path[PATH_MAX];
    if (mkdir(to, 0700) != 0) die("mkdir", to);
    snprintf(from, sizeof from, "%s/dirs/%ld", image, id);
    FILE *names = fopen(from, "re");
    if (!names && errno != ENOENT) die("open", from);
    while (names && fgets(line, sizeof line, names)) {
        char kind;
        int at;
        long child;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%c %ld %n", &kind, &child, &at) != 2) die("read", from);
        if (snprintf(path, sizeof path, "%s/%s", to, line + at) >= (int)sizeof path) die("too long:", to);
        if (kind == 'd') copy_dir(child, path);
        else copy_file(child, path);
    }
    if (names) fclose(names);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s <image> <new directory>\n", argv[0]);
        return 2;
    }
    image = argv[1];
    copy_dir(ROOT_ID, argv[2]);
    return 0;
}

#else

/* --- what is tracked --- */

struct range {
    off_t from, to;
};

struct inode {
    struct inode *next;
    dev_t dev;
    ino_t ino;
    long id; /* 0: has no name any more */
    pthread_mutex_t syncing; /* held over a whole sync: a second one must not return before the first has copied */
    pthread_mutex_t dirtying;
    struct range *dirty; /* sorted, disjoint */
    size_t dirty_len, dirty_cap;
    int image_fd, read_fd; /* -1: not open yet */
};

#define BUCKETS 4096
#define MAX_RANGES 4096 /* more are joined into one */

static struct inode *buckets[BUCKETS];
static pthread_rwlock_t map_lock = PTHREAD_RWLOCK_INITIALIZER;
/* Held over each change of a name with its bookkeeping, and while the names of a directory are recorded. */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

static char root[PATH_MAX], image[PATH_MAX];
static size_t root_len;
static int active, ignore_fdatasync, eager;
static const char *fail_sync;
static int table_fd;
static long next_id = ROOT_ID + 1;
static uint64_t random_state;

#define REAL(type, name, ...)                                           \
    static type (*real)(__VA_ARGS__);                                   \
    if (!real) {                                                        \
        real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name);            \
        if (!real) die("no symbol", name);                              \
    }

static int real_open(const char *path, int flags, mode_t mode) {
    REAL(int, "open64", const char *, int, ...)
    return real(path, flags | O_CLOEXEC, mode);
}
static int real_close(int fd) {
    REAL(int, "close", int)
    return real(fd);
}
static int real_rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *)
    return real(from, to);
}
static int real_ftruncate(int fd, off_t length) {
    REAL(int, "ftruncate64", int, off_t)
    return real(fd, length);
}
static int real_mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t)
    return real(path, mode);
}
static void real_pwrite_all(int fd, const char *bytes, size_t n, off_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)
    while (n > 0) {
        ssize_t done = real(fd, bytes, n, at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) die("write to", image);
        bytes += done, n -= done, at += done;
    }
}
static void real_write_all(int fd, const char *bytes, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t)
    if (real(fd, bytes, n) != (ssize_t)n) die("write to", image);
}

static struct inode **bucket(dev_t dev, ino_t ino) {
    return &buckets[(dev * 31 + ino) % BUCKETS];
}

static struct inode *find(const struct stat *st) {
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) return NULL;
    pthread_rwlock_rdlock(&map_lock);
    struct inode *found = *bucket(st->st_dev, st->st_ino);
    while (found && !(found->dev == st->st_dev && found->ino == st->st_ino && found->id)) found = found->next;
    pthread_rwlock_unlock(&map_lock);
    return found;
}

/* The tracked file or directory behind a descriptor; errno is left alone. */
static struct inode *of_fd(int fd, struct stat *st) {
    int saved = errno;
    struct inode *found = active && fd >= 0 && fstat(fd, st) == 0 ? find(st) : NULL;
    errno = saved;
    return found;
}

static void record(dev_t dev, ino_t ino, long id) {
    char line[96];
    int n = snprintf(line, sizeof line, "%lu %lu %ld\n", (unsigned long)dev, (unsigned long)ino, id);
    real_write_all(table_fd, line, n);
}

static struct inode *insert(dev_t dev, ino_t ino, long id) {
    struct inode *new = calloc(1, sizeof *new);
    if (!new) die("no memory for", image);
    new->dev = dev, new->ino = ino, new->id = id, new->image_fd = new->read_fd = -1;
    pthread_mutex_init(&new->syncing, NULL);
    pthread_mutex_init(&new->dirtying, NULL);
    pthread_rwlock_wrlock(&map_lock);
    struct inode **head = bucket(dev, ino);
    for (struct inode *old = *head; old; old = old->next)
        if (old->dev == dev && old->ino == ino) old->id = 0; /* the number is used again */
    new->next = *head;
    *head = new;
    pthread_rwlock_unlock(&map_lock);
    return new;
}

static struct inode *track(const struct stat *st) {
    struct stat root_st;
    int is_root = S_ISDIR(st->st_mode) && stat(root, &root_st) == 0 && root_st.st_ino == st->st_ino && root_st.st_dev == st->st_dev;
    long id = is_root ? ROOT_ID : next_id++;
    record(st->st_dev, st->st_ino, id);
    return insert(st->st_dev, st->st_ino, id);
}

/* Its last name is gone. Its descriptors here are closed, so that the system can use its number again. */
static void forget(const struct stat *st) {
    struct inode *old = find(st);
    if (!old) return;
    record(old->dev, old->ino, 0);
    pthread_mutex_lock(&old->syncing);
    pthread_rwlock_wrlock(&map_lock);
    old->id = 0;
    pthread_rwlock_unlock(&map_lock);
    if (old->image_fd >= 0) real_close(old->image_fd);
    if (old->read_fd >= 0) real_close(old->read_fd);
    old->image_fd = old->read_fd = -1;
    pthread_mutex_unlock(&old->syncing);
}

/* --- bytes --- */

/* After the write, never before: a sync in between would take the mark and copy what was there before. */
static void mark(struct inode *file, off_t from, off_t to) {
    if (from >= to) return;
    pthread_mutex_lock(&file->dirtying);
    size_t first = 0;
    while (first < file->dirty_len && file->dirty[first].to < from) first++;
    size_t last = first;
    for (; last < file->dirty_len && file->dirty[last].from <= to; last++) {
        if (file->dirty[last].from < from) from = file->dirty[last].from;
        if (file->dirty[last].to > to) to = file->dirty[last].to;
    }
    if (first == last && file->dirty_len == MAX_RANGES) {
        if (file->dirty[0].from < from) from = file->dirty[0].from;
        if (file->dirty[file->dirty_len - 1].to > to) to = file->dirty[file->dirty_len - 1].to;
        first = 0, last = file->dirty_len;
    }
    if (file->dirty_len == file->dirty_cap) {
        file->dirty_cap = file->dirty_cap * 2 + 16;
        file->dirty = realloc(file->dirty, file->dirty_cap * sizeof *file->dirty);
        if (!file->dirty) die("no memory for", image);
    }
    memmove(&file->dirty[first + 1], &file->dirty[last], (file->dirty_len - last) * sizeof *file->dirty);
    file->dirty[first] = (struct range){from, to};
    file->dirty_len = file->dirty_len + 1 - (last - first);
    pthread_mutex_unlock(&file->dirtying);
}

/* With `syncing` held. `fd` is any descriptor of the file; it may be open for writing only. */
static void open_both(struct inode *file, int fd) {
    char path[PATH_MAX + 32];
    if (file->read_fd < 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if ((file->read_fd = real_open(path, O_RDONLY, 0)) < 0) die("open", path);
    }
    if (file->image_fd < 0) {
        snprintf(path, sizeof path, "%s/inodes/%ld", image, file->id);
        if ((file->image_fd = real_open(path, O_RDWR | O_CREAT, 0600)) < 0) die("open", path);
    }
}

static void copy(struct inode *file, off_t from, off_t to) {
    static __thread char buffer[COPY_BYTES];
    while (from < to) {
        size_t want = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
        ssize_t n = pread(file->read_fd, buffer, want, from);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) die("read for", image);
        if (n == 0) return;
        real_pwrite_all(file->image_fd, buffer, n, from);
        from += n;
    }
}

static void sync_file(struct inode *file, int fd) {
    pthread_mutex_lock(&file->syncing);
    if (file->id) {
        open_both(file, fd);
        pthread_mutex_lock(&file->dirtying);
        struct range *dirty = file->dirty;
        size_t dirty_len = file->dirty_len;
        file->dirty = NULL;
        file->dirty_len = file->dirty_cap = 0;
        pthread_mutex_unlock(&file->dirtying);
        struct stat now, durable;
        if (fstat(file->read_fd, &now) != 0 || fstat(file->image_fd, &durable) != 0) die("stat for", image);
        if (now.st_size != durable.st_size && real_ftruncate(file->image_fd, now.st_size) != 0) die("truncate in", image);
        for (size_t i = 0; i < dirty_len; i++) copy(file, dirty[i].from, dirty[i].to);
        free(dirty);
    }
    pthread_mutex_unlock(&file->syncing);
}

static uint64_t some(uint64_t below) {
    uint64_t x = __atomic_add_fetch(&random_state, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % below;
}

static void wrote(struct inode *file, int fd, off_t from, off_t to) {
    int saved = errno;
    mark(file, from, to);
    if (eager && from < to && some(100) < (uint64_t)eager) {
        /* Whole pages, as a disk writes them back. */
        off_t first = from / 4096, pages = (to + 4095) / 4096 - first;
        off_t begin = (first + (off_t)some(pages)) * 4096, end = begin + (1 + (off_t)some(pages)) * 4096;
        pthread_mutex_lock(&file->syncing);
        if (file->id) {
            open_both(file, fd);
            copy(file, begin < from ? from : begin, end > to ? to : end);
        }
        pthread_mutex_unlock(&file->syncing);
    }
    errno = saved;
}

/* --- names --- */

static void record_names(struct inode *dir, const char *path) {
    char name[PATH_MAX + 32], new[PATH_MAX + 40], line[PATH_MAX];
    DIR *entries = opendir(path);
    if (!entries) die("open", path);
    snprintf(name, sizeof name, "%s/dirs/%ld", image, dir->id);
    snprintf(new, sizeof new, "%s.new", name);
    int fd = real_open(new, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) die("create", new);
    for (struct dirent *entry; (entry = readdir(entries));) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) continue;
        struct inode *child = find(&st);
        if (!child) {
            child = track(&st);
            mark(child, 0, st.st_size);
        }
        int n = snprintf(line, sizeof line, "%c %ld %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f', child->id, entry->d_name);
        real_write_all(fd, line, n);
    }
    closedir(entries);
    real_close(fd);
    if (real_rename(new, name) != 0) die("rename", new);
}

static void sync_dir(struct inode *dir, int fd) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    pthread_mutex_lock(&names_lock);
    if (dir->id) record_names(dir, path);
    pthread_mutex_unlock(&names_lock);
}

/* Whether the path leads into the tree; `out` is it, absolute and without dots. */
static int in_tree(int dir, const char *path, char *out) {
    char whole[2 * PATH_MAX];
    int saved = errno;
    if (!active || !path) return 0;
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char base[PATH_MAX], link[64];
        ssize_t n;
        if (dir == AT_FDCWD) {
            n = getcwd(base, sizeof base) ? (ssize_t)strlen(base) : -1;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            n = readlink(link, base, sizeof base - 1);
        }
        errno = saved;
        if (n < 0) return 0;
        base[n] = 0;
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    size_t len = 0;
    out[0] = 0;
    for (char *rest, *part = strtok_r(whole, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
        size_t n = strlen(part);
        if (!strcmp(part, ".")) continue;
        if (!strcmp(part, "..")) {
            while (len > 0 && out[--len] != '/') {}
            out[len] = 0;
            continue;
        }
        if (len + n + 2 > PATH_MAX) return 0;
        out[len++] = '/';
        memcpy(out + len, part, n + 1);
        len += n;
    }
    return !strncmp(out, root, root_len) && (out[root_len] == 0 || out[root_len] == '/');
}

/* --- the start --- */

static void walk(const char *path, int fresh) {
    struct stat st;
    if (lstat(path, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) return;
    struct inode *it = find(&st);
    if (!it) it = track(&st);
    if (S_ISREG(st.st_mode)) {
        mark(it, 0, st.st_size);
        int fd = fresh ? real_open(path, O_RDONLY, 0) : -1;
        if (fresh && fd < 0) die("open", path);
        if (fresh) sync_file(it, fd), real_close(fd);
        return;
    }
    DIR *entries = opendir(path);
    if (!entries) die("open", path);
    for (struct dirent *entry; (entry = readdir(entries));) {
        char child[PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= (int)sizeof child) die("too long:", path);
        walk(child, fresh);
    }
    closedir(entries);
    if (fresh) record_names(it, path);
}

__attribute__((constructor)) static void start(void) {
    const char *dir = getenv("POWERLOSS_DIR"), *into = getenv("POWERLOSS_IMAGE"), *value;
    char path[PATH_MAX + 16];
    if (!dir || !into) return;
    active = 1;
    if (dir[0] != '/' || in_tree(AT_FDCWD, dir, root) < 0) die("not absolute:", dir);
    root_len = strlen(root);
    snprintf(image, sizeof image, "%s", into);
    ignore_fdatasync = (value = getenv("POWERLOSS_IGNORE_FDATASYNC")) && !strcmp(value, "1");
    eager = (value = getenv("POWERLOSS_EAGER")) ? atoi(value) : 0;
    random_state = (value = getenv("POWERLOSS_SEED")) ? strtoull(value, NULL, 10) : (uint64_t)getpid();
    fail_sync = getenv("POWERLOSS_FAIL_SYNC");
    const char *parts[] = {"", "/inodes", "/dirs"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", image, parts[i]);
        if (real_mkdir(path, 0700) != 0 && errno != EEXIST) die("mkdir", path);
    }
    snprintf(path, sizeof path, "%s/table", image);
    table_fd = real_open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    FILE *table = fopen(path, "re");
    if (table_fd < 0 || !table) die("open", path);
    unsigned long dev, ino;
    long id;
    int fresh = 1;
    for (; fscanf(table, "%lu %lu %ld\n", &dev, &ino, &id) == 3; fresh = 0) {
        insert(dev, ino, id);
        if (id >= next_id) next_id = id + 1;
    }
    fclose(table);
    walk(root, fresh);
}

/* --- what is interposed: bytes --- */

static int sync_any(int fd, int (*real)(int)) {
    struct stat st;
    struct inode *it = of_fd(fd, &st);
    if (!it) return real(fd);
    int saved = errno;
    if (fail_sync && access(fail_sync, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    if (S_ISDIR(st.st_mode)) sync_dir(it, fd);
    else sync_file(it, fd);
    errno = saved;
    return 0;
}

int fsync(int fd) {
    REAL(int, "fsync", int)
    return sync_any(fd, real);
}

static int nothing(int fd) {
    (void)fd;
    return 0;
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int)
    struct stat st;
    if (!ignore_fdatasync || !of_fd(fd, &st)) return sync_any(fd, real);
    return fail_sync && access(fail_sync, F_OK) == 0 ? sync_any(fd, nothing) : 0;
}

int sync_file_range(int fd, off64_t from, off64_t n, unsigned flags) {
    REAL(int, "sync_file_range", int, off64_t, off64_t, unsigned)
    struct stat st;
    return of_fd(fd, &st) ? 0 : real(fd, from, n, flags);
}

/* Held over a write that has no offset of its own: where it went is told by the position that it left. */
static pthread_mutex_t positions = PTHREAD_MUTEX_INITIALIZER;

#define AT_POSITION(call)                                               \
    struct stat st;                                                     \
    struct inode *file = of_fd(fd, &st);                                \
    if (!file) return call;                                             \
    pthread_mutex_lock(&positions);                                     \
    ssize_t n = call;                                                   \
    off_t end = n > 0 ? lseek(fd, 0, SEEK_CUR) : 0;                     \
    pthread_mutex_unlock(&positions);                                   \
    if (n > 0) wrote(file, fd, end - n, end);                           \
    return n;

#define AT_OFFSET(call)                                                 \
    struct stat st;                                                     \
    struct inode *file = of_fd(fd, &st);                                \
    ssize_t n = call;                                                   \
    if (file && n > 0) wrote(file, fd, at, at + n);                     \
    return n;

ssize_t write(int fd, const void *bytes, size_t len) {
    REAL(ssize_t, "write", int, const void *, size_t)
    AT_POSITION(real(fd, bytes, len))
}
ssize_t writev(int fd, const struct iovec *parts, int len) {
    REAL(ssize_t, "writev", int, const struct iovec *, int)
    AT_POSITION(real(fd, parts, len))
}
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
    AT_OFFSET(real(fd, bytes, len, at))
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    AT_OFFSET(real(fd, bytes, len, at))
}
ssize_t pwritev(int fd, const struct iovec *parts, int len, off_t at) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t)
    AT_OFFSET(real(fd, parts, len, at))
}
ssize_t pwritev64(int fd, const struct iovec *parts, int len, off64_t at) {
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t)
    AT_OFFSET(real(fd, parts, len, at))
}

/* What a change of length leaves as zeros may be other bytes in the image, so it is dirty. */
#define TO_LENGTH(call)                                                 \
    struct stat st;                                                     \
    struct inode *file = of_fd(fd, &st);                                \
    int done = call;                                                    \
    if (file && done == 0)                                              \
        mark(file, st.st_size < len ? st.st_size : len, st.st_size < len ? len : st.st_size); \
    return done;

int ftruncate(int fd, off_t len) {
    REAL(int, "ftruncate", int, off_t)
    TO_LENGTH(real(fd, len))
}
int ftruncate64(int fd, off64_t len) {
    REAL(int, "ftruncate64", int, off64_t)
    TO_LENGTH(real(fd, len))
}

/* Rarely used, so simply: the whole file is dirty. */
#define ANYWHERE(type, fd, call)                                        \
    struct stat st;                                                     \
    type done = call;                                                   \
    struct inode *file = of_fd(fd, &st);                                \
    if (file) mark(file, 0, st.st_size);                                \
    return done;

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned)
    ANYWHERE(ssize_t, to, real(from, from_at, to, to_at, len, flags))
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t len) {
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t)
    ANYWHERE(ssize_t, to, real(to, from, at, len))
}
ssize_t sendfile(int to, int from, off_t *at, size_t len) {
    return sendfile64(to, from, at, len);
}
int fallocate64(int fd, int mode, off64_t from, off64_t len) {
    REAL(int, "fallocate64", int, int, off64_t, off64_t)
    ANYWHERE(int, fd, real(fd, mode, from, len))
}
int fallocate(int fd, int mode, off_t from, off_t len) {
    return fallocate64(fd, mode, from, len);
}

/* --- what is interposed: names --- */

/* Only the making of a file, and its emptying, matter: everything else is known by the descriptor. */
#define OPEN(dir, call)                                                 \
    char whole[PATH_MAX];                                               \
    struct stat before, after;                                          \
    if (!(flags & (O_CREAT | O_TRUNC)) || !in_tree(dir, path, whole)) return call; \
    pthread_mutex_lock(&names_lock);                                    \
    int was = fstatat(dir, path, &before, 0) == 0;                      \
    int fd = call;                                                      \
    opened(fd, was, &before, &after, flags);                            \
    pthread_mutex_unlock(&names_lock);                                  \
    return fd;

static void opened(int fd, int was, const struct stat *before, struct stat *after, int flags) {
    int saved = errno;
    if (fd >= 0 && fstat(fd, after) == 0 && S_ISREG(after->st_mode)) {
        struct inode *file = was ? find(after) : NULL;
        if (!file) file = track(after);
        if (was && (flags & O_TRUNC)) mark(file, 0, before->st_size);
    }
    errno = saved;
}

#define MODE                                                            \
    mode_t mode = 0;                                                    \
    if (flags & (O_CREAT | O_TMPFILE)) {                                \
        va_list rest;                                                   \
        va_start(rest, flags);                                          \
        mode = va_arg(rest, mode_t);                                    \
        va_end(rest);                                                   \
    }

int open(const char *path, int flags, ...) {
    REAL(int, "open", const char *, int, ...)
    MODE
    OPEN(AT_FDCWD, real(path, flags, mode))
}
int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...)
    MODE
    OPEN(AT_FDCWD, real(path, flags, mode))
}
int openat(int dir, const char *path, int flags, ...) {
    REAL(int, "openat", int, const char *, int, ...)
    MODE
    OPEN(dir, real(dir, path, flags, mode))
}
int openat64(int dir, const char *path, int flags, ...) {
    REAL(int, "openat64", int, const char *, int, ...)
    MODE
    OPEN(dir, real(dir, path, flags, mode))
}
int creat(const char *path, mode_t mode) {
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) {
    return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define MKDIR(dir, call)                                                \
    char whole[PATH_MAX];                                               \
    struct stat st;                                                     \
    if (!in_tree(dir, path, whole)) return call;                        \
    pthread_mutex_lock(&names_lock);                                    \
    int done = call, saved = errno;                                     \
    if (done == 0 && fstatat(dir, path, &st, 0) == 0) track(&st);       \
    errno = saved;                                                      \
    pthread_mutex_unlock(&names_lock);                                  \
    return done;

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t)
    MKDIR(AT_FDCWD, real(path, mode))
}
int mkdirat(int dir, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t)
    MKDIR(dir, real(dir, path, mode))
}

#define REMOVE(dir, call)                                               \
    char whole[PATH_MAX];                                               \
    struct stat st;                                                     \
    if (!in_tree(dir, path, whole)) return call;                        \
    pthread_mutex_lock(&names_lock);                                    \
    int was = fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;        \
    int done = call, saved = errno;                                     \
    if (done == 0 && was && (S_ISDIR(st.st_mode) || st.st_nlink <= 1)) forget(&st); \
    errno = saved;                                                      \
    pthread_mutex_unlock(&names_lock);                                  \
    return done;

int unlink(const char *path) {
    REAL(int, "unlink", const char *)
    REMOVE(AT_FDCWD, real(path))
}
int unlinkat(int dir, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int)
    REMOVE(dir, real(dir, path, flags))
}
int rmdir(const char *path) {
    REAL(int, "rmdir", const char *)
    REMOVE(AT_FDCWD, real(path))
}

/* Into the tree: all of it is unsynced. Out of it: it is tracked no longer. Over another: that one has no name any more. */
#define RENAME(from_dir, to_dir, call)                                  \
    char source[PATH_MAX], target[PATH_MAX];                            \
    struct stat st, over;                                               \
    int from_in = in_tree(from_dir, from, source), to_in = in_tree(to_dir, to, target); \
    if (!from_in && !to_in) return call;                                \
    pthread_mutex_lock(&names_lock);                                    \
    int known = fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) == 0; \
    int hides = fstatat(to_dir, to, &over, AT_SYMLINK_NOFOLLOW) == 0;   \
    int done = call, saved = errno;                                     \
    if (done == 0 && known) renamed(&st, hides && over.st_ino != st.st_ino ? &over : NULL, from_in, to_in); \
    errno = saved;                                                      \
    pthread_mutex_unlock(&names_lock);                                  \
    return done;

static void renamed(const struct stat *st, const struct stat *over, int from_in, int to_in) {
    if (over && to_in && (S_ISDIR(over->st_mode) || over->st_nlink <= 1)) forget(over);
    if (!to_in) forget(st);
    else if (!from_in) mark(track(st), 0, st->st_size);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *)
    RENAME(AT_FDCWD, AT_FDCWD, real(from, to))
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *)
    RENAME(from_dir, to_dir, real(from_dir, from, to_dir, to))
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned)
    if (flags & RENAME_EXCHANGE) die("exchange is not modelled:", from);
    RENAME(from_dir, to_dir, real(from_dir, from, to_dir, to, flags))
}

#endif
