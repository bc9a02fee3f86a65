/* What the VMX files share. */
#ifndef VMM_VMX_H
#define VMM_VMX_H

#include "../priv.h"
#include "vmcs.h"
#include "vmx_caps.h"
#include "vmx_mtrr.h"

struct vmx_maps {
    struct vmx_caps caps;
    struct vmx_controls controls;
    uint64_t io_bitmap, msr_bitmap; /* bus addresses */
    struct vmx_mtrrs mtrrs;         /* [L npt_lock] what the nested tables follow */
};

struct vmx_cpu {
    uint64_t vmcs, vmxon; /* [I] bus addresses of one page each */
    bool launched;        /* [V] */
    bool nmi_window;      /* [V] its control bit, as it is in the VMCS */
    uint32_t nmi_in_host; /* [V] also set by our NMI handler: vmx_run.S looks at it */
};
_Static_assert(offsetof(struct vmx_cpu, nmi_in_host) == 0x14, "vmx_run.S");

/* The words of an exit, as read from the VMCS: 24.9 "VM-Exit Information Fields". */
struct vmx_words {
    uint32_t reason, exit_event, idt_event, idt_error, n_insn_bytes;
    uint64_t qualification, guest_physical;
};

/* Pure: the processor's words -> neutral ones. */
void vmx_decode(const struct vmx_words *w, struct vmm_exit *out);
struct vmm_event vmx_event_decode(uint32_t word, uint32_t error);
/* protected: CR0.PE; real mode knows no error codes. Source: 26.2.1.3 "VM-Entry Control Fields". */
uint32_t vmx_event_encode(const struct vmm_event *event, bool protected);
/* Pure: byte and bit of an MSR in the read part of the bitmap (the write part is 2 KiB further); false if it has none
 * (then it always exits). Source: 24.6.9 "MSR-Bitmap Address". */
bool vmx_msr_index(uint32_t msr, uint32_t *out_byte, unsigned *out_bit);
uint32_t vmx_rights_encode(uint16_t attrib);
uint16_t vmx_rights_decode(uint32_t rights);

/* vmx_exit.c: exits only this vendor has. False: nobody asked for this one. */
bool vmx_other(struct vmm_vcpu *vcpu, struct vmm_exit *exit);
/* The four PAE entries at this CR3; false: one has a reserved bit set. */
bool vmx_pdptes_read(const struct vmm_vcpu *vcpu, uint64_t cr3, uint64_t e[4]);
/* vmx_task_exit.c: carry out the task switch; exit->vectoring is dealt with too */
void vmx_task_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit);
void vmx_leave(struct vmm_vcpu *vcpu);
/* vmx_report.c: log why the processor refused the guest's state */
void vmx_report(struct vmm_vcpu *vcpu);
void vmx_load(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state);
void vmx_flush_linear(const struct vmm_vcpu *vcpu);

enum vmx_run { VMX_RUN_EXIT, VMX_RUN_NMI /* an NMI came before the entry: nothing was run */, VMX_RUN_FAILED };
/* vmx_run.S: load the guest's registers, enter, store them. Between vmx_run_from and vmx_run_to an NMI of the host must
 * continue at vmx_run_nmi: the look at cpu->nmi_in_host is behind it. */
enum vmx_run vmx_run_asm(struct vmm_vcpu *vcpu, struct vmx_cpu *cpu, bool launched);
extern const uint8_t vmx_run_from[], vmx_run_to[], vmx_run_nmi[], vmx_run_exit[];

static inline struct vmx_cpu *vmx_cpu_of(const struct vmm_vcpu *vcpu) { return vcpu->vendor; }
static inline struct vmx_maps *vmx_maps_of(const struct vmm *vmm) { return vmm->vendor; }

#endif
