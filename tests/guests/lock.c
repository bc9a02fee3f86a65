/* Not a guest: what some firmware does. Virtualisation is switched off, and locked so, until the next reset. Source:
 * Intel SDM Volume 3C, 23.7 "Enabling and Entering VMX Operation"; APM Volume 2, 15.30.1 "VM_CR MSR". */
#include "gt.h"
#include <hw.h>
#include <msr_regs.h>
#include <svm/svm_regs.h>
#include <vmx/vmx_regs.h>

void gt_main(void) {
    uint32_t msr = gt_intel ? MSR_FEATURE_CONTROL : MSR_VM_CR;
    uint64_t off = gt_intel ? FEATURE_LOCK : VM_CR_SVMDIS | VM_CR_LOCK;
    hw_wrmsr(msr, off);
    gt_check(hw_rdmsr(msr) == off, "locked", "%lx", hw_rdmsr(msr));
}
