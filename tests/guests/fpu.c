/* The guest's vector and x87 registers hold what it put there, whatever a handler does with them between
 * vmm_vector_begin() and vmm_vector_end(): in the modes of CR0, CR4 and XCR0 a guest may be in. */
#include "gt.h"
#include <hw.h>
#include <string.h>

struct fpu_image {
    uint8_t ymm[16][32];
    uint32_t mxcsr, x87_control;
    uint8_t st0[16];
};
_Static_assert(offsetof(struct fpu_image, st0) == 0x208, "fpu.S");
void fpu_across(const struct fpu_image *in, struct fpu_image *out, uint64_t rax, uint64_t rbx, uint64_t times);
void fpu_load_y(const struct fpu_image *in);
void fpu_store_y(const struct fpu_image *unused, struct fpu_image *out);

struct zmm_image {
    uint8_t zmm[32][64];
    uint64_t opmask[8]; /* 16 bits each */
};
_Static_assert(offsetof(struct zmm_image, opmask) == 0x800, "fpu.S");
void fpu_load_z(const struct zmm_image *in);
void fpu_store_z(const struct zmm_image *unused, struct zmm_image *out);

#define CR0_MP      BIT(1)
#define CR0_EM      BIT(2)
#define CR0_TS      BIT(3)
#define CR4_OSFXSR  BIT(9)
#define CR4_OSXSAVE BIT(18)

static struct fpu_image image(void) {
    struct fpu_image in;
    for (unsigned i = 0; i < sizeof in.ymm; i++) in.ymm[i / 32][i % 32] = (uint8_t)(gt_random() >> 24);
    in.mxcsr = 0x1f80 | 0x4000 | 0x21; /* masked, round up, two sticky flags */
    in.x87_control = 0x0e7f & 0xffff;  /* truncate, double precision */
    memcpy(in.st0, (const uint8_t[16]){1, 2, 3, 4, 5, 6, 7, 0x88, 0x01, 0x40}, 16);
    return in;
}

static bool same(const struct fpu_image *a, const struct fpu_image *b, unsigned n_bytes) {
    unsigned bad = 0;
    for (unsigned i = 0; i < 16; i++) bad += memcmp(a->ymm[i], b->ymm[i], n_bytes) != 0;
    bool rest =
        a->mxcsr == b->mxcsr && (uint16_t)a->x87_control == (uint16_t)b->x87_control && !memcmp(a->st0, b->st0, 10);
    if (bad || !rest)
        gt_print("     %u registers changed; mxcsr %x %x, x87 %x %x", bad, a->mxcsr, b->mxcsr, a->x87_control,
                 b->x87_control);
    return !bad && rest;
}

static void xmm(enum vmm_vector_width width, uint64_t times, const char *name) {
    struct fpu_image in = image(), out = {0};
    fpu_across(&in, &out, HOST_CALL + HOST_CLOBBER, (uint64_t)width, times);
    gt_check(same(&in, &out, 16), name, "not as before");
}

/* Upper halves too; meanwhile XCR0 is what the guest has chosen. */
static void ymm(enum vmm_vector_width width, uint64_t meanwhile, const char *name) {
    struct fpu_image in = image(), out = {0};
    hw_xsetbv(7);
    fpu_load_y(&in);
    hw_xsetbv(meanwhile);
    fpu_across(&in, &out, HOST_CALL + HOST_CLOBBER, (uint64_t)width, 3);
    uint64_t xcr0 = hw_xgetbv();
    hw_xsetbv(7);
    struct fpu_image upper;
    fpu_store_y(NULL, &upper);
    memcpy(out.ymm, upper.ymm, sizeof out.ymm);
    gt_check(same(&in, &out, 32) && xcr0 == meanwhile, name, "not as before, XCR0 %lx", xcr0);
}

