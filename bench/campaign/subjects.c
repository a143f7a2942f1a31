#include "bench/campaign/subjects.h"
#include "bench/campaign/nearest.h"
#include "bench/campaign/util.h"

#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/campaign/spawn.h"

#define DESCRIBE_TIMEOUT_NS (20 * NS_PER_S)

/* Subjects that may be absent, and the Debian package that brings them. */
static const struct {
    const char *name;
    const char *package;
} known[] = {
    {"weir", NULL},
    {"handmade", NULL},
    {"glib", "libglib2.0-dev"},
    {"apr", "libaprutil1-dev"},
    {"uv", "libuv1-dev"},
    {"tbb", "libtbb-dev"},
    {"asio", "libboost-dev"},
    {"qt", "qtbase5-dev"},
    {"poco", "libpoco-dev"},
    {"gomp", "g++"},
    {"libomp", "libomp-dev"},
    {"thread", NULL},
    {"java", "default-jdk-headless"},
    {"go", "golang-go"},
    {"rayon", "librust-rayon-dev"},
    {"tokio", "librust-tokio-dev"},
    {"rust-threadpool", "librust-threadpool-dev"},
    {"python", "python3"},
};

/* Programs and how they are started; a word that starts with '/' lies below the folder of
 * weir-bench, one that starts with '~' below that of the sources. */
static const struct {
    const char *name;
    const char *words[SUBJECT_ARGS_MAX];
} programs[] = {
    {"python", {"python3", "~/bench/subjects/python/pool.py"}},
    {"java", {"java", "@~/bench/subjects/java/java.args", "-cp", "/subjects/java", "Pool"}},
    {"go", {"/subjects/go/pool"}},
    {"rayon", {"/subjects/rust/rayon"}},
    {"tokio", {"/subjects/rust/tokio"}},
    {"rust-threadpool", {"/subjects/rust/threadpool"}},
};

static const char *package_of(const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].package;
        }
    }
    return NULL;
}

static char *own_directory(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0) {
        return text(".");
    }
    path[n] = '\0';
    return text("%s", dirname(path));
}

static const char *string_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static char *first_line(const char *message) {
    const char *prefix = "weir-bench: ";
    if (strncmp(message, prefix, strlen(prefix)) == 0) {
        message += strlen(prefix);
    }
    return text("%.*s", (int)strcspn(message, "\n"), message);
}

/* Asks the subject; sets description, name and startup_ns, or absent. */
static void ask(struct subject *subject, const char *const argv[], int cancel_fd) {
    struct spawn_result result;
    int error = spawn_run(argv, "", DESCRIBE_TIMEOUT_NS, cancel_fd, &result);
    bool ended = error == 0 && result.outcome == SPAWN_EXITED && result.code == 0;
    json_t *description = ended ? json_loadb(result.output, result.length, 0, NULL) : NULL;
    const json_t *variants = json_object_get(description, "variants");
    if (string_in(description, "name")[0] && json_array_size(variants) > 0 &&
        string_in(json_array_get(variants, 0), "name")[0]) {
        subject->description = description;
        subject->startup_ns = result.wall_ns;
        free(subject->name);
        subject->name = text("%s", string_in(description, "name"));
    } else {
        json_decref(description);
        subject->absent =
            result.error[0] ? first_line(result.error) : text("its description cannot be read");
    }
    spawn_result_fini(&result);
}

static struct subject *append(struct subject_list *list, const char *name) {
    list->items = must_grow(list->items, list->n + 1, sizeof *list->items);
    struct subject *subject = &list->items[list->n++];
    *subject = (struct subject){.name = text("%s", name), .package = package_of(name)};
    return subject;
}

/* FNV-1a; 0 when it cannot be read. */
static uint64_t digest_of(const char *path) {
    FILE *file = fopen(path, "re");
    uint64_t digest = file ? UINT64_C(0xcbf29ce484222325) : 0;
    unsigned char chunk[65536];
    size_t n;
    while (file && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        for (size_t i = 0; i < n; i++) {
            digest = (digest ^ chunk[i]) * UINT64_C(0x100000001b3);
        }
    }
    if (file) {
        fclose(file);
    }
    return digest;
}

static struct file_identity identity_of(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return (struct file_identity){.known = false};
    }
    return (struct file_identity){
        .known = true,
        .inode = (uint64_t)status.st_ino,
        .size = (uint64_t)status.st_size,
        .mtime_ns = (uint64_t)status.st_mtim.tv_sec * NS_PER_S + (uint64_t)status.st_mtim.tv_nsec,
        .digest = digest_of(path),
    };
}

