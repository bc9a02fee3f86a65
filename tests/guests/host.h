/* What the hypervisor under test (host.c) offers its test guests: hypercall numbers, and where its traps lie.
 * Plain constants, shared by C and assembly. */
#ifndef GUESTS_HOST_H
#define GUESTS_HOST_H

/* VMMCALL with RAX = HOST_CALL + n, arguments in RBX, RCX, RDX; the answer in RAX. Kernel only, except HOST_USER. */
#define HOST_CALL      0x7e570000
#define HOST_PING      0  /* HOST_MAGIC + index of the processor */
#define HOST_WHERE     1  /* RBX 0: region, 1: its bytes, 2: the page below 1 MiB, 3: processors at most */
#define HOST_STAT      2  /* exits counted by cause RBX, enum vmm_exit_kind */
#define HOST_REG       3  /* enum vmm_reg RBX as the hypervisor sees it; RCX non-zero: set it to RDX first */
#define HOST_SEGMENT   4  /* enum vmm_segment_name RBX; RCX 0: base, 1: limit, 2: attrib << 16 | selector */
#define HOST_TRANSLATE 5  /* guest-physical of linear RBX, or all ones */
#define HOST_GMEM      6  /* read (RDX 0) or write (1) [8] bytes at guest-physical RBX, to or from RCX: 0 or error */
#define HOST_INJECT    7  /* the call ends in exception RBX with error RCX, instead of completing */
#define HOST_SPIN      8  /* stay in the handler RBX microseconds */
#define HOST_CLOBBER   9  /* use vector registers: RBX enum vmm_vector_width */
#define HOST_BREAK     10 /* break a promise: RBX enum host_break */
#define HOST_VERDICT   11 /* the port's and MSRs' handlers answer RBX (enum vmm_verdict) from now on */
#define HOST_LAST      12 /* of the last trapped access. RBX 0: address, 1: value, 2: width, 3: write, 4: how many */
#define HOST_MMIO_GET  13 /* copy the model of the trapped pages to guest-physical RBX */
#define HOST_MMIO_PUT  14 /* and back */
#define HOST_MOVE      15 /* vmm_mmio_move() the passing trap to RBX */
#define HOST_PASSED    16 /* the handler answers VMM_PASS */
#define HOST_LOG       17 /* one log line with the number RBX */
#define HOST_CALLS     18
#define HOST_USER      0x7e580000 /* may be called from ring 3: returns HOST_MAGIC + privilege level */
#define HOST_NONE      0x7e590000 /* nobody hooked this one */

#define HOST_MAGIC 0x5ec15000

/* Two pages of device memory below 1 MiB, so that every mode reaches them; kept by the host, as RAM would keep them. */
#define HOST_MMIO       0xa0000
#define HOST_MMIO_BYTES 0x2000
/* One page whose handler lets every access through. No device is here until HOST_MOVE. */
#define HOST_PASS 0xfed50000
/* Eight ports and two MSRs, one outside the ranges of the permission map: each keeps what is written. */
#define HOST_PORT        0x5a0
#define HOST_PORTS       8
#define HOST_MSR         0xc0011e00
#define HOST_MSR_OUTSIDE 0x40005e00
/* CPUID: EAX, EBX, ECX, EDX = leaf ^ ~0, subleaf, the processor's index, HOST_MAGIC */
#define HOST_LEAF   0x5ec10000
#define HOST_LEAVES 4

/* HOST_BREAK */
#define HOST_BREAK_PANIC   0 /* vmm_panic() below two named functions */
#define HOST_BREAK_ASSERT  1 /* a broken contract of libvmm's API */
#define HOST_BREAK_NOWHERE 2 /* a read of an address that does not exist */
#define HOST_BREAK_TEXT    3 /* a write to code */
#define HOST_BREAK_DATA    4 /* execution of data */
#define HOST_BREAK_STACK   5 /* a stack that overflows */

#endif
