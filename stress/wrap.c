#include "stress/wrap.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void *wrap_symbol(const char *subject_path, const char *name) {
    char path[4096]; /* as bench/plugin.c loads it */
    snprintf(path, sizeof(path), "%s%s", strchr(subject_path, '/') ? "" : "./", subject_path);
    void *object = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    void *symbol = object != NULL ? dlsym(object, name) : NULL;
    if (object != NULL) {
        dlclose(object);
    }
    return symbol;
}

bool wrap_connect(const char *subject_path, const struct wrap_hooks *hooks) {
    void *symbol = wrap_symbol(subject_path, WRAP_CONNECT);
    if (symbol == NULL) {
        return false;
    }
    void (*connect)(const struct wrap_hooks *);
    memcpy(&connect, &symbol, sizeof(connect)); /* ISO C has no cast from data to function */
    connect(hooks);
    return true;
}
