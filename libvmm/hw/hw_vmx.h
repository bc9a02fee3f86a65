/* VMX instructions and what goes with them, as hw.h has the rest. Hosted builds take tests/fake/hw_vmx.h instead.
 * Source: Intel SDM Volume 3C, chapter 30 "VMX Instruction Reference"; Volume 2C, "XSETBV". */
#ifndef VMM_HW_VMX_H
#define VMM_HW_VMX_H

#include <hw.h>

/* False where the instruction failed: CF or ZF. */
static inline bool hw_vmx_on(uint64_t region_pa) {
    bool failed;
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region_pa) : "memory");
    return !failed;
}

static inline void hw_vmx_off(void) { __asm__ volatile("vmxoff" : : : "cc", "memory"); }

static inline bool hw_vmx_clear(uint64_t vmcs_pa) {
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs_pa) : "memory");
    return !failed;
}

static inline bool hw_vmx_load(uint64_t vmcs_pa) {
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs_pa) : "memory");
    return !failed;
}

static inline uint64_t hw_vmx_read(uint32_t field) {
    uint64_t v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((uint64_t)field) : "cc");
    return v;
}

static inline bool hw_vmx_write(uint32_t field, uint64_t v) {
    bool failed;
    __asm__ volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"((uint64_t)field), "r"(v));
    return !failed;
}

/* IRET to the next instruction: NMIs are no longer blocked. Volume 3A, 6.7.1 "Handling Multiple NMIs". */
static inline void hw_unblock_nmi(void) {
    uint64_t t;
    __asm__ volatile("mov %%ss, %k0\n\t"
                     "push %0\n\t"
                     "lea 8(%%rsp), %0\n\t"
                     "push %0\n\t"
                     "pushfq\n\t"
                     "mov %%cs, %k0\n\t"
                     "push %0\n\t"
                     "lea 1f(%%rip), %0\n\t"
                     "push %0\n\t"
                     "iretq\n"
                     "1:"
                     : "=&r"(t)
                     :
                     : "cc", "memory");
}

static inline void hw_write_dr6(uint64_t v) { __asm__ volatile("mov %0, %%dr6" : : "r"(v)); }

static inline void hw_vmx_invept(uint64_t type, uint64_t eptp) {
    const uint64_t d[2] = {eptp, 0};
    __asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

static inline void hw_vmx_invvpid(uint64_t type, uint64_t vpid) {
    const uint64_t d[2] = {vpid, 0};
    __asm__ volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

/* False where the instruction faulted. */
static inline bool hw_xsetbv_safe(uint32_t index, uint64_t v) {
    bool faulted;
    __asm__ volatile("stc\n1: xsetbv\nclc\n2:\n" HW_EXTABLE
                     : "=@ccc"(faulted)
                     : "c"(index), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                     : "memory");
    return !faulted;
}

#endif
