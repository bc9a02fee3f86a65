/* One round through the processor's modes, with the same instructions that exit executed in each: for modes.c, which
 * copies this below 1 MiB and fills in struct modes_data. Source: APM Volume 2, 1.3 "Operating Modes", 14.8
 * "Initializing Long Mode", 14.9 "Leaving Long Mode".
 * esi: where this code is; ebx: the results, as DS sees them; edi: trapped memory + 10h, as ES sees it. */
#include "host.h"
#define CODE32 0x08
#define FLAT   0x10
#define CODE64 0x18
#define CODE16 0x20
#define DATA16 0x28
#define MMIO16 0x30
#define AT(label) (label - modes_start)

    /* \di: the address register of the mode, so that its own address size is used */
    .macro PROBE slot, di, addr_size
    mov $HOST_PORT, %edx
    stc
    in %dx, %al
    setc (64*\slot+0)(%ebx)
    mov %al, (64*\slot+1)(%ebx)
    in %dx, %ax
    mov %ax, (64*\slot+2)(%ebx)
    in %dx, %eax
    mov %eax, (64*\slot+4)(%ebx)
    mov $(HOST_PORT + 4), %edx
    mov $(0x51515100 + \slot), %eax
    out %eax, %dx
    xor %eax, %eax
    in %dx, %eax
    mov %eax, (64*\slot+8)(%ebx)
    mov $HOST_MSR, %ecx
    rdmsr
    mov %eax, (64*\slot+12)(%ebx)
    mov %edx, (64*\slot+16)(%ebx)
    mov $HOST_CALL, %eax
8:  vmmcall                             /* or VMCALL, written over it */
    .pushsection .rodata.modes_calls, "a"
    .long 8b - modes_start
    .popsection
    mov %eax, (64*\slot+20)(%ebx)
    movl %es:(\di), %eax
    mov %eax, (64*\slot+24)(%ebx)
    movl $(0xcafe0000 + \slot), %es:4(\di)
    movl %es:4(\di), %eax
    mov %eax, (64*\slot+28)(%ebx)
    addl $0x10, %es:8(\di)
    movl %es:8(\di), %eax
    mov %eax, (64*\slot+32)(%ebx)
    movl %es:0xfee(\di), %eax           /* over the end of a page */
    mov %eax, (64*\slot+36)(%ebx)
    movw $(0xab00 + \slot), %es:0xfef(\di)
    movl %es:0xfee(\di), %eax
    mov %eax, (64*\slot+40)(%ebx)
    add $0x20, %edi
    mov $3, %ecx
    mov $(0x60 + \slot), %eax
    cld
    \addr_size rep stosl
    sub $0x2c, %edi
    movl %es:0x28(\di), %eax
    mov %eax, (64*\slot+44)(%ebx)
    mov %ebx, %ebp
    mov $HOST_LEAF, %eax
    xor %ecx, %ecx
    cpuid
    mov %ebp, %ebx
    mov %edx, (64*\slot+48)(%ebx)
    mov %eax, (64*\slot+52)(%ebx)
    mov $0xc0000080, %ecx
    rdmsr
    mov %eax, (64*\slot+56)(%ebx)
    .endm

    .macro SEGMENTS data, es
    mov $\data, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $\es, %eax
    mov %eax, %es
    .endm

    .macro PAGING on
    mov %cr0, %eax
    .if \on
    or $0x80000000, %eax
    .else
    and $0x7fffffff, %eax
    .endif
    mov %eax, %cr0
    jmp 9f
9:
    .endm

    .macro LONG_MODE_ENABLE on
    mov $0xc0000080, %ecx
    rdmsr
    .if \on
    or $0x100, %eax
    .else
    and $~0x100, %eax
    .endif
    wrmsr
    .endm

    .section .rodata.modes, "a"
    .globl modes_start, modes_data, modes_end, modes_calls
    .pushsection .rodata.modes_calls, "a"
    .balign 4
modes_calls:                            /* [10] where the hypercalls are */
    .popsection
    .balign 16
