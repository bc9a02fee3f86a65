/* see svm.h: pure translation between VMCB words and neutral ones */
#include "svm.h"
#include "../msr_regs.h"

struct vmm_event svm_event_decode(uint64_t word) {
    static const enum vmm_event_type types[8] = {[SVM_EVENT_TYPE_INTR] = VMM_EVENT_INTERRUPT,
                                                 [SVM_EVENT_TYPE_NMI] = VMM_EVENT_NMI,
                                                 [SVM_EVENT_TYPE_EXC] = VMM_EVENT_EXCEPTION,
                                                 [SVM_EVENT_TYPE_SOFT] = VMM_EVENT_SOFTWARE};
    if (!(word & SVM_EVENT_V)) return (struct vmm_event){.type = VMM_EVENT_NONE};
    return (struct vmm_event){.type = types[FIELD_GET(SVM_EVENT_TYPE, word)],
                              .vector = (uint8_t)FIELD_GET(SVM_EVENT_VECTOR, word),
                              .has_error = (word & SVM_EVENT_ERROR_V) != 0,
                              .error = (uint32_t)FIELD_GET(SVM_EVENT_ERROR_CODE, word)};
}

uint64_t svm_event_encode(const struct vmm_event *e) {
    static const uint8_t types[] = {[VMM_EVENT_INTERRUPT] = SVM_EVENT_TYPE_INTR,
                                    [VMM_EVENT_NMI] = SVM_EVENT_TYPE_NMI,
                                    [VMM_EVENT_EXCEPTION] = SVM_EVENT_TYPE_EXC,
                                    [VMM_EVENT_SOFTWARE] = SVM_EVENT_TYPE_SOFT};
    if (e->type == VMM_EVENT_NONE) return 0;
    return SVM_EVENT_V | FIELD_PUT(SVM_EVENT_TYPE, types[e->type]) | FIELD_PUT(SVM_EVENT_VECTOR, e->vector) |
           (e->has_error ? SVM_EVENT_ERROR_V | FIELD_PUT(SVM_EVENT_ERROR_CODE, e->error) : 0);
}

bool svm_msrpm_index(uint32_t msr, uint32_t *out_byte, unsigned *out_bit) {
    static const struct {
        uint32_t first, byte;
    } part[] = {{0x00000000, 0x0000}, {0xc0000000, 0x0800}, {0xc0010000, 0x1000}};
    for (unsigned i = 0; i < sizeof part / sizeof part[0]; i++) {
        uint32_t n = msr - part[i].first;
        if (n > 0x1fff) continue;
        *out_byte = part[i].byte + n / 4;
        *out_bit = n % 4 * 2;
        return true;
    }
    return false;
}

static enum vmm_exit_kind kind_of(uint64_t code) {
    switch (code) {
    case SVM_EXIT_IOIO: return VMM_EXIT_PIO;
    case SVM_EXIT_MSR: return VMM_EXIT_MSR;
    case SVM_EXIT_CPUID: return VMM_EXIT_CPUID;
    case SVM_EXIT_VMMCALL: return VMM_EXIT_HYPERCALL;
    case SVM_EXIT_NMI: return VMM_EXIT_NMI;
    case SVM_EXIT_IRET: return VMM_EXIT_IRET;
    case SVM_EXIT_INIT: return VMM_EXIT_INIT;
    case SVM_EXIT_INTR: return VMM_EXIT_INTERRUPT;
    case SVM_EXIT_SHUTDOWN: return VMM_EXIT_SHUTDOWN;
    case SVM_EXIT_INVALID_32:
    case SVM_EXIT_INVALID: return VMM_EXIT_ENTRY_FAILED;
    case SVM_EXIT_VMRUN:
    case SVM_EXIT_VMLOAD:
    case SVM_EXIT_VMSAVE:
    case SVM_EXIT_STGI:
    case SVM_EXIT_CLGI:
    case SVM_EXIT_SKINIT:
    case SVM_EXIT_INVLPGA: return VMM_EXIT_VIRT_INSN;
    default: return VMM_EXIT_OTHER;
    }
}

void svm_decode(const struct svm_control *c, struct vmm_exit *out) {
    uint64_t info1 = c->exit_info1;
    out->kind = c->exit_code == SVM_EXIT_NPF ? VMM_EXIT_MMIO : kind_of(c->exit_code); /* by far the commonest */
    out->vectoring = svm_event_decode(c->exit_int_info);
    out->raw[0] = c->exit_code; /* one by one: to clear all of it first would cost more than the rest */
    out->raw[1] = info1;
    out->raw[2] = c->exit_info2;
    switch (out->kind) {
    case VMM_EXIT_MMIO:
        out->mmio.gpa = gpa(c->exit_info2);
        out->mmio.write = (info1 & SVM_NPF_RW) != 0;
        out->mmio.fetch = (info1 & SVM_NPF_ID) != 0;
        out->mmio.walk = (info1 & SVM_NPF_WALK) != 0;
        break;
    case VMM_EXIT_PIO:
        out->pio.port = (uint16_t)FIELD_GET(SVM_IOIO_PORT, info1);
        out->pio.n_bytes = info1 & SVM_IOIO_SZ8 ? 1 : info1 & SVM_IOIO_SZ16 ? 2 : 4;
        out->pio.in = (info1 & SVM_IOIO_IN) != 0;
        out->pio.string = (info1 & SVM_IOIO_STR) != 0;
        break;
    case VMM_EXIT_MSR: out->msr.write = (info1 & 1) != 0; break;
    default: break;
    }
}

static struct svm_segment segment(const struct vmm_segment *s) {
    return (struct svm_segment){.selector = s->selector, .attrib = s->attrib, .limit = s->limit, .base = s->base};
}

void svm_save_load(struct svm_save *s, const struct vmm_cpu_state *st) {
    s->es = segment(&st->seg[VMM_ES]);
    s->cs = segment(&st->seg[VMM_CS]);
    s->ss = segment(&st->seg[VMM_SS]);
    s->ds = segment(&st->seg[VMM_DS]);
    s->fs = segment(&st->seg[VMM_FS]);
    s->gs = segment(&st->seg[VMM_GS]);
    s->ldtr = segment(&st->seg[VMM_LDTR]);
    s->tr = segment(&st->seg[VMM_TR]);
    s->gdtr = segment(&st->seg[VMM_GDTR]);
    s->idtr = segment(&st->seg[VMM_IDTR]);
    s->cpl = 0;
    s->efer = st->efer | EFER_SVME; /* VMRUN fails without it: 15.5.1 "Canonicalization and Consistency Checks" */
    s->cr0 = st->cr0;
    s->cr2 = st->cr2;
    s->cr3 = st->cr3;
    s->cr4 = st->cr4;
    s->dr6 = st->dr6;
    s->dr7 = st->dr7;
    s->rflags = st->rflags;
    s->rip = st->rip;
    s->rsp = st->gpr[VMM_RSP];
    s->rax = st->gpr[VMM_RAX];
    s->g_pat = st->pat;
}
