/* What XTS leaves behind on the stack: nothing that depends on a key. The secrets are key halves, all round keys, all
 * tweaks, and all states that the blocks pass through. */
#include <criterion/criterion.h>
#include <emmintrin.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <wmmintrin.h>

#include "kernels.h"
#include "stack.h"

#define N_UNITS  19u /* a full batch and a partial one */
#define UNIT     5u
#define N_BLOCKS (N_UNITS * CRYPT_XTS_UNIT_BYTES / 16)

static struct crypt_xts context;
static uint8_t key[CRYPT_XTS_KEY_256], plain[N_BLOCKS][16], cipher[N_BLOCKS][16];

static void add_states(const struct crypt_xts *x, __m128i tweak, const uint8_t block[16], bool encrypt) {
    const uint8_t(*rounds)[16] = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i_u *)block), tweak);
    secret_add(&b, 16);
    b = _mm_xor_si128(b, _mm_loadu_si128((const __m128i_u *)rounds[0]));
    secret_add(&b, 16);
    for (uint32_t r = 1; r < x->n_rounds; r++) {
        __m128i k = _mm_loadu_si128((const __m128i_u *)rounds[r]);
        b = encrypt ? _mm_aesenc_si128(b, k) : _mm_aesdec_si128(b, k);
        secret_add(&b, 16);
    }
}

/* Tweaks by OpenSSL's plain AES and a bit at a time, so as not to trust what is tested. */
static void add_tweaks_and_states(const struct crypt_xts *x, size_t key_bytes) {
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();
    cr_assert_eq(EVP_EncryptInit_ex(evp, key_bytes == 32 ? EVP_aes_128_ecb() : EVP_aes_256_ecb(), NULL,
                                    key + key_bytes / 2, NULL),
                 1);
    uint64_t t[2] = {0};
    for (size_t block = 0; block < N_BLOCKS; block++) {
        if (block % 32 == 0) {
            uint64_t number[2] = {UNIT + block / 32, 0};
            int n;
            cr_assert_eq(EVP_EncryptUpdate(evp, (uint8_t *)t, &n, (const uint8_t *)number, 16), 1);
        }
        secret_add(t, 16);
        if (x) add_states(x, _mm_set_epi64x((long long)t[1], (long long)t[0]), plain[block], true);
        if (x) add_states(x, _mm_set_epi64x((long long)t[1], (long long)t[0]), cipher[block], false);
        uint64_t carry = t[1] >> 63;
        t[1] = t[1] << 1 | t[0] >> 63;
        t[0] = t[0] << 1 ^ carry * 0x87;
    }
    EVP_CIPHER_CTX_free(evp);
}

static void collect_secrets(size_t key_bytes) {
    secrets_clear();
    secret_add(key, key_bytes);
    bool aesni = crypt_cpu_features() & CRYPT_CPU_AESNI;
    for (size_t k = 0; k < n_runnable; k++) {
        static struct crypt_xts x;
        cr_assert_eq(crypt_xts_init(&x, key, key_bytes, runnable[k]), 0);
        size_t n_bytes = runnable[k] == &crypt_xts_kernel_portable ? sizeof x.slices : sizeof x.rounds;
        secret_add(&x.rounds, n_bytes);
        if (aesni && runnable[k] == &crypt_xts_kernel_aesni) {
            crypt_xts_encrypt(&x, UNIT, plain, cipher, N_UNITS);
            add_tweaks_and_states(&x, key_bytes);
        }
    }
    if (!aesni) add_tweaks_and_states(NULL, key_bytes);
}

struct job {
    const struct crypt_xts_kernel *kernel;
    size_t key_bytes;
    enum {
        INIT,
        ENCRYPT,
        DECRYPT,
        N_JOBS
    } what; /* one step only: a later one would cover up the earlier one's traces */
};

static void run(void *arg) {
    const struct job *j = arg;
    switch (j->what) {
    case INIT:
        if (crypt_xts_init(&context, key, j->key_bytes, j->kernel)) abort();
        break;
    case ENCRYPT: crypt_xts_encrypt(&context, UNIT, plain, cipher, N_UNITS); break;
    case DECRYPT: crypt_xts_decrypt(&context, UNIT, cipher, plain, N_UNITS); break;
    case N_JOBS: break;
    }
}

Test(residue, nothing_secret_is_left_on_the_stack, .init = find_runnable) {
    static const size_t key_bytes[] = {CRYPT_XTS_KEY_128, CRYPT_XTS_KEY_256};
    for (size_t b = 0; b < 2; b++)
        for (size_t k = 0; k < n_runnable; k++) {
            noise_fill(key, sizeof key);
            noise_fill(plain, sizeof plain);
            collect_secrets(key_bytes[b]);
            struct job j = {runnable[k], key_bytes[b], INIT};
            for (; j.what < N_JOBS; j.what++)
                cr_assert_eq(stack_residue(run, &j), 0, "kernel %s, %zu-byte key, step %d", j.kernel->name, j.key_bytes,
                             (int)j.what);
        }
}
