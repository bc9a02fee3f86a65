/* AES-XTS for disks: data units of 512 bytes, AES-128 or AES-256.
 *
 * The tweak of a data unit is its number as 64 bits little-endian, zero-extended to 128 bits: what Linux calls
 * aes-xts-plain64. Not an authenticated mode: a changed ciphertext decrypts to noise in its 16-byte block, unnoticed.
 * Not for anything but storage; no ciphertext stealing, since sectors are whole.
 *
 * A context is the caller's, of fixed size, and the only place that holds key schedules. Once initialised it is only
 * read: any number of processors may use it at the same time. Nothing allocates. The time an operation takes depends on
 * lengths and on the kernel, never on keys or data. After a call the stack holds no secret. Vector registers that were
 * clobbered may (after crypt_xts_init, and with crypt_xts_kernel_portable): the caller restores their former contents.
 *
 * Source: IEEE Std 1619-2018, clause 5 "XTS-AES transform"; NIST SP 800-38E (January 2010). */
#ifndef CRYPT_XTS_H
#define CRYPT_XTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <crypt/cpu.h>
#include <crypt/error.h>

#define CRYPT_XTS_UNIT_BYTES 512u
#define CRYPT_XTS_KEY_128    32u /* bytes of both halves together */
#define CRYPT_XTS_KEY_256    64u

struct crypt_xts;
struct crypt_xts_batch;

/* The part of a processor's vector state an operation changes; the rest of that state (upper halves of wider registers,
 * x87, MXCSR, opmasks) stays as it was. The caller saves and restores it. */
enum crypt_vector_state {
    CRYPT_XMM, /* XMM0-15, bits 127:0 only. MUST: CR4.OSFXSR set, CR0.TS and CR0.EM clear */
    CRYPT_YMM, /* YMM0-15. MUST: also CR4.OSXSAVE set, XCR0 bits 1 and 2 set */
    CRYPT_ZMM, /* ZMM0-31 and the opmasks. MUST: also XCR0 bits 5 to 7 set */
};

/* One way to do the work; constant. Of its members, callers read the first three and leave the rest to this library. */
struct crypt_xts_kernel {
    const char *name;
    uint32_t needs; /* enum crypt_cpu_feature bits, all of them */
    enum crypt_vector_state clobbers;

    void (*expand)(struct crypt_xts *x, const uint8_t *data_key, const uint8_t *tweak_key, size_t half_bytes);
    void (*encrypt)(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n);
    void (*decrypt)(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n);
};

extern const struct crypt_xts_kernel crypt_xts_kernel_vaes_avx512; /* VAES, ZMM registers */
extern const struct crypt_xts_kernel crypt_xts_kernel_vaes_avx2;   /* VAES, YMM registers */
extern const struct crypt_xts_kernel crypt_xts_kernel_aesni;       /* AES-NI on XMM registers */
extern const struct crypt_xts_kernel crypt_xts_kernel_portable;    /* BearSSL's bitsliced AES; any x86-64 */

/* The fastest kernel that a processor with these features (enum crypt_cpu_feature bits) can run. Pure; never NULL.
 * A caller that does not want to save 512-bit registers leaves CRYPT_CPU_AVX512 out; 256-bit ones: CRYPT_CPU_VAES. */
const struct crypt_xts_kernel *crypt_xts_kernel_best(uint32_t features);

/* Those of the features that are left when this kernel, the best one for them, was found not to work: the next best is
 * another. Pure. */
uint32_t crypt_xts_kernel_without(uint32_t features, const struct crypt_xts_kernel *kernel);

/* True if the kernel's answers are those of crypt_xts_kernel_portable, both ways, for a sample that uses every register
 * of every kernel. There are emulators whose AES instructions are wrong, and data must not depend on where it was
 * written. At start, by one caller at a time: its buffers are static. MUST: the processor has kernel->needs. Clobbers
 * kernel->clobbers. */
bool crypt_xts_kernel_works(const struct crypt_xts_kernel *kernel);

/* A key, ready for use. Contents private to this library. */
struct crypt_xts {
    const struct crypt_xts_kernel *kernel; /* [I] */
    uint32_t n_rounds;                     /* [I] 10 or 14 */
    union {
        struct { /* [I] AES-NI and VAES: one round key after the other, in the order of use */
            uint8_t encrypt[15][16], decrypt[15][16], tweak[15][16];
        } rounds;
        struct { /* [I] portable: eight words a round, bitsliced */
            uint64_t data[15 * 8], tweak[15 * 8];
        } slices;
    };
};

/* Prepare x.
 *   key        [key_bytes] the data key (Key1), then the tweak key (Key2); borrowed
 *   key_bytes  CRYPT_XTS_KEY_128 or CRYPT_XTS_KEY_256
 *   kernel     MUST be one this processor, and each that will use x, can run
 * 0; CRYPT_E_KEY_BYTES for another length; CRYPT_E_KEY_WEAK if both halves are equal. After an error x is wiped.
 * Clobbers CRYPT_XMM, whatever the kernel. Uses less than 3 KiB of stack.
 * Source: IEEE Std 1619-2018, 5.1 "Data units and tweaks"; FIPS 140-3 Implementation Guidance, C.I "XTS-AES Key
 * Generation Requirements" for Key1 != Key2. */
CRYPT_MUST_CHECK int crypt_xts_init(struct crypt_xts *x, const void *key, size_t key_bytes,
                                    const struct crypt_xts_kernel *kernel);

/* Encrypt or decrypt whole data units, from src to dst (which may be the same buffer, but not overlap otherwise).
 *   unit      number of the first unit
 *   src, dst  [n_units * 512] bytes, any alignment; each byte is read once and written once
 * Cannot fail. MUST: unit + n_units - 1 does not wrap. n_units 0 does nothing. Clobbers x->kernel->clobbers, provided
 * that the program's memcpy and memset use no wider registers. Uses less than 3 KiB of stack.
 * Source: IEEE Std 1619-2018, 5.3 "XTS-AES encryption procedure", 5.4 "XTS-AES decryption procedure". */
void crypt_xts_encrypt(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units);
void crypt_xts_decrypt(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units);

/* Forget the key. x may then be initialised again, or thrown away. */
void crypt_xts_wipe(struct crypt_xts *x);

#endif
