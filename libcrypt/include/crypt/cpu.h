/* Instruction sets that libcrypt's kernels need, as bits of one word, so that choosing a kernel is a pure function. */
#ifndef CRYPT_CPU_H
#define CRYPT_CPU_H

#include <stdint.h>

enum crypt_cpu_feature {
    CRYPT_CPU_AESNI = 1 << 0, /* AESENC and companions on 128-bit registers */
    CRYPT_CPU_AVX2 = 1 << 1,  /* and XCR0 lets the 256-bit registers be used */
    CRYPT_CPU_VAES = 1 << 2,  /* AESENC on 256-bit registers */
    CRYPT_CPU_RDRAND = 1 << 3,
    CRYPT_CPU_RDSEED = 1 << 4,
    CRYPT_CPU_AVX512 = 1 << 5, /* AVX-512 Foundation, and XCR0 lets the 512-bit registers and opmasks be used */
};

/* What the processor it runs on offers, under the CR4.OSXSAVE and XCR0 in force now. Executes CPUID (and XGETBV when
 * CR4.OSXSAVE is set): beneath a guest call it once, at start, with the hypervisor's own XCR0.
 * CRYPT_CPU_VAES and CRYPT_CPU_AVX512 are reported only together with CRYPT_CPU_AVX2.
 * Source: Intel SDM volume 2A (revision 083), "CPUID - CPU Identification", leaves 1 and 7; volume 1, 14.3 "Detection
 * of Intel AVX Instructions", 15.2 "Detection of AVX-512 Foundation Instructions". */
uint32_t crypt_cpu_features(void);

#endif