bool subject_has_changed(struct subject_list *list, size_t index) {
    struct subject *subject = &list->items[index];
    struct file_identity *then = &subject->identity;
    struct stat status;
    if (!subject->plugin || !then->known) {
        return false;
    }
    if (stat(subject->plugin, &status) != 0) {
        return true;
    }
    uint64_t mtime_ns =
        (uint64_t)status.st_mtim.tv_sec * NS_PER_S + (uint64_t)status.st_mtim.tv_nsec;
    if (then->inode == (uint64_t)status.st_ino && then->size == (uint64_t)status.st_size &&
        then->mtime_ns == mtime_ns) {
        return false;
    }
    /* Built anew with the same content, it is the same. */
    struct file_identity now = identity_of(subject->plugin);
    bool changed = now.digest != then->digest;
    if (!changed) {
        *then = now;
    }
    return changed;
}

static void add_plugin(struct subject_list *list, const char *path, int cancel_fd) {
    char *copy = text("%s", path);
    char *file = basename(copy);
    file[strcspn(file, ".")] = '\0';
    struct subject *subject = append(list, file);
    free(copy);
    /* dlopen searches the system's directories for a name without a slash. */
    subject->plugin = strchr(path, '/') ? text("%s", path) : text("./%s", path);
    subject->argv[0] = text("/proc/self/exe");
    subject->argv[1] = text("cell");
    subject->identity = identity_of(subject->plugin);
    const char *const argv[] = {"/proc/self/exe", "describe", subject->plugin, NULL};
    ask(subject, argv, cancel_fd);
}

static void add_program(struct subject_list *list, const char *name, char *const argv[],
                        int cancel_fd) {
    struct subject *subject = append(list, name);
    const char *asking[SUBJECT_ARGS_MAX + 2] = {NULL};
    size_t n = 0;
    for (; argv[n]; n++) {
        subject->argv[n] = text("%s", argv[n]);
        asking[n] = argv[n];
    }
    asking[n] = "--describe";
    ask(subject, asking, cancel_fd);
}

/* One that has not been built is left to the list of what is missing. */
static void add_known_program(struct subject_list *list, const char *name, const char *const *words,
                              const char *here, int cancel_fd) {
    char *argv[SUBJECT_ARGS_MAX + 1] = {NULL};
    for (size_t i = 0; i < SUBJECT_ARGS_MAX && words[i]; i++) {
        const char *tilde = strchr(words[i], '~');
        argv[i] = words[i][0] == '/' ? text("%s%s", here, words[i])
                  : tilde
                      ? text("%.*s%s/../..%s", (int)(tilde - words[i]), words[i], here, tilde + 1)
                      : text("%s", words[i]);
    }
    if (argv[0][0] != '/' || access(argv[0], X_OK) == 0) {
        add_program(list, name, argv, cancel_fd);
    }
    for (size_t i = 0; argv[i]; i++) {
        free(argv[i]);
    }
}

static bool have(const struct subject_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_plugins_in(struct subject_list *list, const char *directory, int cancel_fd) {
    char *pattern = text("%s/subjects/*.so", directory);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            add_plugin(list, found.gl_pathv[i], cancel_fd);
        }
        globfree(&found);
    }
    free(pattern);
}

static int by_rank(const void *a, const void *b) {
    const struct subject *x = a;
    const struct subject *y = b;
    size_t n = sizeof known / sizeof known[0];
    size_t i = 0;
    size_t j = 0;
    while (i < n && strcmp(known[i].name, x->name) != 0) {
        i++;
    }
    while (j < n && strcmp(known[j].name, y->name) != 0) {
        j++;
    }
    return i != j ? (i > j) - (i < j) : strcmp(x->name, y->name);
}

void subjects_find(struct subject_list *list, int cancel_fd) {
    memset(list, 0, sizeof *list);
    char *here = own_directory();
    add_plugins_in(list, here, cancel_fd);
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        add_known_program(list, programs[i].name, programs[i].words, here, cancel_fd);
    }
    free(here);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!have(list, known[i].name)) {
            append(list, known[i].name)->absent = text("not built");
        }
    }
    qsort(list->items, list->n, sizeof *list->items, by_rank);
}

char *subjects_add(struct subject_list *list, const char *path, int cancel_fd) {
    size_t length = strlen(path);
    if (access(path, R_OK) != 0) {
        return text("no subject at %s: cannot read it", path);
    }
    if (length > 3 && strcmp(path + length - 3, ".so") == 0) {
        add_plugin(list, path, cancel_fd);
    } else {
        char *program = text("%s", path);
        char *const argv[] = {program, NULL};
        char *copy = text("%s", path);
        add_program(list, basename(copy), argv, cancel_fd);
        free(copy);
        free(program);
    }
    struct subject *added = &list->items[list->n - 1];
    list->n--;
    bool taken = have(list, added->name); /* two builds of one pool, say */
    list->n++;
    if (taken) {
        free(added->name);
        added->name = text("%s", path);
    }
    added->path = text("%s", path);
    return added->absent ? text("%s is no subject: %s", path, added->absent) : NULL;
}

