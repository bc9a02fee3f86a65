/* see crypt/cpu.h */
#include <crypt/cpu.h>

#include <stdbool.h>

#define CPUID_1_ECX_AESNI   (UINT32_C(1) << 25)
#define CPUID_1_ECX_OSXSAVE (UINT32_C(1) << 27)
#define CPUID_1_ECX_AVX     (UINT32_C(1) << 28)
#define CPUID_1_ECX_RDRAND  (UINT32_C(1) << 30)
#define CPUID_7_EBX_AVX2    (UINT32_C(1) << 5)
#define CPUID_7_EBX_AVX512F (UINT32_C(1) << 16)
#define CPUID_7_EBX_RDSEED  (UINT32_C(1) << 18)
#define CPUID_7_ECX_VAES    (UINT32_C(1) << 9)
#define XCR0_SSE_AVX        UINT32_C(0x06) /* bits 1 and 2 */
#define XCR0_AVX512         UINT32_C(0xe0) /* bits 5 to 7: opmasks, upper halves of ZMM0-15, ZMM16-31 */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf) {
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}

static uint32_t xcr0_low(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool ymm_enabled(uint32_t ecx1) {
    return ecx1 & CPUID_1_ECX_AVX && ecx1 & CPUID_1_ECX_OSXSAVE && (xcr0_low() & XCR0_SSE_AVX) == XCR0_SSE_AVX;
}

uint32_t crypt_cpu_features(void) {
    uint32_t f = 0;
    uint32_t ecx1 = cpuid(1).ecx;
    if (ecx1 & CPUID_1_ECX_AESNI) f |= CRYPT_CPU_AESNI;
    if (ecx1 & CPUID_1_ECX_RDRAND) f |= CRYPT_CPU_RDRAND;

    if (cpuid(0).eax < 7) return f;
    struct cpuid leaf7 = cpuid(7);
    if (leaf7.ebx & CPUID_7_EBX_RDSEED) f |= CRYPT_CPU_RDSEED;
    if (!(leaf7.ebx & CPUID_7_EBX_AVX2) || !ymm_enabled(ecx1)) return f;
    f |= CRYPT_CPU_AVX2;
    if (leaf7.ecx & CPUID_7_ECX_VAES) f |= CRYPT_CPU_VAES;
    if (leaf7.ebx & CPUID_7_EBX_AVX512F && (xcr0_low() & XCR0_AVX512) == XCR0_AVX512) f |= CRYPT_CPU_AVX512;
    return f;
}
