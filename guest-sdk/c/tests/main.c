/* Runs every test in a process of its own, so that one that fails stops no other. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST(name) void name(void);
#include "tests.h"
#undef TEST

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
#define TEST(name) {#name, name},
#include "tests.h"
#undef TEST
};

int main(void) {
    int passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            tests[i].run();
            exit(0);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child) status = 1;
        printf("test %s ... %s\n", tests[i].name, status == 0 ? "ok" : "FAILED");
        *(status == 0 ? &passed : &failed) += 1;
    }
    printf("test result: %s. %d passed; %d failed; 0 ignored\n", failed ? "FAILED" : "ok", passed, failed);
    return failed != 0;
}