/* All of AVX-512's registers likewise. */
static void zmm(enum vmm_vector_width width, uint64_t meanwhile, const char *name) {
    static struct zmm_image in, out;
    for (unsigned i = 0; i < sizeof in.zmm; i++) in.zmm[i / 64][i % 64] = (uint8_t)(gt_random() >> 24);
    for (unsigned i = 0; i < 8; i++) in.opmask[i] = gt_random() >> 24 & 0xffff;
    memset(&out, 0, sizeof out);
    hw_xsetbv(0xe7);
    fpu_load_z(&in);
    hw_xsetbv(meanwhile);
    gt_call(HOST_CLOBBER, (uint64_t)width, 0, 0);
    uint64_t xcr0 = hw_xgetbv();
    hw_xsetbv(0xe7);
    fpu_store_z(NULL, &out);
    unsigned bad = 0;
    for (unsigned i = 0; i < 32; i++) bad += memcmp(in.zmm[i], out.zmm[i], 64) != 0;
    for (unsigned i = 0; i < 8; i++) bad += in.opmask[i] != out.opmask[i];
    gt_check(!bad && xcr0 == meanwhile, name, "%u registers changed, XCR0 %lx", bad, xcr0);
}

/* A guest that has switched its FPU off must find it off, and its registers untouched when it is on again. */
static void switched_off(uint64_t cr0_bits, uint64_t cr4_off, const char *name) {
    uint64_t cr0 = hw_read_cr0(), cr4 = hw_read_cr4();
    struct fpu_image in = image(), out = {0};
    fpu_across(&in, &out, HOST_CALL + HOST_PING, 0, 1);
    hw_write_cr4(cr4 & ~cr4_off);
    hw_write_cr0(cr0 | cr0_bits);
    gt_call(HOST_CLOBBER, VMM_XMM, 0, 0);
    uint64_t after0 = hw_read_cr0(), after4 = hw_read_cr4();
    struct gt_state s = {.rflags = 2};
    uint64_t vector = cr0_bits ? gt_run_bytes(&s, "\xd9\xc0", 2) : 7; /* FLD ST: #NM */
    hw_write_cr0(cr0);
    hw_write_cr4(cr4);
    __asm__ volatile("movups %%xmm0, %0; movups %%xmm15, %1" : "=m"(out.ymm[0]), "=m"(out.ymm[15]));
    gt_check(after0 == (cr0 | cr0_bits) && after4 == (cr4 & ~cr4_off) && vector == 7 &&
                 !memcmp(in.ymm[0], out.ymm[0], 16) && !memcmp(in.ymm[15], out.ymm[15], 16),
             name, "cr0 %lx, cr4 %lx, exception %lu", after0, after4, vector);
}

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    hw_write_cr4(hw_read_cr4() & ~CR4_OSXSAVE);
    xmm(VMM_XMM, 1, "XMM");
    xmm(VMM_XMM, 1000, "XMM, a thousand times");
    xmm(VMM_YMM, 1, "XMM of a guest without XSAVE, AVX in the handler");
    switched_off(CR0_TS, 0, "CR0.TS");
    switched_off(CR0_EM, 0, "CR0.EM");
    switched_off(0, CR4_OSFXSR, "CR4.OSFXSR off");
    bool avx = hw_cpuid(1, 0).ecx & BIT(28);
    if (!gt_check(avx, "the processor has AVX", "it does not")) return;
    hw_write_cr4(hw_read_cr4() | CR4_OSXSAVE);
    ymm(VMM_XMM, 7, "YMM, SSE in the handler");
    ymm(VMM_YMM, 7, "YMM, AVX in the handler");
    ymm(VMM_YMM, 3, "YMM of a guest with AVX disabled");
    ymm(VMM_YMM, 1, "YMM of a guest with SSE disabled");
    if (hw_cpuid(7, 0).ebx & BIT(16)) {
        zmm(VMM_XMM, 0xe7, "ZMM, SSE in the handler");
        zmm(VMM_YMM, 0xe7, "ZMM, AVX in the handler");
        zmm(VMM_ZMM, 0xe7, "ZMM, AVX-512 in the handler");
        zmm(VMM_ZMM, 7, "ZMM of a guest with AVX-512 disabled");
        zmm(VMM_ZMM, 1, "ZMM of a guest with SSE disabled");
    }
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
