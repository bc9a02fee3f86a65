/* see kernels.h */
#include "kernels.h"

#include <stdio.h>

const struct crypt_xts_kernel *runnable[4];
size_t n_runnable;

void find_runnable(void) {
    const struct crypt_xts_kernel *all[] = {&crypt_xts_kernel_portable, &crypt_xts_kernel_aesni,
                                            &crypt_xts_kernel_vaes_avx2, &crypt_xts_kernel_vaes_avx512};
    n_runnable = 0;
    for (size_t i = 0; i < 4; i++) {
        bool can = (crypt_cpu_features() & all[i]->needs) == all[i]->needs;
        if (can)
            runnable[n_runnable++] = all[i];
        else
            fprintf(stderr, "NOT TESTED: XTS kernel \"%s\": this processor lacks its instructions\n", all[i]->name);
    }
}

/* splitmix64, public domain (S. Vigna) */
uint64_t noise(void) {
    static uint64_t state;
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void noise_fill(void *p, size_t n_bytes) {
    uint8_t *bytes = p;
    for (size_t i = 0; i < n_bytes; i++) bytes[i] = (uint8_t)noise();
}
