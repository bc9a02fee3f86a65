/* The contract of crypt/xts.h apart from the cipher itself. */
#include <criterion/criterion.h>
#include <crypt/wipe.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

TestSuite(xts_api, .init = find_runnable);

static bool is_zero(const void *p, size_t n_bytes) {
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i]) return false;
    return true;
}

Test(xts_api, init_refuses_every_length_but_two) {
    uint8_t key[256];
    noise_fill(key, sizeof key);
    for (size_t n = 0; n <= sizeof key; n++) {
        struct crypt_xts x;
        memset(&x, 0x5a, sizeof x);
        int expected = n == 32 || n == 64 ? 0 : CRYPT_E_KEY_BYTES;
        cr_assert_eq(crypt_xts_init(&x, key, n, &crypt_xts_kernel_portable), expected, "%zu bytes", n);
        cr_assert_eq(is_zero(&x, sizeof x), expected != 0);
    }
}

/* IEEE Std 1619-2018, B.1 is such a key: all zeros. */
Test(xts_api, init_refuses_equal_halves) {
    uint8_t key[64];
    for (size_t n = 32; n <= 64; n += 32) {
        struct crypt_xts x;
        memset(key, 0, sizeof key);
        memset(&x, 0x5a, sizeof x);
        cr_assert_eq(crypt_xts_init(&x, key, n, &crypt_xts_kernel_portable), CRYPT_E_KEY_WEAK);
        cr_assert(is_zero(&x, sizeof x));

        noise_fill(key, n / 2);
        memcpy(key + n / 2, key, n / 2);
        cr_assert_eq(crypt_xts_init(&x, key, n, &crypt_xts_kernel_portable), CRYPT_E_KEY_WEAK);
        for (size_t bit = 0; bit < n / 2 * 8; bit++) { /* one bit of difference is enough */
            key[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_eq(crypt_xts_init(&x, key, n, &crypt_xts_kernel_portable), 0);
            key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* A second key leaves nothing of the first, also where AES-128 fills less than AES-256 did. */
Test(xts_api, a_context_depends_on_its_last_key_only) {
    uint8_t long_key[64], short_key[32];
    noise_fill(long_key, sizeof long_key);
    noise_fill(short_key, sizeof short_key);
    for (size_t k = 0; k < n_runnable; k++) {
        struct crypt_xts used, fresh;
        memset(&fresh, 0xff, sizeof fresh);
        cr_assert_eq(crypt_xts_init(&used, long_key, sizeof long_key, runnable[k]), 0);
        cr_assert_eq(crypt_xts_init(&used, short_key, sizeof short_key, runnable[k]), 0);
        cr_assert_eq(crypt_xts_init(&fresh, short_key, sizeof short_key, runnable[k]), 0);
        cr_assert_arr_eq(&used, &fresh, sizeof used, "kernel %s", runnable[k]->name);
    }
}

Test(xts_api, wipe_clears_the_whole_context) {
    uint8_t key[64];
    noise_fill(key, sizeof key);
    for (size_t k = 0; k < n_runnable; k++) {
        struct crypt_xts x;
        cr_assert_eq(crypt_xts_init(&x, key, sizeof key, runnable[k]), 0);
        cr_assert_not(is_zero(&x.rounds, sizeof x.rounds));
        crypt_xts_wipe(&x);
        cr_assert(is_zero(&x, sizeof x));
    }
}

Test(xts_api, wipe_touches_nothing_around) {
    uint8_t bytes[32];
    memset(bytes, 0xff, sizeof bytes);
    crypt_wipe(bytes + 8, 16);
    cr_assert(is_zero(bytes + 8, 16));
    cr_assert_eq(bytes[7], 0xff);
    cr_assert_eq(bytes[24], 0xff);
}

Test(xts_api, no_units_change_nothing) {
    uint8_t key[32], bytes[1] = {0x77};
    noise_fill(key, sizeof key);
    for (size_t k = 0; k < n_runnable; k++) {
        struct crypt_xts x;
        cr_assert_eq(crypt_xts_init(&x, key, sizeof key, runnable[k]), 0);
        crypt_xts_encrypt(&x, 0, bytes, bytes, 0);
        crypt_xts_decrypt(&x, 0, bytes, bytes, 0);
        cr_assert_eq(bytes[0], 0x77);
    }
}

Test(xts_api, best_kernel_is_the_fastest_the_features_allow) {
    for (uint32_t f = 0; f < 64; f++) {
        bool aes = f & CRYPT_CPU_AESNI, vaes = aes && f & CRYPT_CPU_VAES;
        const struct crypt_xts_kernel *expected = vaes && f & CRYPT_CPU_AVX512 ? &crypt_xts_kernel_vaes_avx512
                                                  : vaes && f & CRYPT_CPU_AVX2 ? &crypt_xts_kernel_vaes_avx2
                                                  : aes                        ? &crypt_xts_kernel_aesni
                                                                               : &crypt_xts_kernel_portable;
        cr_assert_eq(crypt_xts_kernel_best(f), expected, "features %#x", f);
    }
    cr_assert_eq(crypt_xts_kernel_portable.needs, 0);
}

/* Each refused in turn, all are offered once, from the fastest to the slowest; other features stay. */
Test(xts_api, a_kernel_refused_leaves_the_next_best) {
    const struct crypt_xts_kernel *order[] = {&crypt_xts_kernel_vaes_avx512, &crypt_xts_kernel_vaes_avx2,
                                              &crypt_xts_kernel_aesni, &crypt_xts_kernel_portable};
    uint32_t f = 0x3f;
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(crypt_xts_kernel_best(f), order[i], "features %#x", f);
        f = crypt_xts_kernel_without(f, order[i]);
        cr_assert(f & CRYPT_CPU_RDRAND && f & CRYPT_CPU_RDSEED);
    }
}

static void wrong(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    crypt_xts_kernel_portable.encrypt(x, b, src, dst, n);
    dst[n * CRYPT_XTS_UNIT_BYTES - 1] ^= 1;
}

static void wrong_back(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst,
                       size_t n) {
    crypt_xts_kernel_portable.decrypt(x, b, src, dst, n);
    dst[0] ^= 0x80;
}

Test(xts_api, a_kernel_with_one_wrong_bit_is_found) {
    for (size_t k = 0; k < n_runnable; k++) cr_assert(crypt_xts_kernel_works(runnable[k]));
    struct crypt_xts_kernel bad = crypt_xts_kernel_portable;
    bad.encrypt = wrong;
    cr_assert_not(crypt_xts_kernel_works(&bad));
    bad = crypt_xts_kernel_portable;
    bad.decrypt = wrong_back;
    cr_assert_not(crypt_xts_kernel_works(&bad));
}

static bool cpuinfo_has(const char *flag) {
    static char line[8192];
    char word[32];
    bool has = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    cr_assert_not_null(f);
    snprintf(word, sizeof word, " %s ", flag);
    while (!has && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = ' ';
        has = strncmp(line, "flags", 5) == 0 && strstr(line, word);
    }
    fclose(f);
    return has;
}

/* The kernel's reading of CPUID and XCR0 as the oracle. */
Test(xts_api, features_are_those_of_this_processor) {
    uint32_t f = crypt_cpu_features();
    cr_assert_eq(!!(f & CRYPT_CPU_AESNI), cpuinfo_has("aes"));
    cr_assert_eq(!!(f & CRYPT_CPU_AVX2), cpuinfo_has("avx2"));
    cr_assert_eq(!!(f & CRYPT_CPU_VAES), cpuinfo_has("vaes"));
    cr_assert_eq(!!(f & CRYPT_CPU_AVX512), cpuinfo_has("avx512f"));
    cr_assert_eq(!!(f & CRYPT_CPU_RDRAND), cpuinfo_has("rdrand"));
    cr_assert_eq(!!(f & CRYPT_CPU_RDSEED), cpuinfo_has("rdseed"));
}
