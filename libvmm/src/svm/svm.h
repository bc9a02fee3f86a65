/* What the SVM files share. */
#ifndef VMM_SVM_H
#define VMM_SVM_H

#include "../priv.h"
#include "vmcb.h"

struct svm_maps {
    uint64_t iopm, msrpm; /* bus addresses */
    bool has_nrip, has_decode;
};

/* Pure: the processor's words -> neutral ones. Source: APM Volume 2, Appendix C "SVM Intercept Exit Codes". */
void svm_decode(const struct svm_control *c, struct vmm_exit *out);
struct vmm_event svm_event_decode(uint64_t word);
uint64_t svm_event_encode(const struct vmm_event *event);
/* Pure: byte and bit of an MSR in the permission map, read bit (the write bit follows); false if it has none (then it
 * always exits). Source: APM Volume 2, 15.11 "MSR Intercepts". */
bool svm_msrpm_index(uint32_t msr, uint32_t *out_byte, unsigned *out_bit);
/* Pure: registers -> save area. */
void svm_save_load(struct svm_save *s, const struct vmm_cpu_state *state);

/* svm_run.S: load the guest's registers, VMRUN, store them. vcpu->vmcb_pa, ->host_vmcb_pa and ->gpr[] are used. */
void svm_run_asm(struct vmm_vcpu *vcpu);

#endif
