/* Instruction wrappers: the only place, with the *.S files, where libvmm touches the processor. Hosted builds take
 * tests/fake/hw.h instead, by include path. No decisions here.
 * Source: AMD64 Architecture Programmer's Manual (APM) Volume 3, rev. 3.36, "General-Purpose and System Instructions".
 */
#ifndef VMM_HW_H
#define VMM_HW_H

#include <stdbool.h>
#include <stdint.h>

struct hw_table { /* operand of LGDT, LIDT, SGDT, SIDT in 64-bit mode */
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct hw_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct hw_cpuid hw_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct hw_cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t hw_rdmsr(uint32_t msr) {
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void hw_wrmsr(uint32_t msr, uint64_t v) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/* The same for registers that may not exist: false where the instruction faulted. The exception handler finds the
 * fault's address in .extable and continues at the second address with the carry flag as it was set: CF = 1 means
 * faulted. */
#define HW_EXTABLE                                                                                                     \
    ".pushsection .extable, \"a\"\n"                                                                                   \
    ".balign 4\n"                                                                                                      \
    ".long 1b - .\n"                                                                                                   \
    ".long 2b - .\n"                                                                                                   \
    ".popsection\n"

static inline bool hw_rdmsr_safe(uint32_t msr, uint64_t *out) {
    uint32_t lo = 0, hi = 0;
    bool faulted;
    __asm__ volatile("stc\n1: rdmsr\nclc\n2:\n" HW_EXTABLE : "+a"(lo), "+d"(hi), "=@ccc"(faulted) : "c"(msr));
    *out = (uint64_t)hi << 32 | lo;
    return !faulted;
}

static inline bool hw_wrmsr_safe(uint32_t msr, uint64_t v) {
    bool faulted;
    __asm__ volatile("stc\n1: wrmsr\nclc\n2:\n" HW_EXTABLE
                     : "=@ccc"(faulted)
                     : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                     : "memory");
    return !faulted;
}

#define HW_CR(n)                                                                                                       \
    static inline uint64_t hw_read_cr##n(void) {                                                                       \
        uint64_t v;                                                                                                    \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void hw_write_cr##n(uint64_t v) { __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
HW_CR(0)
HW_CR(2)
HW_CR(3)
HW_CR(4)

static inline uint64_t hw_read_dr6(void) {
    uint64_t v;
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    return v;
}

static inline uint64_t hw_read_dr7(void) {
    uint64_t v;
    __asm__ volatile("mov %%dr7, %0" : "=r"(v));
    return v;
}

static inline uint64_t hw_rdtsc(void) {
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline uint32_t hw_in(uint16_t port, unsigned n_bytes) {
    uint32_t v = 0;
    if (n_bytes == 1)
        __asm__ volatile("inb %1, %b0" : "+a"(v) : "Nd"(port));
    else if (n_bytes == 2)
        __asm__ volatile("inw %1, %w0" : "+a"(v) : "Nd"(port));
    else
        __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void hw_out(uint16_t port, unsigned n_bytes, uint32_t v) {
    if (n_bytes == 1)
        __asm__ volatile("outb %b0, %1" : : "a"(v), "Nd"(port));
    else if (n_bytes == 2)
        __asm__ volatile("outw %w0, %1" : : "a"(v), "Nd"(port));
    else
        __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

/* One access of exactly this width, naturally aligned, never split, merged or moved by the compiler. */
static inline uint64_t hw_mmio_read(uint64_t addr, unsigned n_bytes) {
    uint64_t v = 0;
    switch (n_bytes) {
    case 1: __asm__ volatile("movzbl (%1), %k0" : "=r"(v) : "r"(addr) : "memory"); break;
    case 2: __asm__ volatile("movzwl (%1), %k0" : "=r"(v) : "r"(addr) : "memory"); break;
    case 4: __asm__ volatile("movl (%1), %k0" : "=r"(v) : "r"(addr) : "memory"); break;
    default: __asm__ volatile("movq (%1), %0" : "=r"(v) : "r"(addr) : "memory"); break;
    }
    return v;
}

static inline void hw_mmio_write(uint64_t addr, unsigned n_bytes, uint64_t v) {
    switch (n_bytes) {
    case 1: __asm__ volatile("movb %b0, (%1)" : : "q"(v), "r"(addr) : "memory"); break;
    case 2: __asm__ volatile("movw %w0, (%1)" : : "r"(v), "r"(addr) : "memory"); break;
    case 4: __asm__ volatile("movl %k0, (%1)" : : "r"(v), "r"(addr) : "memory"); break;
    default: __asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(addr) : "memory"); break;
    }
}

/* The pointer through which the hypervisor reaches bus address a: its own page tables map everything 1:1. */
static inline void *hw_direct(uint64_t a) { return (void *)(uintptr_t)a; }

static inline uint64_t hw_xgetbv(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static inline void hw_xsetbv(uint64_t v) {
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void hw_xsave(void *area, uint64_t mask) {
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}

static inline void hw_xrstor(const void *area, uint64_t mask) {
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}

#define HW_XMM_EACH(op)                                                                                                \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define HW_XMM_SAVE(n)    "movups %%xmm" #n ", 16*" #n "(%0)\n"
#define HW_XMM_RESTORE(n) "movups 16*" #n "(%0), %%xmm" #n "\n"
static inline void hw_xmm_save(void *area) { __asm__ volatile(HW_XMM_EACH(HW_XMM_SAVE) : : "r"(area) : "memory"); }
static inline void hw_xmm_restore(const void *area) {
    __asm__ volatile(HW_XMM_EACH(HW_XMM_RESTORE) : : "r"(area) : "memory");
}

static inline void hw_pause(void) { __asm__ volatile("pause"); }
static inline void hw_halt(void) { __asm__ volatile("hlt"); }
static inline void hw_cli(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void hw_wbinvd(void) { __asm__ volatile("wbinvd" : : : "memory"); }
static inline void hw_sgdt(struct hw_table *t) { __asm__ volatile("sgdt %0" : "=m"(*t)); }
static inline void hw_sidt(struct hw_table *t) { __asm__ volatile("sidt %0" : "=m"(*t)); }
static inline void hw_lidt(const struct hw_table *t) { __asm__ volatile("lidt %0" : : "m"(*t)); }

/* ES CS SS DS FS GS LDTR TR */
static inline void hw_read_selectors(uint16_t out[8]) {
    __asm__ volatile("mov %%es, %0" : "=r"(out[0]));
    __asm__ volatile("mov %%cs, %0" : "=r"(out[1]));
    __asm__ volatile("mov %%ss, %0" : "=r"(out[2]));
    __asm__ volatile("mov %%ds, %0" : "=r"(out[3]));
    __asm__ volatile("mov %%fs, %0" : "=r"(out[4]));
    __asm__ volatile("mov %%gs, %0" : "=r"(out[5]));
    __asm__ volatile("sldt %0" : "=r"(out[6]));
    __asm__ volatile("str %0" : "=r"(out[7]));
}

/* APM Volume 3, "System Instruction Reference": VMSAVE; STGI and CLGI set and clear the global interrupt flag. */
static inline void hw_svm_vmsave(uint64_t vmcb_pa) { __asm__ volatile("vmsave %0" : : "a"(vmcb_pa) : "memory"); }
static inline void hw_svm_clgi(void) { __asm__ volatile("clgi" : : : "memory"); }
static inline void hw_svm_stgi(void) { __asm__ volatile("stgi" : : : "memory"); }
/* Let what is pending behind GIF = 0 (an NMI that ended the guest's turn) be taken through our own IDT. */
static inline void hw_svm_gif_window(void) { __asm__ volatile("stgi\nnop\nclgi" : : : "memory"); }

/* What an unhandled triple fault does on the bare machine. */
static inline _Noreturn void hw_triple_fault(void) {
    struct hw_table none = {0, 0};
    hw_lidt(&none);
    for (;;) __asm__ volatile("int3");
}

#endif
