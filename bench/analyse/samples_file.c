#include "bench/analyse/samples_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "bench/campaign/util.h"

static char *packed_path(const char *directory) {
    return text("%s/samples.jsonl.gz", directory);
}

static char *plain_path(const char *directory) {
    return text("%s/samples.jsonl", directory);
}

static bool is_there(char *path) {
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

bool samples_file_exists(const char *directory) {
    return is_there(plain_path(directory)) || is_there(packed_path(directory));
}

static ssize_t read_packed(void *cookie, char *buffer, size_t size) {
    int got = gzread(cookie, buffer, size > (1u << 20) ? 1u << 20 : (unsigned)size);
    if (got < 0) {
        errno = EIO;
        return -1;
    }
    return got;
}

static int close_packed(void *cookie) {
    return gzclose_r(cookie) == Z_OK ? 0 : -1;
}

FILE *samples_file_open(const char *directory, char **path) {
    if (is_there(plain_path(directory)) || !is_there(packed_path(directory))) {
        *path = plain_path(directory);
        return fopen(*path, "re");
    }
    *path = packed_path(directory);
    errno = 0;
    gzFile packed = gzopen(*path, "rbe");
    if (!packed) {
        errno = errno ? errno : ENOMEM;
        return NULL;
    }
    const cookie_io_functions_t functions = {.read = read_packed, .close = close_packed};
    FILE *file = fopencookie(packed, "r", functions);
    if (!file) {
        gzclose_r(packed);
    }
    return file;
}
