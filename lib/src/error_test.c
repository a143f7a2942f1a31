#include "test/unit.h"

static const int errors[] = {0,        -EAGAIN,      -EALREADY,  -EBUSY,    -ECANCELED,
                             -EDEADLK, -EINPROGRESS, -EINVAL,    -ENOENT,   -ENOMEM,
                             -EPIPE,   -ERANGE,      -ESHUTDOWN, -ETIMEDOUT};
#define ERRORS (sizeof errors / sizeof *errors)

static void every_error_of_the_library_has_words_of_its_own(void **state) {
    const char *foreign = weir_strerror(-ENOTTY);

    (void)state;
    for (size_t i = 0; i < ERRORS; i++) {
        assert_non_null(weir_strerror(errors[i]));
        assert_string_not_equal(weir_strerror(errors[i]), foreign);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(weir_strerror(errors[i]), weir_strerror(errors[k]));
    }
}

static void any_other_number_has_words_too(void **state) {
    const int numbers[] = {1, EINVAL, -ENOTTY, -100000};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_non_null(weir_strerror(numbers[i]));
        assert_true(strlen(weir_strerror(numbers[i])) > 0);
    }
    assert_string_not_equal(weir_strerror(1), weir_strerror(-ENOTTY));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(every_error_of_the_library_has_words_of_its_own),
        ONCE(any_other_number_has_words_too),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