char *subjects_add_planned(struct subject_list *list, const json_t *plan, int cancel_fd) {
    size_t i;
    size_t j;
    const json_t *cell;
    const json_t *entry;
    char *error = NULL;
    json_array_foreach(plan, i, cell) {
        json_array_foreach(json_object_get(cell, "entries"), j, entry) {
            const char *path = json_string_value(json_object_get(entry, "path"));
            if (!error && path && !have(list, string_in(entry, "subject"))) {
                error = subjects_add(list, path, cancel_fd);
            }
        }
    }
    return error;
}

void subjects_free(struct subject_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        struct subject *subject = &list->items[i];
        free(subject->name);
        free(subject->plugin);
        free(subject->path);
        free(subject->absent);
        for (size_t j = 0; subject->argv[j]; j++) {
            free(subject->argv[j]);
        }
        json_decref(subject->description);
    }
    free(list->items);
    memset(list, 0, sizeof *list);
}

static const json_t *variants_of(const struct subject *subject) {
    return json_object_get(subject->description, "variants");
}

size_t subject_variants(const struct subject *subject) {
    return json_array_size(variants_of(subject));
}

const char *subject_variant(const struct subject *subject, size_t i) {
    return string_in(json_array_get(variants_of(subject), i), "name");
}

static bool lists(const json_t *array, const char *word) {
    if (!json_is_array(array)) {
        return true; /* a description that does not say, rules nothing out */
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *item = json_string_value(json_array_get(array, i));
        if (item && strcmp(item, word) == 0) {
            return true;
        }
    }
    return false;
}

const char *subject_refuses(const struct subject *subject, const json_t *cell) {
    if (!subject_is_program(subject)) {
        return NULL; /* the plug-in's process has better words */
    }
    if (!lists(json_object_get(subject->description, "workloads"), string_in(cell, "workload"))) {
        return "its program does not have this workload";
    }
    return json_object_get(cell, "alloc") ? "its memory comes from its run-time" : NULL;
}

bool subject_supports(const struct subject *subject, size_t variant, const json_t *cell) {
    const json_t *patterns =
        json_object_get(json_array_get(variants_of(subject), variant), "patterns");
    if (!patterns) {
        patterns = json_object_get(subject->description, "patterns");
    }
    const char *pattern = json_string_value(json_object_get(cell, "pattern"));
    return !subject_refuses(subject, cell) &&
           lists(json_object_get(subject->description, "workloads"), string_in(cell, "workload")) &&
           (!pattern || lists(patterns, pattern));
}

bool subject_is_program(const struct subject *subject) {
    return subject->plugin == NULL;
}

bool subject_has_no_workers(const struct subject *subject) {
    const json_t *capabilities = json_object_get(subject->description, "capabilities");
    return capabilities && lists(capabilities, "one-thread-a-task");
}

char *subject_label(const struct subject *subject, size_t variant) {
    const char *name = subject_variant(subject, variant);
    return strcmp(name, "default") == 0 ? text("%s", subject->name)
                                        : text("%s:%s", subject->name, name);
}

static char *unknown_variant(const struct subject *subject, const char *wrong) {
    size_t n = subject_variants(subject);
    const char **names = must_array(n, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        names[i] = subject_variant(subject, i);
    }
    char *line = text("%s has no configuration '%s'; did you mean '%s:%s'?", subject->name, wrong,
                      subject->name, nearest_name(wrong, names, n));
    free(names);
    return line;
}

static char *unknown_subject(const struct subject_list *list, const char *wrong) {
    const char **names = must_array(list->n, sizeof *names);
    for (size_t i = 0; i < list->n; i++) {
        names[i] = list->items[i].name;
    }
    const char *nearest = nearest_name(wrong, names, list->n);
    char *line = text("no subject '%s'; did you mean '%s'? (see weir-bench list)", wrong,
                      nearest ? nearest : "./my_pool.so");
    free(names);
    return line;
}

char *subjects_resolve(const struct subject_list *list, const char *what, size_t *subject,
                       size_t *variant) {
    size_t length = strcspn(what, ":");
    char *name = text("%.*s", (int)length, what);
    const char *wanted = what[length] ? what + length + 1 : NULL;
    char *error = NULL;
    size_t i = list->n;
    /* From the end: what the user adds goes before what is known by the same name. */
    while (i > 0 && strcmp(list->items[i - 1].name, name) != 0) {
        i--;
    }
    *variant = SIZE_MAX;
    if (i == 0) {
        error = unknown_subject(list, name);
    } else if (list->items[i - 1].absent) {
        const struct subject *absent = &list->items[i - 1];
        error = text("%s is not available: %s%s%s%s", name, absent->absent,
                     absent->package ? " (package " : "", absent->package ? absent->package : "",
                     absent->package ? ")" : "");
    } else {
        *subject = i - 1;
        for (size_t v = 0; wanted && v < subject_variants(&list->items[i - 1]); v++) {
            if (strcmp(subject_variant(&list->items[i - 1], v), wanted) == 0) {
                *variant = v;
            }
        }
        if (wanted && *variant == SIZE_MAX) {
            error = unknown_variant(&list->items[i - 1], wanted);
        }
    }
    free(name);
    return error;
}
