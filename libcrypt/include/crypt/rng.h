/* Random numbers for keys: no keys without entropy.
 *
 * All sources are mixed into one HMAC-DRBG (SHA-256, BearSSL's), good and bad ones alike: more input never harms. Only
 * what passed its health tests is credited, and nothing comes out before CRYPT_RNG_BITS_NEEDED are.
 *
 * A generator is the caller's and used by one processor at a time. Nothing allocates. A copy of one generates the same
 * numbers again: after a snapshot of the machine was taken, or a process was forked, start a new one. All but the pure
 * functions clobber CRYPT_XMM and use less than 4 KiB of stack, on which nothing secret is left.
 *
 * Sources: NIST SP 800-90A Revision 1, 10.1.2 "HMAC_DRBG"; NIST SP 800-90B, 4 "Health Tests". */
#ifndef CRYPT_RNG_H
#define CRYPT_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <crypt/error.h>

#define CRYPT_RNG_BITS_NEEDED 256u

/* Where entropy comes from, and what it is credited with at most: libcrypt/DESIGN.md argues. */
enum crypt_rng_source {
    CRYPT_RNG_RDSEED, /* 256 bits */
    CRYPT_RNG_RDRAND, /* 256 bits: slowly, since it repeats an own generator's output between its seeds */
    CRYPT_RNG_TIMING, /* 64 bits: never enough by itself, for nobody can tell how predictable a machine's timing is */
    CRYPT_RNG_GIVEN,  /* what the caller says */
    CRYPT_RNG_SOURCES
};

enum crypt_rng_state {
    CRYPT_RNG_ABSENT,  /* not asked yet, or does not answer */
    CRYPT_RNG_HEALTHY, /* credited */
    CRYPT_RNG_FAILED   /* failed a health test at least once: nothing more is credited */
};

/* The machine's sources as functions, so that a test can put others in their place. NULL: there is none. */
struct crypt_rng_hw {
    bool (*rdseed)(void *ctx, uint64_t *out); /* false: nothing ready, ask again */
    bool (*rdrand)(void *ctx, uint64_t *out); /* likewise */
    uint64_t (*rdtsc)(void *ctx);             /* a clock as fast as there is */
    void *ctx;
};

/* Those of a processor with these features (enum crypt_cpu_feature bits). Pure. */
struct crypt_rng_hw crypt_rng_hw(uint32_t features);

/* A generator; read state and bits, the rest is private. */
struct crypt_rng {
    enum crypt_rng_state state[CRYPT_RNG_SOURCES];
    uint32_t bits[CRYPT_RNG_SOURCES]; /* credited */
    uint8_t key[32], value[32];       /* K and V: no pointers, a generator may be moved */
};

/* Start with no entropy at all. */
void crypt_rng_init(struct crypt_rng *r);

/* Ask the machine's sources and mix in what they answer; some 20 ms. A source that does not answer in time is left
 * alone. MUST: the processor has the instructions. Does not fail: r->state and crypt_rng_bits tell. */
void crypt_rng_gather(struct crypt_rng *r, const struct crypt_rng_hw *hw);

/* Mix in data [n_bytes] from elsewhere: the firmware's EFI_RNG_PROTOCOL, an operating system's getrandom, a person's
 * keystrokes. It holds, the caller believes, this many bits of entropy that nobody else knows (credited: at most 8 a
 * byte, if its bytes pass the health tests). */
void crypt_rng_add(struct crypt_rng *r, const void *data, size_t n_bytes, uint32_t bits);

/* All that was credited. Pure. */
uint32_t crypt_rng_bits(const struct crypt_rng *r);

/* n_bytes random bytes to out. 0, or CRYPT_E_ENTROPY with all of out zero, if less than CRYPT_RNG_BITS_NEEDED have been
 * credited. */
CRYPT_MUST_CHECK int crypt_rng_generate(struct crypt_rng *r, void *out, size_t n_bytes);

/* Forget everything. */
void crypt_rng_wipe(struct crypt_rng *r);

#endif
