/* The sources that a processor has. see crypt/rng.h
 *
 * Source: Intel SDM volume 2B (revision 083), "RDRAND - Read Random Number", "RDSEED - Read Random SEED", "RDTSC - Read
 * Time-Stamp Counter". Always 64 bits: there are processors whose narrower RDSEED says 0 too often. */
#include <crypt/cpu.h>
#include <crypt/rng.h>

static bool rdseed(void *ctx, uint64_t *out) {
    bool ready;
    (void)ctx;
    __asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ready));
    if (!ready) __asm__ volatile("pause");
    return ready;
}

static bool rdrand(void *ctx, uint64_t *out) {
    bool ready;
    (void)ctx;
    __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ready));
    return ready;
}

static uint64_t rdtsc(void *ctx) {
    uint32_t low, high;
    (void)ctx;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

struct crypt_rng_hw crypt_rng_hw(uint32_t features) {
    return (struct crypt_rng_hw){.rdseed = features & CRYPT_CPU_RDSEED ? rdseed : NULL,
                                 .rdrand = features & CRYPT_CPU_RDRAND ? rdrand : NULL,
                                 .rdtsc = rdtsc};
}
