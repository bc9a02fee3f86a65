/* VMX as tests have it: every function of libvmm/hw/hw_vmx.h, over a control structure of plain fields. */
#ifndef VMM_HW_VMX_H
#define VMM_HW_VMX_H

#include <hw.h>

#define FAKE_VMCS_FIELDS 0x8000u

struct fake_vmx {
    uint64_t field[FAKE_VMCS_FIELDS]; /* of the current VMCS, by encoding */
    bool written[FAKE_VMCS_FIELDS];
    uint64_t on, loaded; /* bus addresses given to VMXON and VMPTRLD */
    bool refuse;         /* VMXON fails */
    bool refuse_xsetbv;
    unsigned n_invept, n_invvpid, n_unblock_nmi;
    unsigned run_result;  /* what the world switch gives: enum vmx_run */
    bool run_launched;    /* what it was told */
    void (*on_run)(void); /* NULL: nothing; else it plays the guest and fills the exit fields */
};
extern struct fake_vmx fake_vmx;

bool hw_vmx_on(uint64_t region_pa);
void hw_vmx_off(void);
bool hw_vmx_clear(uint64_t vmcs_pa);
bool hw_vmx_load(uint64_t vmcs_pa);
uint64_t hw_vmx_read(uint32_t field);
bool hw_vmx_write(uint32_t field, uint64_t v);
void hw_vmx_invept(uint64_t type, uint64_t eptp);
void hw_vmx_invvpid(uint64_t type, uint64_t vpid);
bool hw_xsetbv_safe(uint32_t index, uint64_t v);
void hw_unblock_nmi(void);
void hw_write_dr6(uint64_t v);

#endif
