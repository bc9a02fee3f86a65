/* see crypt/xts.h */
#include <crypt/xts.h>
#include <string.h>

#define UNITS 5u /* more than a kernel takes at once, and not a multiple of it */

bool crypt_xts_kernel_works(const struct crypt_xts_kernel *kernel) {
    static const size_t key_bytes[] = {CRYPT_XTS_KEY_128, CRYPT_XTS_KEY_256};
    static uint8_t plain[UNITS * CRYPT_XTS_UNIT_BYTES], ours[sizeof plain], theirs[sizeof plain];
    uint8_t key[CRYPT_XTS_KEY_256];
    const uint64_t unit = UINT64_C(0xfffffffe); /* the numbers cross 2^32 */
    struct crypt_xts x;
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 37 + 11);
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (uint8_t)(i * 5 ^ i >> 8);
    for (size_t k = 0; k < sizeof key_bytes / sizeof key_bytes[0]; k++) {
        if (crypt_xts_init(&x, key, key_bytes[k], &crypt_xts_kernel_portable)) return false;
        crypt_xts_encrypt(&x, unit, plain, theirs, UNITS);
        if (crypt_xts_init(&x, key, key_bytes[k], kernel)) return false;
        crypt_xts_encrypt(&x, unit, plain, ours, UNITS);
        if (memcmp(ours, theirs, sizeof ours)) return false;
        crypt_xts_decrypt(&x, unit, ours, ours, UNITS);
        if (memcmp(ours, plain, sizeof ours)) return false;
    }
    return true;
}
