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

/* A call with known vector registers: as many and as wide as the processor has. The assembly uses the offsets. */
struct call {
    const void *args[5];                   /* 0 */
    const void *fn;                        /* 40 */
    uint32_t mxcsr[2];                     /* 48: before, after */
    uint64_t k_before[8], k_after[8];      /* 56, 120; 16 bits each */
    uint8_t before[32][64], after[32][64]; /* 184, 2232 */
};
_Static_assert(offsetof(struct call, fn) == 40 && offsetof(struct call, mxcsr) == 48 &&
                   offsetof(struct call, k_before) == 56 && offsetof(struct call, k_after) == 120 &&
                   offsetof(struct call, before) == 184 && offsetof(struct call, after) == 2232,
               "as the assembly has it");

void call_with_ymm(struct call *c);
void call_with_zmm(struct call *c);
#define FOR_EACH(numbers, instruction)                                                                                 \
    ".irp r, " numbers "\n"                                                                                            \
    "    " instruction "\n"                                                                                            \
    ".endr\n"
#define CALL(name, numbers, load, store, load_masks, store_masks)                                                      \
    __asm__(".text\n"                                                                                                  \
            ".type " name ", @function\n"                                                                              \
            ".globl " name "\n" name ":\n"                                                                             \
            "    push %rbx\n"                                                                                          \
            "    mov %rdi, %rbx\n"                                                                                     \
            "    stmxcsr 48(%rbx)\n" FOR_EACH(numbers, load) load_masks                                                \
            "    mov 0(%rbx), %rdi\n"                                                                                  \
            "    mov 8(%rbx), %rsi\n"                                                                                  \
            "    mov 16(%rbx), %rdx\n"                                                                                 \
            "    mov 24(%rbx), %rcx\n"                                                                                 \
            "    mov 32(%rbx), %r8\n"                                                                                  \
            "    call *40(%rbx)\n" FOR_EACH(numbers, store) store_masks "    stmxcsr 52(%rbx)\n"                       \
                                                                        "    vzeroupper\n"                             \
                                                                        "    pop %rbx\n"                               \
                                                                        "    ret\n"                                    \
                                                                        ".size " name ", . - " name "\n")
#define FIRST_16 "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
CALL("call_with_ymm", FIRST_16, "vmovdqu 184+64*\\r(%rbx), %ymm\\r", "vmovdqu %ymm\\r, 2232+64*\\r(%rbx)", "", "");
CALL("call_with_zmm", FIRST_16 ",16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
     "vmovdqu64 184+64*\\r(%rbx), %zmm\\r", "vmovdqu64 %zmm\\r, 2232+64*\\r(%rbx)",
     FOR_EACH("0,1,2,3,4,5,6,7", "kmovw 56+8*\\r(%rbx), %k\\r"),
     FOR_EACH("0,1,2,3,4,5,6,7", "kmovw %k\\r, 120+8*\\r(%rbx)"));

static void check_registers(const struct crypt_xts_kernel *kernel, const struct call *c, size_t n_bytes) {
    static const uint8_t zero[64];
    size_t n_cleared = kernel->clobbers == CRYPT_XMM ? 16 : n_bytes; /* a shorter write clears what is above */
    for (size_t i = 0; i < 16; i++) {
        cr_assert_arr_eq(c->after[i] + n_cleared, c->before[i] + n_cleared, 64 - n_cleared,
                         "%s changed the top of register %zu", kernel->name, i);
        if (kernel != &crypt_xts_kernel_portable) /* BearSSL's code does not clear what it used */
            cr_assert_arr_eq(c->after[i], zero, n_cleared, "%s left something in register %zu", kernel->name, i);
    }
    for (size_t i = 16; i < 32; i++)
        cr_assert_arr_eq(c->after[i], kernel->clobbers == CRYPT_ZMM ? zero : c->before[i], 64, "%s, register %zu",
                         kernel->name, i);
    if (kernel->clobbers != CRYPT_ZMM) cr_assert_arr_eq(c->k_after, c->k_before, sizeof c->k_after, "%s", kernel->name);
}

static void check(const struct crypt_xts_kernel *kernel, bool encrypt, size_t n_units) {
    static uint8_t key[CRYPT_XTS_KEY_256], data[CRYPT_XTS_BATCH_UNITS * CRYPT_XTS_UNIT_BYTES];
    bool zmm = crypt_cpu_features() & CRYPT_CPU_AVX512;
    struct crypt_xts x;
    struct crypt_xts_batch b;
    noise_fill(key, sizeof key);
    noise_fill(&b, sizeof b);
    cr_assert_eq(crypt_xts_init(&x, key, sizeof key, kernel), 0);

    struct call c = {.args = {&x, &b, data, data, (const void *)n_units}};
    void (*fn)(const struct crypt_xts *, struct crypt_xts_batch *, const uint8_t *, uint8_t *, size_t) =
        encrypt ? kernel->encrypt : kernel->decrypt;
    memcpy(&c.fn, &fn, sizeof fn);
    for (size_t i = 0; i < 32; i++) noise_fill(c.before[i], zmm ? 64 : i < 16 ? 32 : 0);
    for (size_t i = 0; i < 8; i++) c.k_before[i] = zmm ? noise() & 0xffff : 0;
    (zmm ? call_with_zmm : call_with_ymm)(&c);

    cr_assert_eq(c.mxcsr[0], c.mxcsr[1]);
    check_registers(kernel, &c, zmm ? 64 : 32);
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
