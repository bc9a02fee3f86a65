/* What tasks.c and tasks.S share: selectors, and offsets from the start of their memory below 1 MiB, which is also the
 * base of the segments TASKS_CODE and TASKS_DATA. */
#ifndef GUESTS_TASKS_H
#define GUESTS_TASKS_H

#define CODE32     0x08
#define FLAT       0x10
#define CODE64     0x18
#define TASKS_CODE 0x20
#define TASKS_DATA 0x28
#define MAIN       0x30 /* TSSes: who starts, */
#define OTHER      0x38 /* whom it switches to, */
#define RESCUE     0x40 /* who takes the faults, */
#define OTHER16    0x48 /* and one of 16 bits */
#define LDT        0x50
#define SPARE      0x58
#define CODE_RING3 0x60
#define DATA_RING3 0x68
#define GONE       0x70 /* data, not present */
#define GONE_CODE  0x78
#define SMALL      0x80 /* data, of 16 bytes */
#define STACK16    0x88 /* TASKS_DATA with a 16-bit stack pointer */
#define HOME       0x90 /* a TSS for the way back */
#define LIMIT      0x97

#define AT_RECORD  0x1000
#define AT_COUNTER 0x10c0
#define AT_TSS     0x1100 /* by selector, 100h apart */
#define AT_GDT     0x1500
#define AT_LDT     0x1600
#define AT_IDT     0x1700
#define TOP_MAIN   0x1c00
#define TOP_OTHER  0x1e00
#define TOP_RESCUE 0x2000
#define TOP_RING0  0x2200

#define WINDOW      0x40000000 /* linear: another page for each CR3 */
#define VECTOR_MAIN 0x20       /* where who stops; these vectors are interrupt gates */
#define VECTOR_STOP 0x21
#define VECTOR_BACK 0x22
#define VECTOR_LAST 0x2f
#define VECTOR_INT  0x30 /* these two are task gates */
#define VECTOR_IRQ  0x31
#define N_VECTORS   0x32

#define REGS 0xb0b0b000 /* what main's registers hold, + their number */

#endif
