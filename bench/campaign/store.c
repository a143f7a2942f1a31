#include "bench/campaign/store.h"
#include "bench/campaign/util.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct store *store, int error, const char *doing, const char *path) {
    free(store->error);
    store->error = text("cannot %s %s: %s", doing, path, strerror(-error));
    return error;
}

static int make_directories(const char *path) {
    char *copy = text("%s", path);
    int error = 0;
    for (char *c = copy + 1; error == 0; c++) {
        if (*c == '/' || *c == '\0') {
            char kept = *c;
            *c = '\0';
            if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
                error = -errno;
            }
            *c = kept;
            if (kept == '\0') {
                break;
            }
        }
    }
    free(copy);
    return error;
}

static void name_store(struct store *store, const char *directory) {
    memset(store, 0, sizeof *store);
    store->fd = -1;
    store->directory = text("%s", directory);
    size_t length = strlen(store->directory);
    while (length > 1 && store->directory[length - 1] == '/') {
        store->directory[--length] = '\0';
    }
    char *copy = text("%s", store->directory);
    store->name = text("%s", basename(copy));
    free(copy);
    store->samples_path = text("%s/samples.jsonl", store->directory);
}

int store_create(struct store *store, const char *directory) {
    name_store(store, directory);
    int error = make_directories(store->directory);
    if (error != 0) {
        return fail(store, error, "make the run directory", store->directory);
    }
    store->fd = open(store->samples_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (store->fd < 0) {
        return fail(store, -errno, "create", store->samples_path);
    }
    return 0;
}

/* Length of the file up to and with its last newline; negative errno. */
static off_t whole_length(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    char chunk[4096];
    off_t end = status.st_size;
    while (end > 0) {
        off_t begin = end > (off_t)sizeof chunk ? end - (off_t)sizeof chunk : 0;
        ssize_t n = pread(fd, chunk, (size_t)(end - begin), begin);
        if (n != end - begin) {
            return n < 0 ? -errno : -EIO;
        }
        for (ssize_t i = n; i > 0; i--) {
            if (chunk[i - 1] == '\n') {
                return begin + i;
            }
        }
        end = begin;
    }
    return 0;
}

int store_reopen(struct store *store, const char *directory) {
    name_store(store, directory);
    store->fd = open(store->samples_path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (store->fd < 0) {
        return fail(store, -errno, "open", store->samples_path);
    }
    off_t length = whole_length(store->fd);
    if (length < 0) {
        return fail(store, (int)length, "read", store->samples_path);
    }
    if (ftruncate(store->fd, length) != 0) {
        return fail(store, -errno, "cut the torn last line of", store->samples_path);
    }
    return 0;
}

static int write_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

int store_append(struct store *store, const char *line) {
    off_t before = lseek(store->fd, 0, SEEK_END);
    char *whole = text("%s\n", line);
    int error = before < 0 ? -errno : write_all(store->fd, whole, strlen(whole));
    free(whole);
    if (error != 0) {
        /* A torn line would be read as one later; if even this fails, readers tolerate it. */
        if (before >= 0 && ftruncate(store->fd, before) != 0) {
            return fail(store, error, "append to (and left a torn line in)", store->samples_path);
        }
        return fail(store, error, "append to", store->samples_path);
    }
    return 0;
}

int store_replace_file(const char *path, const char *content, char **error) {
    char *temporary = text("%s.tmp%ld", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int result = fd < 0 ? -errno : write_all(fd, content, strlen(content));
    if (result == 0 && fsync(fd) != 0) {
        result = -errno;
    }
    if (fd >= 0 && close(fd) != 0 && result == 0) {
        result = -errno;
    }
    if (result == 0 && rename(temporary, path) != 0) {
        result = -errno;
    }
    if (result != 0) {
        *error = text("cannot write %s: %s", path, strerror(-result));
        if (fd >= 0) {
            unlink(temporary);
        }
    }
    free(temporary);
    return result;
}

static int copy_bytes(int from, int to) {
    char chunk[65536];
    ssize_t n;
    int error = 0;
    while (error == 0 && (n = read(from, chunk, sizeof chunk)) != 0) {
        error = n > 0 ? write_all(to, chunk, (size_t)n) : errno == EINTR ? 0 : -errno;
    }
    return error;
}

int store_keep_file(const struct store *store, const char *folder, const char *name,
                    const char *suffix, const char *from, char **error) {
    char *directory = text("%s/%s", store->directory, folder);
    char *path = text("%s/%s%s", directory, name, suffix);
    int result = make_directories(directory);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = result == 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0777) : -1;
    if (result == 0) {
        result = in < 0 || out < 0 ? -errno : copy_bytes(in, out);
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0 && close(out) != 0 && result == 0) {
        result = -errno;
    }
    if (result != 0) {
        *error = text("cannot keep %s as %s: %s", from, path, strerror(-result));
    }
    free(path);
    free(directory);
    return result;
}

int store_write_meta(struct store *store, const json_t *meta) {
    char *path = text("%s/run.json", store->directory);
    char *dump = must(json_dumps(meta, JSON_INDENT(1)));
    char *content = text("%s\n", dump);
    char *error = NULL;
    int result = store_replace_file(path, content, &error);
    if (result != 0) {
        free(store->error);
        store->error = error;
    }
    free(content);
    free(dump);
    free(path);
    return result;
}

void store_write_now(const struct store *store, const json_t *now) {
    char *path = text("%s/now.json", store->directory);
    char *temporary = text("%s.tmp", path);
    if (!now) {
        unlink(path);
    } else if (json_dump_file(now, temporary, JSON_COMPACT) != 0 || rename(temporary, path) != 0) {
        unlink(temporary);
    }
    free(temporary);
    free(path);
}

void store_close(struct store *store) {
    if (store->fd >= 0) {
        close(store->fd);
    }
    free(store->directory);
    free(store->name);
    free(store->samples_path);
    free(store->error);
    memset(store, 0, sizeof *store);
    store->fd = -1;
}
