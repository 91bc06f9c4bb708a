/* The only program in the test images: waits until SIGTERM; "exit [CODE]" ends at once; "print TEXT..." prints and ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stop(int signal) {
    (void)signal;
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "exit") == 0) return argc > 2 ? atoi(argv[2]) : 0;
    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        for (int i = 2; i < argc; i++) puts(argv[i]);
        return 0;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    for (;;) pause();
}
