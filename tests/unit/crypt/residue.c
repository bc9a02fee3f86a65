/* What is left behind on the stack: nothing that depends on a key.
 *
 * The library runs on a thread whose stack is ours; afterwards every 8 bytes of that stack, at any alignment, are
 * looked up among the secrets: key halves, all round keys, all tweaks, and all states that the blocks pass through. */
#include <criterion/criterion.h>
#include <emmintrin.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <wmmintrin.h>

#include "kernels.h"

#define STACK_BYTES (256u * 1024u)
#define N_UNITS     19u /* a full batch and a partial one */
#define UNIT        5u
#define N_BLOCKS    (N_UNITS * CRYPT_XTS_UNIT_BYTES / 16)

static struct crypt_xts context;
static uint8_t key[CRYPT_XTS_KEY_256], plain[N_BLOCKS][16], cipher[N_BLOCKS][16];
static uint64_t secrets[400000];
static size_t n_secrets;

/* Runs of one byte occur anywhere and say nothing. */
static void add_secret(const void *p, size_t n_bytes) {
    const uint8_t *bytes = p;
    for (size_t i = 0; i + 8 <= n_bytes; i += 8) {
        uint64_t v;
        memcpy(&v, bytes + i, 8);
        if (v == (v & 0xff) * UINT64_C(0x0101010101010101)) continue;
        cr_assert(n_secrets < sizeof secrets / sizeof secrets[0]);
        secrets[n_secrets++] = v;
    }
}

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void add_states(const struct crypt_xts *x, __m128i tweak, const uint8_t block[16], bool encrypt) {
    const uint8_t(*rounds)[16] = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i_u *)block), tweak);
    add_secret(&b, 16);
    b = _mm_xor_si128(b, _mm_loadu_si128((const __m128i_u *)rounds[0]));
    add_secret(&b, 16);
    for (uint32_t r = 1; r < x->n_rounds; r++) {
        __m128i k = _mm_loadu_si128((const __m128i_u *)rounds[r]);
        b = encrypt ? _mm_aesenc_si128(b, k) : _mm_aesdec_si128(b, k);
        add_secret(&b, 16);
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
        add_secret(t, 16);
        if (x) add_states(x, _mm_set_epi64x((long long)t[1], (long long)t[0]), plain[block], true);
        if (x) add_states(x, _mm_set_epi64x((long long)t[1], (long long)t[0]), cipher[block], false);
        uint64_t carry = t[1] >> 63;
        t[1] = t[1] << 1 | t[0] >> 63;
        t[0] = t[0] << 1 ^ carry * 0x87;
    }
    EVP_CIPHER_CTX_free(evp);
}

static void collect_secrets(size_t key_bytes) {
    n_secrets = 0;
    add_secret(key, key_bytes);
    bool aesni = crypt_cpu_features() & CRYPT_CPU_AESNI;
    for (size_t k = 0; k < n_runnable; k++) {
        static struct crypt_xts x;
        cr_assert_eq(crypt_xts_init(&x, key, key_bytes, runnable[k]), 0);
        size_t n_bytes = runnable[k] == &crypt_xts_kernel_portable ? sizeof x.slices : sizeof x.rounds;
        add_secret(&x.rounds, n_bytes);
        if (aesni && runnable[k] == &crypt_xts_kernel_aesni) {
            crypt_xts_encrypt(&x, UNIT, plain, cipher, N_UNITS);
            add_tweaks_and_states(&x, key_bytes);
        }
    }
    if (!aesni) add_tweaks_and_states(NULL, key_bytes);
    qsort(secrets, n_secrets, sizeof secrets[0], compare);
}

struct job {
    const struct crypt_xts_kernel *kernel;
    size_t key_bytes;
    enum { INIT, ENCRYPT, DECRYPT, LEAK } what; /* LEAK, the control: leave a secret behind on purpose */
};

__attribute__((noinline)) static void leak_a_secret(void) {
    uint64_t left_behind[16] = {secrets[n_secrets / 2]};
    __asm__ volatile("" : : "r"(left_behind) : "memory");
}

static void *job_thread(void *arg) {
    const struct job *j = arg;
    uint8_t room[STACK_BYTES / 4]; /* so that the end of the thread does not overwrite what is looked for */
    __asm__ volatile("" : : "r"(room) : "memory");
    switch (j->what) { /* one step only: a later one would cover up the earlier one's traces */
    case INIT:
        if (crypt_xts_init(&context, key, j->key_bytes, j->kernel)) abort();
        break;
    case ENCRYPT: crypt_xts_encrypt(&context, UNIT, plain, cipher, N_UNITS); break;
    case DECRYPT: crypt_xts_decrypt(&context, UNIT, cipher, plain, N_UNITS); break;
    case LEAK: leak_a_secret(); break;
    }
    return NULL;
}

static size_t residue(struct job j) {
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

Test(residue, nothing_secret_is_left_on_the_stack, .init = find_runnable) {
    static const size_t key_bytes[] = {CRYPT_XTS_KEY_128, CRYPT_XTS_KEY_256};
    for (size_t b = 0; b < 2; b++)
        for (size_t k = 0; k < n_runnable; k++) {
            noise_fill(key, sizeof key);
            noise_fill(plain, sizeof plain);
            collect_secrets(key_bytes[b]);
            struct job j = {runnable[k], key_bytes[b], INIT};
            for (; j.what < LEAK; j.what++)
                cr_assert_eq(residue(j), 0, "kernel %s, %zu-byte key, step %d", j.kernel->name, j.key_bytes,
                             (int)j.what);
            cr_assert_gt(residue(j), 0, "the search does not find what is there");
        }
}
