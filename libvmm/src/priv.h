/* What the files of libvmm share and nobody else sees. Field letters: [I] fixed after set-up, [V] the owning vCPU only,
 * [L] the lock named beside it, [A] atomic. */
#ifndef VMM_PRIV_H
#define VMM_PRIV_H

#include <stdarg.h>
#include <vmm/bits.h>
#include <vmm/insn.h>
#include <vmm/lock.h>
#include <vmm/vmm.h>
#include "pt.h"
#include "walk.h"

#define VMM_ASSERT(c)                                                                                                  \
    do {                                                                                                               \
        if (!(c)) vmm_panic("%s:%u: assertion failed: %s", __FILE__, (unsigned)__LINE__, #c);                          \
    } while (0)

#define VMM_MAX_HOOKS 32u

struct vmm_hook {
    uint64_t first, n; /* in the unit of the kind: bytes, ports, MSR numbers, leaves, hypercall numbers */
    vmm_trap_fn *fn;
    vmm_cpuid_fn *cpuid_fn;
    void *cookie;
    unsigned max_cpl;
    bool writes_only; /* MMIO: reads reach the device without an exit */
    enum vmm_exit_kind counts_as;
};

struct vmm_hooks {
    uint32_t n;
    struct vmm_hook hook[VMM_MAX_HOOKS];
};

static inline bool vmm_hook_holds(const struct vmm_hook *hook, uint64_t x) {
    return x >= hook->first && x - hook->first < hook->n;
}

/* The first hook that holds x, or NULL. */
static inline const struct vmm_hook *vmm_hook_find(const struct vmm_hooks *hooks, uint64_t x) {
    for (uint32_t i = 0; i < hooks->n; i++)
        if (vmm_hook_holds(&hooks->hook[i], x)) return &hooks->hook[i];
    return NULL;
}

/* An event on its way into the guest. */
enum vmm_event_type { VMM_EVENT_NONE, VMM_EVENT_INTERRUPT, VMM_EVENT_NMI, VMM_EVENT_EXCEPTION, VMM_EVENT_SOFTWARE };
struct vmm_event {
    enum vmm_event_type type;
    uint8_t vector;
    bool has_error;
    uint32_t error;
};

/* One exit in neutral words, decoded from the vendor's. */
struct vmm_exit {
    enum vmm_exit_kind kind;
    uint8_t n_insn_bytes;       /* length of the intercepted instruction where the processor told us, else 0 */
    struct vmm_event vectoring; /* the event whose delivery the exit interrupted */
    union {
        struct {
            uint16_t port;
            uint8_t n_bytes;
            bool in, string;
        } pio;
        struct {
            gpa_t gpa;
            bool write, fetch, walk;
            const struct vmm_hook *hook; /* whose place it is, once that is looked up; NULL: nobody's */
        } mmio;
        struct {
            bool write;
        } msr;
    };
    uint64_t raw[3]; /* the vendor's code and two qualifications, for reports */
};

/* Everything a processor needs to start as the guest: captured at launch, or made for a start-up IPI. */
struct vmm_cpu_state {
    uint64_t gpr[16];
    uint64_t rip, rflags, cr0, cr2, cr3, cr4, efer, dr6, dr7, pat;
    struct vmm_segment
        seg[10]; /* by enum vmm_segment_name; the hidden parts of FS, GS, LDTR and TR are live ones at launch */
};

/* How the guest's addresses were translated at the moment of an exit: read often, so kept apart from the control block.
 */
struct vmm_context {
    uint64_t cr0, cr3, cr4, efer, cs_base;
    uint16_t cs_attrib;
    uint8_t cpl;
};

/* code.c: an instruction decoded before, and what must still hold for it to be the same one. */
#define CODE_SETS   16u
#define CODE_WAYS   4u
#define CODE_TABLES 5u
struct code_entry {
    uint64_t rip;
    struct vmm_context at;
    bool valid;
    /* [walked] on the way to it; the rest leads to a value here, so that all can be compared without counting. */
    const uint64_t *table_entry[CODE_TABLES];
    uint64_t table_value[CODE_TABLES];
    const uint64_t *bytes_at;
    uint64_t bytes[2], mask[2]; /* of the instruction's own bytes */
    struct vmm_insn insn;
};

/* One processor. The assembly knows the first members by offset (asm_offsets below); FS points here while we run. */
/* Where a page lies, once found: a processor, too, walks its page tables once for all iterations of a string
 * instruction. */
struct vmm_translation {
    bool valid;
    uint64_t page; /* linear */
    gpa_t at;
};

struct vmm_vcpu {
    struct vmm_vcpu *self; /* 0x00 [I] */
    uint64_t rsvd_0x08[4];
    uint64_t canary;       /* 0x28 [I] %fs:0x28, gcc's stack protector */
    uint64_t vmcb_pa;      /* 0x30 [I] */
    uint64_t host_vmcb_pa; /* 0x38 [I] */
    uint64_t gpr[16];      /* 0x40 [V] the guest's, encoding order */
    uint64_t stack_top;    /* 0xc0 [I] */
    struct vmm *vmm;       /* 0xc8 [I] */
    uint64_t rip, rflags;  /* [V] valid from exit to entry, like gpr[] */
    struct vmm_context at; /* [V] what the vendor's run() found at the exit */
    uint32_t index;        /* [I] */
    uint32_t apic_id;      /* [I] after claimed */
    uint32_t running;      /* [A] from its start to an INIT */
    bool stopping;         /* [L npt_lock] an INIT has exited */
    uint32_t n_inits;      /* [V] how many of vmm.n_inits it has seen */

    uint32_t kick;                    /* [A] somebody waits for this processor to leave the guest once */
    uint32_t npt_generation;          /* [V] */
    bool nmi_blocked, nmi_pending;    /* [V] */
    uint64_t step_dr6;                /* [V] the guest's DR6 while we single-step it */
    bool in_exit;                     /* [V] */
    bool init_in_host;                /* [V] an INIT came while we ran; also set by our #SX handler */
    struct vmm_cpu_state start;       /* [V] with which it begins as the guest */
    struct vmm_event inject;          /* [V] */
    bool shutdown;                    /* [V] the guest has triple-faulted */
    bool entered;                     /* [V] it has run the guest at least once */
    const struct vmm_exit *exit;      /* [V] the one being handled, for reports */
    const struct vmm_hook *last_mmio; /* [V] the hook of the last access to a trapped place: likely the next one's */
    const struct vmm_exit *operand;   /* [V] whose place is the one memory operand of what is being emulated */
    struct vmm_translation seen[2];   /* [V] of the instruction being emulated: read from and written to last */
    uint64_t n_exits[VMM_N_EXITS];    /* [V] read by anyone */
    struct code_entry code[CODE_SETS][CODE_WAYS]; /* [V] */
    uint8_t code_next[CODE_SETS];                 /* [V] whose turn it is to be replaced */
    struct host_area *area;                       /* [I] descriptor tables and stacks */
    void *vendor;                                 /* [I] VMCB or VMCS */
    void *vendor_host;                            /* [I] */
};
_Static_assert(offsetof(struct vmm_vcpu, canary) == 0x28, "%fs:0x28");
_Static_assert(offsetof(struct vmm_vcpu, vmcb_pa) == 0x30 && offsetof(struct vmm_vcpu, gpr) == 0x40, "svm_run.S");
_Static_assert(offsetof(struct vmm_vcpu, stack_top) == 0xc0, "trampoline.S");

/* Processors are told apart in the trampoline, before they have a stack. */
struct vmm_cpu_slot {
    uint32_t apic_id; /* [A] SLOT_FREE, or whose it is */
    uint32_t rsvd_0x04;
    struct vmm_vcpu *vcpu; /* [I] */
};
#define SLOT_FREE UINT32_MAX
enum vmm_start_state { VMM_START_DONE, VMM_START_INIT, VMM_START_SIPI };
_Static_assert(sizeof(struct vmm_cpu_slot) == 16, "trampoline.S");

/* The vendor's half: twin files, the same names. Those behind "may be NULL" are one vendor's only. */
enum vmm_vendor { VMM_AMD, VMM_INTEL };
struct vmm_cpu_ops {
    const char *name;
    enum vmm_vendor vendor;
    bool (*present)(void);                   /* this processor has the vendor's virtualisation at all */
    const char *(*unsupported)(void);        /* NULL, or why this processor cannot: one sentence */
    int (*init)(struct vmm *vmm);            /* permission maps */
    int (*vcpu_init)(struct vmm_vcpu *vcpu); /* allocate and fill the control block */
    void (*enable)(struct vmm_vcpu *vcpu);   /* on its processor, before vmm_host_enter */
    void (*ready)(struct vmm_vcpu *vcpu);    /* after it */
    void (*load)(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state);
    void (*run)(struct vmm_vcpu *vcpu, struct vmm_exit *out_exit);      /* one turn of the guest */
    uint64_t (*reg_get)(const struct vmm_vcpu *vcpu, enum vmm_reg reg); /* from VMM_CR0 on */
    void (*reg_set)(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t value);
    struct vmm_segment (*segment_get)(const struct vmm_vcpu *vcpu, enum vmm_segment_name name);
    void (*skipped)(struct vmm_vcpu *vcpu); /* an instruction was completed for the guest: end STI's shadow */
    void (*iret_exit)(struct vmm_vcpu *vcpu, bool on);
    /* Where that exit comes before the IRET: vmm_nmi_window() behind it. False: not possible now. NULL: it comes after.
     */
    bool (*step)(struct vmm_vcpu *vcpu);
    /* Let an INIT that has exited take its course. Returns if none is there any more: where the exit uses it up. What
     * INIT leaves as it is, the guest's own is back in the processor. */
    void (*leave)(struct vmm_vcpu *vcpu);
    void (*take_nmi)(void); /* be done with the NMI that caused the exit: others can come */
    unsigned (*insn_bytes)(const struct vmm_vcpu *vcpu, uint8_t out[15]); /* from the processor, or 0 */
    void (*pio_intercept)(struct vmm *vmm, uint16_t first, uint16_t n);
    void (*msr_intercept)(struct vmm *vmm, uint32_t msr, bool read, bool write); /* on or off */
    /* may be NULL: */
    void (*nmi_in_host)(struct vmm_vcpu *vcpu, uint64_t *rip);          /* one came while we ran at *rip */
    void (*cpuid)(const struct vmm_vcpu *vcpu, struct vmm_cpuid *regs); /* take away what the guest cannot use */
    bool (*other)(struct vmm_vcpu *vcpu, struct vmm_exit *exit);        /* VMM_EXIT_OTHER; false: unknown */
    bool (*leaf_flags)(const struct vmm *vmm, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags); /* see pt.h */
    void (*mtrr_written)(struct vmm_vcpu *vcpu);
};
extern const struct vmm_cpu_ops vmm_svm_ops, vmm_vmx_ops;

/* Tells an application's code whether it still runs on the bare machine. */
#define VMM_MAGIC UINT64_C(0x73656b6973686f00)

struct vmm {
    uint64_t magic;                /* [I] set at launch */
    const struct vmm_cpu_ops *ops; /* [I] */
    struct vmm_range region;       /* [I] */
    uint64_t low_page;             /* [I] */
    uint64_t app_image;            /* [I] where the guest's copy of our image lies */
    uint64_t arena_next, arena_end;
    bool in_setup;
    char why[160];                     /* vmm_decline */
    struct vmm_range ram[VMM_MAX_RAM]; /* [I] sorted, disjoint */
    uint32_t n_ram;                    /* [I] */
    uint32_t n_cpus;                   /* [I] size of vcpu[] and slot[] */
    struct vmm_vcpu *vcpu[VMM_MAX_CPUS];
    struct vmm_cpu_slot *slot;         /* [I] [n_cpus] */
    uint8_t sipi_vector[VMM_MAX_CPUS]; /* [A] by APIC id: where the guest wants that processor to start */
    uint8_t start[VMM_MAX_CPUS];       /* [A] by APIC id: enum vmm_start_state, what was sent to it last */
    bool holds_init;                   /* [I] an INIT exits, and waits until we let it take its course */
    uint32_t n_inits;                  /* [A] how many have exited */
    uint32_t n_possible;               /* [I] processors that the machine may ever run; 0: not known */
    int apic_trap;                     /* [I] handle of the xAPIC page */
    bool apic_open;                    /* [L npt_lock] commands to it do not exit */
    uint64_t host_cr3;                 /* [I] */
    struct pt host_pt, npt;
    uint64_t ones_page;                                /* [I] what hidden memory reads as */
    unsigned phys_bits;                                /* [I] width of the address bus */
    unsigned direct_bits;                              /* [I] how much of it our own page tables reach */
    uint32_t npt_generation;                           /* [A] */
    struct vmm_lock npt_lock;                          /* mmio hooks and npt */
    struct vmm_hooks mmio, pio, msr, cpuid, hypercall; /* [I] except mmio[].first and pio[].first: [L npt_lock] */
    uint64_t apic_base;                                /* [A] MSR value */
    uint64_t tsc_hz;                                   /* [I] */
    uint16_t serial_port;                              /* [I] */
    void *vendor;                                      /* [I] permission maps */
    bool cpuid_exits;                                  /* [I] */
    struct vmm_lock log_lock;
    uint32_t log_next;
    char log[VMM_LOG_BYTES];
};

/* pt.c, space.c: what the guest may touch */
int vmm_space_init(struct vmm *vmm);
void vmm_space_refresh(struct vmm *vmm); /* leaf_flags gives other answers now. MUST: hold npt_lock, flush afterwards */
bool vmm_is_ram(const struct vmm *vmm, uint64_t at, uint64_t n_bytes);
/* True if the hypervisor itself can and may touch it: not its own memory, and within its page tables. */
bool vmm_is_reachable(const struct vmm *vmm, uint64_t at, uint64_t n_bytes);
bool vmm_is_hidden(const struct vmm *vmm, uint64_t at, uint64_t n_bytes);
/* Whether a place where writes are trapped exits at all. MUST: hold npt_lock; flush afterwards. */
void vmm_mmio_arm(struct vmm *vmm, int handle, bool on);
int vmm_mmio_trap_writes(struct vmm *vmm, gpa_t base, uint64_t n_bytes, vmm_trap_fn *fn, void *cookie) VMM_MUST_CHECK;

/* translate.c: by the vCPU's own page tables */
int vmm_walk(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, struct walk_result *out);
/* The same; non-zero: the page fault was queued. */
int vmm_walk_or_fault(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, gpa_t *out);

/* Of the guest's code segment. */
static inline enum vmm_insn_mode vmm_mode(const struct vmm_vcpu *vcpu) {
    if ((vcpu->at.efer & BIT(10) /* LMA */) && (vcpu->at.cs_attrib & VMM_SEG_L)) return VMM_INSN_64;
    return vcpu->at.cs_attrib & VMM_SEG_D ? VMM_INSN_32 : VMM_INSN_16;
}

/* log.c */
void vmm_log_line(struct vmm *vmm, const char *line);
uint64_t vmm_us_since(const struct vmm *vmm, uint64_t tsc);

/* exit.c */
_Noreturn void vmm_loop(struct vmm_vcpu *vcpu);
void vmm_exit_handle(struct vmm_vcpu *vcpu, struct vmm_exit *exit);
void vmm_count(struct vmm_vcpu *vcpu, enum vmm_exit_kind kind);
/* Step over the instruction that exited; false if it could not even be fetched (a fault is queued then). */
bool vmm_skip_insn(struct vmm_vcpu *vcpu, const struct vmm_exit *exit);
void vmm_nmi_window(struct vmm_vcpu *vcpu);  /* the guest has left its NMI handler */
void vmm_finish_insn(struct vmm_vcpu *vcpu); /* after RIP was moved on: RF, shadow, single step */
static inline enum vmm_verdict vmm_call_trap(struct vmm_vcpu *vcpu, const struct vmm_hook *hook,
                                             struct vmm_access *access) {
    return hook->fn(vcpu, hook->cookie, access);
}
enum vmm_verdict vmm_port_access(struct vmm_vcpu *vcpu, struct vmm_access *access); /* emulate.c */

/* code.c: the instruction at the guest's RIP. NULL: an event was queued instead. */
const struct vmm_insn *vmm_insn_at_rip(struct vmm_vcpu *vcpu, const struct vmm_exit *exit);

/* emulate.c: instructions on trapped memory and string port I/O */
void vmm_emulate(struct vmm_vcpu *vcpu, const struct vmm_exit *exit);

/* msr.c */
int vmm_msr_init(struct vmm *vmm);
void vmm_msr_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit);

