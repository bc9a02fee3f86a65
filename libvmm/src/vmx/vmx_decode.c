/* see vmx.h: pure translation between VMCS words and neutral ones */
#include "../msr_regs.h"
#include "vmx.h"

/* Table 24-16 "Format of the IDT-Vectoring Information Field". Software interrupts and exceptions are delivered anew by
 * their instruction, at which RIP still stands. */
struct vmm_event vmx_event_decode(uint32_t word, uint32_t error) {
    static const enum vmm_event_type types[8] = {[EVENT_TYPE_INTR] = VMM_EVENT_INTERRUPT,
                                                 [EVENT_TYPE_NMI] = VMM_EVENT_NMI,
                                                 [EVENT_TYPE_EXC] = VMM_EVENT_EXCEPTION};
    enum vmm_event_type type = types[FIELD_GET(EVENT_TYPE, word)];
    if (!(word & EVENT_V) || type == VMM_EVENT_NONE) return (struct vmm_event){.type = VMM_EVENT_NONE};
    bool has_error = (word & EVENT_ERROR_V) != 0;
    return (struct vmm_event){.type = type,
                              .vector = (uint8_t)FIELD_GET(EVENT_VECTOR, word),
                              .has_error = has_error,
                              .error = has_error ? error : 0};
}

/* Table 24-14 "Format of the VM-Entry Interruption-Information Field" */
uint32_t vmx_event_encode(const struct vmm_event *e, bool protected) {
    static const uint8_t types[] = {[VMM_EVENT_INTERRUPT] = EVENT_TYPE_INTR,
                                    [VMM_EVENT_NMI] = EVENT_TYPE_NMI,
                                    [VMM_EVENT_EXCEPTION] = EVENT_TYPE_EXC};
    if (e->type == VMM_EVENT_NONE || e->type == VMM_EVENT_SOFTWARE) return 0;
    return (uint32_t)(EVENT_V | FIELD_PUT(EVENT_TYPE, types[e->type]) | FIELD_PUT(EVENT_VECTOR, e->vector) |
                      (e->has_error && protected ? EVENT_ERROR_V : 0));
}

bool vmx_msr_index(uint32_t msr, uint32_t *out_byte, unsigned *out_bit) {
    uint32_t part = msr >= 0xc0000000 ? 0x400 : 0, n = msr - (part ? 0xc0000000 : 0);
    if (n > 0x1fff) return false;
    *out_byte = part + n / 8;
    *out_bit = n % 8;
    return true;
}

/* Bits 11:8 of a descriptor's flags are bits 15:12 here. Table 24-2 "Format of Access Rights" */
uint32_t vmx_rights_encode(uint16_t attrib) {
    if (!(attrib & BIT(7))) return RIGHTS_UNUSABLE;
    return (attrib & 0xffu) | (attrib & 0xf00u) << 4;
}

uint16_t vmx_rights_decode(uint32_t rights) {
    if (rights & RIGHTS_UNUSABLE) return 0;
    return (uint16_t)((rights & 0xff) | (rights >> 4 & 0xf00));
}

static enum vmm_exit_kind kind_of(const struct vmx_words *w) {
    uint32_t reason = (uint32_t)FIELD_GET(REASON_BASIC, w->reason);
    if (w->reason & REASON_ENTRY_FAIL) return VMM_EXIT_ENTRY_FAILED;
    if (reason >= VMX_EXIT_VMCLEAR && reason <= VMX_EXIT_VMXON) return VMM_EXIT_VIRT_INSN;
    switch (reason) {
    case VMX_EXIT_EXCEPTION_NMI: /* no exceptions are intercepted */
        return FIELD_GET(EVENT_TYPE, w->exit_event) == EVENT_TYPE_NMI ? VMM_EXIT_NMI : VMM_EXIT_OTHER;
    case VMX_EXIT_INTERRUPT: return VMM_EXIT_INTERRUPT;
    case VMX_EXIT_TRIPLE_FAULT: return VMM_EXIT_SHUTDOWN;
    case VMX_EXIT_INIT: return VMM_EXIT_INIT;
    case VMX_EXIT_NMI_WINDOW: return VMM_EXIT_IRET;
    case VMX_EXIT_CPUID: return VMM_EXIT_CPUID;
    case VMX_EXIT_VMCALL: return VMM_EXIT_HYPERCALL;
    case VMX_EXIT_IO: return VMM_EXIT_PIO;
    case VMX_EXIT_RDMSR:
    case VMX_EXIT_WRMSR: return VMM_EXIT_MSR;
    case VMX_EXIT_EPT_VIOLATION: return VMM_EXIT_MMIO;
    case VMX_EXIT_GETSEC:
    case VMX_EXIT_INVEPT:
    case VMX_EXIT_INVVPID: return VMM_EXIT_VIRT_INSN;
    default: return VMM_EXIT_OTHER;
    }
}

void vmx_decode(const struct vmx_words *w, struct vmm_exit *out) {
    uint64_t q = w->qualification;
    *out = (struct vmm_exit){.kind = kind_of(w),
                             .vectoring = vmx_event_decode(w->idt_event, w->idt_error),
                             .raw = {w->reason, q, w->guest_physical}};
    switch (out->kind) {
    case VMM_EXIT_MMIO:
        out->mmio.gpa = gpa(w->guest_physical);
        out->mmio.write = (q & QUAL_EPT_WRITE) != 0;
        out->mmio.fetch = (q & QUAL_EPT_FETCH) != 0;
        out->mmio.walk = !(q & QUAL_EPT_LINEAR) || !(q & QUAL_EPT_FINAL);
        return; /* the instruction's length is not given */
    case VMM_EXIT_PIO:
        out->pio.port = (uint16_t)FIELD_GET(QUAL_IO_PORT, q);
        out->pio.n_bytes = (uint8_t)(FIELD_GET(QUAL_IO_SIZE, q) + 1);
        out->pio.in = (q & QUAL_IO_IN) != 0;
        out->pio.string = (q & QUAL_IO_STRING) != 0;
        break;
    case VMM_EXIT_MSR: out->msr.write = FIELD_GET(REASON_BASIC, w->reason) == VMX_EXIT_WRMSR; break;
    case VMM_EXIT_CPUID:
    case VMM_EXIT_HYPERCALL:
    case VMM_EXIT_OTHER: break;
    default: return;
    }
    out->n_insn_bytes = w->n_insn_bytes <= 15 ? (uint8_t)w->n_insn_bytes : 0;
}
