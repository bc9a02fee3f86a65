/* see stack.h */
#include "stack.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_BYTES (256u * 1024u)

static uint64_t secrets[400000];
static size_t n_secrets;

void secrets_clear(void) { n_secrets = 0; }

/* Runs of one byte occur anywhere and say nothing. */
static void add_word(uint64_t v) {
    if (v == (v & 0xff) * UINT64_C(0x0101010101010101)) return;
    cr_assert(n_secrets < sizeof secrets / sizeof secrets[0]);
    secrets[n_secrets++] = v;
}

static uint64_t word(const void *p, size_t i) {
    uint64_t v;
    memcpy(&v, (const uint8_t *)p + 8 * i, 8);
    return v;
}

void secret_add(const void *p, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes / 8; i++) add_word(word(p, i));
}

void secret_add_swapped(const void *p, size_t n_bytes) {
    secret_add(p, n_bytes);
    for (size_t i = 0; i < n_bytes / 8; i++) {
        uint64_t v = __builtin_bswap64(word(p, i));
        add_word(v);
        add_word(v << 32 | v >> 32);
    }
}

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

struct job {
    void (*f)(void *arg);
    void *arg;
};

static void *job_thread(void *arg) {
    const struct job *j = arg;
    uint8_t room[STACK_BYTES / 4]; /* so that the end of the thread does not overwrite what is looked for */
    __asm__ volatile("" : : "r"(room) : "memory");
    j->f(j->arg);
    return NULL;
}

static size_t search(struct job j) {
    uint8_t *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(stack, MAP_FAILED);
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    cr_assert_eq(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
    cr_assert_eq(pthread_create(&thread, &attr, job_thread, &j), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);

    size_t n_found = 0, n_used = 0;
    for (size_t i = 0; i + 8 <= STACK_BYTES; i++) {
        uint64_t v;
        memcpy(&v, stack + i, 8);
        n_used += v != 0;
        n_found += v != 0 && bsearch(&v, secrets, n_secrets, sizeof secrets[0], compare) != NULL;
    }
    cr_assert_gt(n_used, 100, "the thread did not run on this stack");
    munmap(stack, STACK_BYTES);
    return n_found;
}

/* The control. */
__attribute__((noinline)) static void leak_a_secret(void *arg) {
    uint64_t left_behind[16] = {secrets[n_secrets / 2]};
    (void)arg;
    __asm__ volatile("" : : "r"(left_behind) : "memory");
}

size_t stack_residue(void (*f)(void *arg), void *arg) {
    qsort(secrets, n_secrets, sizeof secrets[0], compare);
    cr_assert_gt(search((struct job){leak_a_secret, NULL}), 0, "the search does not find what is there");
    return search((struct job){f, arg});
}
