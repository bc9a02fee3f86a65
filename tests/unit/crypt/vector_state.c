/* Each kernel changes the vector state it says, and no more: callers save no more than that. The kernels whose code is
 * ours also leave no secret in it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "xts_kernel.h"

/* The library's mem* functions in this program. The C library's would use, and clear, the upper halves of the YMM
 * registers, which the product's own do not. */
void *product_memset(void *dst, int value, size_t n_bytes);
void *product_memcpy(void *dst, const void *src, size_t n_bytes);

void *product_memset(void *dst, int value, size_t n_bytes) {
    void *d = dst;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n_bytes) : "a"(value) : "memory");
    return dst;
}

void *product_memcpy(void *dst, const void *src, size_t n_bytes) {
    void *d = dst;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n_bytes) : : "memory");
    return dst;
}

/* A call with known YMM registers. Offsets are used in the assembly below. */
struct call {
    const void *args[5];      /* 0 */
    const void *fn;           /* 40 */
    uint8_t before[16][32];   /* 48 */
    uint8_t after[16][32];    /* 560 */
    uint32_t mxcsr[2], rsvd_; /* 1072: before, after */
};
_Static_assert(offsetof(struct call, fn) == 40 && offsetof(struct call, before) == 48 &&
                   offsetof(struct call, after) == 560 && offsetof(struct call, mxcsr) == 1072,
               "as the assembly has it");

void call_with_state(struct call *c);
__asm__(".text\n"
        ".type call_with_state, @function\n"
        ".globl call_with_state\n"
        "call_with_state:\n"
        "    push %rbx\n"
        "    mov %rdi, %rbx\n"
        "    stmxcsr 1072(%rbx)\n"
        ".set i, 0\n"
        ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "    vmovdqu 48+32*i(%rbx), %ymm\\r\n"
        "    .set i, i+1\n"
        ".endr\n"
        "    mov 0(%rbx), %rdi\n"
        "    mov 8(%rbx), %rsi\n"
        "    mov 16(%rbx), %rdx\n"
        "    mov 24(%rbx), %rcx\n"
        "    mov 32(%rbx), %r8\n"
        "    call *40(%rbx)\n"
        ".set i, 0\n"
        ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "    vmovdqu %ymm\\r, 560+32*i(%rbx)\n"
        "    .set i, i+1\n"
        ".endr\n"
        "    stmxcsr 1076(%rbx)\n"
        "    vzeroupper\n"
        "    pop %rbx\n"
        "    ret\n"
        ".size call_with_state, . - call_with_state\n");

static void check(const struct crypt_xts_kernel *kernel, bool encrypt, size_t n_units) {
    static uint8_t key[CRYPT_XTS_KEY_256], data[CRYPT_XTS_BATCH_UNITS * CRYPT_XTS_UNIT_BYTES];
    static const uint8_t zero[32];
    struct crypt_xts x;
    struct crypt_xts_batch b;
    noise_fill(key, sizeof key);
    noise_fill(&b, sizeof b);
    cr_assert_eq(crypt_xts_init(&x, key, sizeof key, kernel), 0);

    struct call c = {.args = {&x, &b, data, data, (const void *)n_units}};
    void (*fn)(const struct crypt_xts *, struct crypt_xts_batch *, const uint8_t *, uint8_t *, size_t) =
        encrypt ? kernel->encrypt : kernel->decrypt;
    memcpy(&c.fn, &fn, sizeof fn);
    noise_fill(c.before, sizeof c.before);
    call_with_state(&c);

    cr_assert_eq(c.mxcsr[0], c.mxcsr[1]);
    for (size_t i = 0; i < 16; i++) {
        if (kernel->clobbers == CRYPT_XMM)
            cr_assert_arr_eq(c.after[i] + 16, c.before[i] + 16, 16, "%s changed the top of YMM%zu", kernel->name, i);
        if (kernel == &crypt_xts_kernel_portable) continue; /* BearSSL's code does not clear what it used */
        size_t n_cleared = kernel->clobbers == CRYPT_XMM ? 16 : 32;
        cr_assert_arr_eq(c.after[i], zero, n_cleared, "%s left something in register %zu", kernel->name, i);
    }
}

Test(vector_state, kernels_change_what_they_say, .init = find_runnable) {
    if (!(crypt_cpu_features() & CRYPT_CPU_AVX2)) {
        fprintf(stderr, "NOT TESTED: vector state: this processor has no YMM registers to compare\n");
        return;
    }
    for (size_t k = 0; k < n_runnable; k++)
        for (size_t n = 1; n <= CRYPT_XTS_BATCH_UNITS; n++) {
            check(runnable[k], true, n);
            check(runnable[k], false, n);
        }
}
