#include <errno.h>

#include <weir/base.h>

const char *weir_strerror(int error) {
    switch (error) {
    case 0:
        return "success";
    case -EAGAIN:
        return "not possible without waiting, or no thread to be had";
    case -EALREADY:
        return "already done";
    case -EBUSY:
        return "in use: a call will end it";
    case -ECANCELED:
        return "cancelled before it started";
    case -EDEADLK:
        return "the caller would wait for itself";
    case -EINPROGRESS:
        return "it runs already";
    case -EINVAL:
        return "invalid argument";
    case -ENOENT:
        return "nothing is outstanding";
    case -ENOMEM:
        return "out of memory";
    case -EPIPE:
        return "the queue is closed";
    case -ERANGE:
        return "no such index";
    case -ESHUTDOWN:
        return "the pool is shut down";
    case -ETIMEDOUT:
        return "the deadline has passed";
    default:
        return error > 0 ? "not an error: a count" : "an error of the call itself";
    }
}
