/* What libvmm's own assembly and hardware files supply in the product: the world switch, a processor's environment, the
 * panic report. */
#include "host.h"
#include <hw.h>
#include <stdarg.h>
#include "fmt.h"
#include "svm/svm.h"

_Noreturn void vmm_panic(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vmm_vformat(fake_hw.panic, sizeof fake_hw.panic, fmt, ap);
    va_end(ap);
    fake_finish(FAKE_PANIC);
}

void vmm_host_enter(struct vmm_vcpu *vcpu) { fake_record(FAKE_HOST_ENTER, vcpu->index, 0, 0); }

void svm_run_asm(struct vmm_vcpu *vcpu) { fake_record(FAKE_VMRUN, vcpu->vmcb_pa, 0, 0); }
