/* What every test guest shares: it leaves the firmware behind (own stack, descriptor tables and page tables, interrupts
 * off), runs pieces of code until they raise an exception, and reports on the serial port.
 *
 * Lines: "PASS name", "FAIL name: why", at last "END". Then the firmware goes on, so that several guests can follow
 * each other on one machine. One processor runs all this; others, where a guest starts them, share nothing of it but
 * memory. */
#ifndef GUESTS_GT_H
#define GUESTS_GT_H

#include <efi.h>
#include <stdbool.h>
#include <stdint.h>
#include <vmm/bits.h>
#include <vmm/vmm.h>
#include "host.h"

/* ---- the guest's own part ---- */

/* Words of the command line after the program's name, blank-separated. */
extern char gt_args[64];
void gt_early(EFI_SYSTEM_TABLE *st); /* optional, weak: while the firmware is still there */
void gt_main(void);

/* ---- reporting ---- */

void gt_print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a line; formats of vmm_log() */
/* Prints PASS or FAIL. Returns good. */
bool gt_check(bool good, const char *name, const char *why, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void gt_end(void);   /* END, and back to the firmware */
_Noreturn void gt_reset(void); /* by a triple fault */

/* ---- running code until it faults ---- */

#define GT_BP 3u /* INT3, with which pieces of code end */
#define GT_DB 1u
#define GT_UD 6u
#define GT_GP 13u
#define GT_PF 14u

struct gt_state {     /* gt_entry.S knows the offsets */
    uint64_t gpr[16]; /* 00 in and out, by enum vmm_reg */
    uint64_t rip;     /* 80 in and out */
    uint64_t rflags;  /* 88 in and out */
    uint64_t vector;  /* 90 out: what ended it */
    uint64_t error;   /* 98 out */
    uint64_t cr2;     /* a0 out */
    uint64_t user;    /* a8 in: run in ring 3; rip and rsp must be user pages */
};
/* Run from state->rip with these registers until an exception. RSP is used as given; 0: a stack is provided. */
void gt_run(struct gt_state *state);
/* Run these bytes and an INT3 (from the window's first page, which is a user page too). The answer is the vector. */
uint64_t gt_run_bytes(struct gt_state *state, const void *bytes, unsigned n_bytes);

/* What an interrupt or NMI outside gt_run() finds. Its address and flags are of what it interrupted. */
struct gt_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
extern volatile uint32_t gt_seen[64];                 /* how often each vector came, exceptions in gt_run() apart */
extern void (*volatile gt_on_nmi)(struct gt_frame *); /* called in its handler */
extern void (*volatile gt_on_irq)(struct gt_frame *); /* of vectors from 32 on, before EOI */

/* ---- memory ---- */

/* Physical memory is mapped 1:1 for ring 0. Beside it, a window of 512 pages is for tests to map as they like. */
#define GT_WINDOW  (UINT64_C(1) << 39)
#define GT_PAGE(n) (GT_WINDOW + (uint64_t)(n)*VMM_PAGE_BYTES)
#define GT_P       BIT(0)
#define GT_W       BIT(1)
#define GT_U       BIT(2)
#define GT_PAGES   512u
#define GT_CODE    0u                                          /* window page of gt_run_bytes() */
#define GT_STACK   1u                                          /* window page of the stack it provides to ring 3 */
#define GT_FREE    2u                                          /* from here on: the test's */
void gt_map(unsigned page, uint64_t physical, uint64_t flags); /* flags 0: nothing there */
extern uint64_t gt_pml4[512];
uint64_t gt_physical(const void *p);
extern uint8_t gt_ram[8][VMM_PAGE_BYTES]; /* page-aligned RAM for the test's use */

/* ---- the hypervisor ---- */

extern bool gt_intel;        /* the processor's vendor, and so its hypercall instruction: VMCALL or VMMCALL */
const char *gt_vmcall(void); /* [3] bytes of it */
uint64_t gt_run_call(struct gt_state *state); /* gt_run_bytes() of it */
bool gt_below(void);                          /* is host.efi beneath us? */
uint64_t gt_call(unsigned call, uint64_t rbx, uint64_t rcx, uint64_t rdx);

/* ---- the machine ---- */

#define GT_APIC          UINT64_C(0xfee00000)
#define GT_APIC_ICR_HIGH 0x310u
extern bool gt_x2apic; /* the mode the APIC is in; registers are named by their place in the page in both */
uint32_t gt_apic_read(uint32_t reg);
void gt_apic_write(uint32_t reg, uint32_t v); /* x2APIC: the command register's upper half is always 0 */
/* Let the local timer tick n times, with an EOI each. How many exits the APIC's registers caused meanwhile; all ones:
 * the ticks did not come. */
uint64_t gt_ticks(uint32_t n);
bool gt_holds_init(void);      /* does an INIT wait until the hypervisor lets it take its course? */
void gt_delay_us(uint64_t us); /* at least; by the ACPI timer */
uint64_t gt_random(void);      /* the same sequence in every run */

#endif
