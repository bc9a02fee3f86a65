/* A hardware task switch, carried out in software: VT-x leaves every one to us. Pure over plain data and an access
 * callback; legacy mode only, without shadow stacks. Rights to the TSS or gate are not checked: the processor has done
 * that before it exits. Source: Intel SDM Volume 3A, chapter 7 "Task Management" (8 in later revisions), above all 7.3
 * "Task Switching" and its table of exception conditions; Volume 3C, 25.4.2 "Treatment of Task Switches". */
#ifndef VMM_VMX_TASK_H
#define VMM_VMX_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <vmm/vmm.h>

/* As in the exit qualification: Volume 3C, 27.2.1, table "Exit Qualification for Task Switches" */
enum vmx_task_source { VMX_TASK_CALL, VMX_TASK_IRET, VMX_TASK_JMP, VMX_TASK_GATE };

struct vmx_task_fault {
    uint8_t vector;
    uint32_t error, cr2; /* cr2: #PF only */
};

enum vmx_task_op {
    VMX_TASK_READ,
    VMX_TASK_WRITE,
    VMX_TASK_PROBE, /* would WRITE succeed? */
    VMX_TASK_OR,    /* one byte, atomically; *data becomes what it was */
    VMX_TASK_AND
};
struct vmx_task_access {
    enum vmx_task_op op;
    uint32_t linear; /* wraps at 4 GiB */
    void *data;      /* [n_bytes]; PROBE: NULL */
    uint32_t n_bytes;
    uint32_t cr3;
    bool user; /* with the rights of privilege level 3, otherwise of the supervisor */
};

struct vmx_task_regs {
    uint32_t gpr[8], eip, eflags, cr0, cr3, cr4, dr7;
    struct vmm_segment seg[10]; /* by enum vmm_segment_name; not P: unusable */
};

struct vmx_task {
    enum vmx_task_source source;
    uint16_t selector;     /* of the new TSS */
    uint32_t n_insn_bytes; /* of the instruction that asked for it; 0: an event did */
    bool external;         /* an event from outside the program: sets EXT in error codes */
    bool has_error;        /* the event pushes an error code: */
    uint32_t error;
    struct vmx_task_regs regs; /* the old task's, at the exit; and out */
    void *ctx;
    /* False: out->vector is #PF, and nothing was accessed. */
    bool (*access)(void *ctx, const struct vmx_task_access *a, struct vmx_task_fault *out);
    /* PAE paging: are the four entries at this CR3 good? They are to be loaded with it. */
    bool (*pdptes_good)(void *ctx, uint32_t cr3);
    /* out */
    bool switched;   /* regs are the new task's; otherwise they and memory are as before */
    bool debug_trap; /* T was set in the new TSS */
    struct vmx_task_fault fault;
};

/* False: t->fault is to be delivered, in the new task if t->switched. Its segments are unusable then from the offending
 * one on, but for CS, which without a good descriptor has only its privilege level. */
bool vmx_task_switch(struct vmx_task *t);

#endif
