#include "stress/wrap.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

void wrap_connect(const char *subject_path, void (*hook)(const char *point)) {
    void *object = dlopen(subject_path, RTLD_NOW | RTLD_NOLOAD);
    void *symbol = object != NULL ? dlsym(object, WRAP_CONNECT) : NULL;
    if (symbol != NULL) {
        void (*connect)(void (*)(const char *));
        memcpy(&connect, &symbol, sizeof(connect)); /* ISO C has no cast from data to function */
        connect(hook);
    }
    if (object != NULL) {
        dlclose(object);
    }
}
