#include "bench/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The smallest table: everything up to the last required operation. */
#define REQUIRED_SIZE (offsetof(struct weir_subject, close) + sizeof(int (*)(void)))

/* Tables as checked live until the process ends, as the shared objects do. */
struct kept {
    struct weir_subject table;
    struct kept *next;
};
static struct kept *all_kept;

static int refuse(char *error, const char *from, const char *what) {
    snprintf(error, PLUGIN_ERROR_SIZE, "%s: %s", from, what);
    return -EINVAL;
}

/* The first thing that is wrong with the table, or NULL. */
static const char *fault_of(const struct weir_subject *s) {
    if (s->name == NULL || s->name[0] == '\0') {
        return "the subject has no name";
    }
    if (s->version == NULL || s->notes == NULL) {
        return "version and notes must not be NULL";
    }
    if (s->open == NULL || s->submit == NULL || s->quiesce == NULL || s->close == NULL) {
        return s->open == NULL      ? "required operation open is NULL"
               : s->submit == NULL  ? "required operation submit is NULL"
               : s->quiesce == NULL ? "required operation quiesce is NULL"
                                    : "required operation close is NULL";
    }
    bool any = s->async != NULL || s->await != NULL || s->release != NULL;
    bool all = s->async != NULL && s->await != NULL && s->release != NULL;
    if (any != all) {
        return "async, await and release come together; some are NULL";
    }
    if (all && s->ticket_bytes == 0) {
        return "async needs ticket_bytes";
    }
    if (!all && (s->poll != NULL || s->on_done != NULL || s->wait_any != NULL ||
                 s->wait_all != NULL || s->cancel != NULL)) {
        return "poll, on_done, wait_any, wait_all and cancel need async";
    }
    return NULL;
}

int plugin_check(const struct weir_subject *subject, const char *from,
                 const struct weir_subject **out, char *error) {
    if (subject == NULL) {
        return refuse(error, from, "weir_subject() returned NULL");
    }
    if (subject->abi != WEIR_SUBJECT_ABI) {
        snprintf(error, PLUGIN_ERROR_SIZE,
                 "%s: made for version %u of the subject ABI, this program speaks %u", from,
                 (unsigned)subject->abi, (unsigned)WEIR_SUBJECT_ABI);
        return -EINVAL;
    }
    if (subject->size < REQUIRED_SIZE) {
        return refuse(error, from, "size is too small; set it to sizeof(struct weir_subject)");
    }
    struct kept *kept = calloc(1, sizeof(*kept));
    if (kept == NULL) {
        snprintf(error, PLUGIN_ERROR_SIZE, "%s: out of memory", from);
        return -ENOMEM;
    }
    memcpy(&kept->table, subject,
           subject->size < sizeof(kept->table) ? subject->size : sizeof(kept->table));
    const char *fault = fault_of(&kept->table);
    if (fault != NULL) {
        free(kept);
        return refuse(error, from, fault);
    }
    kept->next = all_kept;
    all_kept = kept;
    *out = &kept->table;
    return 0;
}

int plugin_load(const char *path, const struct weir_subject **out, char *error) {
    if (access(path, F_OK) != 0) {
        snprintf(error, PLUGIN_ERROR_SIZE, "%s: %s", path, strerror(errno));
        return -ENOENT;
    }
    char local[4096]; /* without a slash dlopen would search the system's folders instead */
    int length = snprintf(local, sizeof(local), "%s%s", strchr(path, '/') ? "" : "./", path);
    if (length < 0 || (size_t)length >= sizeof(local)) {
        return refuse(error, path, "the path is too long");
    }
    void *object = dlopen(local, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (object == NULL) {
        const char *why = dlerror();
        snprintf(error, PLUGIN_ERROR_SIZE, "%s: cannot be loaded: %s", path, why ? why : "?");
        return -ENOEXEC;
    }
    void *symbol = dlsym(object, "weir_subject");
    if (symbol == NULL) {
        snprintf(error, PLUGIN_ERROR_SIZE,
                 "%s: no function weir_subject in it (see bench/subject.h)", path);
        return -ENOSYS;
    }
    const struct weir_subject *(*table)(void);
    memcpy(&table, &symbol, sizeof(table)); /* ISO C has no cast from data to function */
    return plugin_check(table(), path, out, error);
}

static const struct weir_subject_variant *find_variant(const struct weir_subject *subject,
                                                       const char *name) {
    const struct weir_subject_variant *v = subject->variants;
    while (v != NULL && v->name != NULL && strcmp(v->name, name) != 0) {
        v++;
    }
    return v != NULL && v->name != NULL ? v : NULL;
}

bool plugin_has_variant(const struct weir_subject *subject, const char *name) {
    return subject->variants == NULL ? strcmp(name, "default") == 0
                                     : find_variant(subject, name) != NULL;
}

uint32_t plugin_capabilities(const struct weir_subject *subject, const char *variant) {
    const struct weir_subject_variant *v = find_variant(subject, variant);
    return subject->capabilities & ~(v != NULL ? v->lacks : 0u);
}

const char *plugin_settings(const struct weir_subject *subject, const char *variant) {
    const struct weir_subject_variant *v = find_variant(subject, variant);
    return v != NULL && v->notes != NULL && v->notes[0] != '\0' ? v->notes : subject->notes;
}

const char *plugin_order(uint32_t capabilities) {
    return capabilities & WEIR_SUBJECT_FIFO ? "fifo" : "any";
}

const char *plugin_when_full(const struct weir_subject *subject, uint32_t capabilities,
                             size_t capacity) {
    uint32_t own = WEIR_SUBJECT_FULL_BLOCK | WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FULL_CALLER;
    uint32_t policies = capacity > 0 ? capabilities & own : 0;
    if (capabilities & WEIR_SUBJECT_REJECTS) {
        return "rejects";
    }
    if (subject->inside != NULL) {
        return "caller runs";
    }
    if (policies == 0) {
        return capabilities & WEIR_SUBJECT_ONE_THREAD_A_TASK ? "waits" : "grows";
    }
    /* The first is what a bounded pool does when nothing is asked for. */
    return policies & WEIR_SUBJECT_FULL_BLOCK    ? "waits"
           : policies & WEIR_SUBJECT_FULL_REJECT ? "rejects"
                                                 : "caller runs";
}