/* apic.c, smp.c: other processors */
int vmm_apic_init(struct vmm *vmm);
void vmm_apic_send_nmi(struct vmm *vmm, uint32_t apic_id);
/* Every other processor waits for a start-up IPI from here on. On the bare machine. */
void vmm_apic_stop_others(struct vmm *vmm);
uint32_t vmm_apic_id(struct vmm *vmm);
/* Cease to trap commands if all processors that the machine has run below: whenever one more does. */
void vmm_apic_open(struct vmm *vmm);
/* Trap them again, from when vmm_flush_nested() has succeeded: vcpu will wait for a start-up IPI. */
void vmm_apic_close(struct vmm_vcpu *vcpu);
/* A processor waits for a start-up IPI, which the guest may have sent from here before the traps were back: send it
 * again, as ours. On every processor that runs, before it enters the guest. */
void vmm_apic_look_back(struct vmm_vcpu *vcpu);
void vmm_apic_reset(void); /* as INIT does; on the bare machine */
/* False: a processor may still use what was mapped before. */
bool vmm_flush_nested(struct vmm *vmm) VMM_MUST_CHECK;
struct vmm_cpu_state vmm_sipi_state(uint8_t vector, uint32_t signature);
/* An INIT for this processor has exited. Returns only if that is the end of the machine. */
void vmm_init_exit(struct vmm_vcpu *vcpu);
int vmm_smp_init(struct vmm *vmm);
/* The calling processor becomes a virtual one with this state and enters it; never returns. */
_Noreturn void vmm_start(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state);

/* host.c: our own descriptor tables, page tables, stacks */
int vmm_host_init(struct vmm *vmm);
int vmm_host_cpu_init(struct vmm_vcpu *vcpu);
void vmm_host_enter(struct vmm_vcpu *vcpu); /* load them on this processor */

#endif