modes_start:                            /* rdi: where this is */
    .code64
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %edi, %esi
    mov %rsp, AT(saved_rsp)(%rsi)
    sgdt AT(saved_gdtr)(%rsi)
    mov %cr3, %rax
    mov %rax, AT(saved_cr3)(%rsi)
    mov AT(cr3_long)(%rsi), %eax
    mov %rax, %cr3
    lgdt AT(gdtr)(%rsi)
    SEGMENTS FLAT, FLAT
    mov AT(results)(%rsi), %ebx
    mov AT(paged_mmio)(%rsi), %edi
    PROBE 0, %rdi
    ljmpl *AT(to_compat32)(%rsi)

    .code32
compat32:
    PROBE 1, %edi
    ljmpl *AT(to_compat16)(%esi)

    .code16
compat16:
    SEGMENTS DATA16, MMIO16
    mov $0x1000, %ebx
    mov $0x10, %edi
    PROBE 2, %di
    ljmpl *AT(to_protected32)

    .code32
protected32:
    SEGMENTS FLAT, FLAT
    PAGING 0
    LONG_MODE_ENABLE 0
    mov AT(results)(%esi), %ebx
    mov $(HOST_MMIO + 0x10), %edi
    PROBE 3, %edi

    mov AT(cr3_32)(%esi), %eax          /* 32-bit paging, with 4 MiB pages */
    mov %eax, %cr3
    mov $0x610, %eax
    mov %eax, %cr4
    PAGING 1
    mov AT(paged_mmio)(%esi), %edi
    PROBE 4, %edi

    PAGING 0
    mov AT(cr3_pae)(%esi), %eax
    mov %eax, %cr3
    mov $0x620, %eax
    mov %eax, %cr4
    PAGING 1
    PROBE 5, %edi
    PAGING 0
    ljmpl *AT(to_protected16)(%esi)

    .code16
protected16:
    SEGMENTS DATA16, MMIO16
    mov $0x1000, %ebx
    mov $0x10, %edi
    PROBE 6, %di
    SEGMENTS DATA16, DATA16
    mov %cr0, %eax
    and $~1, %eax
    mov %eax, %cr0
    ljmpl *AT(to_real)
real:
    mov %cs, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $(HOST_MMIO >> 4), %ax
    mov %ax, %es
    PROBE 7, %di
    mov %cr0, %eax                      /* a segment of 4 GiB, kept in real mode */
    or $1, %eax
    mov %eax, %cr0
    mov $FLAT, %dx
    mov %dx, %es
    and $~1, %eax
    mov %eax, %cr0
    mov $(HOST_MMIO + 0x10), %edi
    PROBE 8, %edi, addr32
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl *AT(to_back32)

    .code32
back32:
    SEGMENTS FLAT, FLAT
    mov AT(cr3_long)(%esi), %eax
    mov %eax, %cr3
    LONG_MODE_ENABLE 1
    PAGING 1
    ljmpl *AT(to_back64)(%esi)

    .code64
back64:
    mov AT(results)(%rsi), %ebx
    mov AT(paged_mmio)(%rsi), %edi
    PROBE 9, %rdi
    mov AT(saved_rsp)(%rsi), %rsp
    mov AT(saved_cr3)(%rsi), %rax
    mov %rax, %cr3
    lgdt AT(saved_gdtr)(%rsi)
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %rax
    push $0x08
    push %rax
    lretq

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            /* 08 code, 32 bits */
    .quad 0x00cf93000000ffff            /* 10 data, 4 GiB */
    .quad 0x00209b0000000000            /* 18 code, 64 bits */
    .quad 0x00009b000000ffff            /* 20 code, 16 bits, base: here */
    .quad 0x000093000000ffff            /* 28 data, 16 bits, base: here */
    .quad 0x0000930000001fff | (HOST_MMIO << 16) /* 30 the trapped pages */
modes_data:                             /* struct modes_data */
to_compat32:
    .long AT(compat32), CODE32
to_protected32:
    .long AT(protected32), CODE32
to_back32:
    .long AT(back32), CODE32
to_back64:
    .long AT(back64), CODE64
to_compat16:
    .long AT(compat16), CODE16
to_protected16:
    .long AT(protected16), CODE16
to_real:
    .long AT(real), 0
results:
    .long 0x1000
paged_mmio:
    .long 0
cr3_long:
    .long 0
cr3_32:
    .long 0
cr3_pae:
    .long 0
saved_cr3:
    .quad 0
saved_rsp:
    .quad 0
gdtr:
    .word 55
    .quad AT(gdt)
saved_gdtr:
    .word 0
    .quad 0
modes_end:
    .section .note.GNU-stack, "", @progbits
