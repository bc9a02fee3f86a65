/* Task switches in 32-bit protected mode, one at a time: for tasks.c, which copies this below 1 MiB, fills in struct
 * tasks_data, and builds descriptor tables and TSSes behind it. Whoever comes to an end raises a vector that has an
 * interrupt gate; its handler records the state and goes back to long mode.
 * Source: Intel SDM Volume 3A, chapter 7 "Task Management". */
#include "tasks.h"
#define AT(label) (label - tasks_start)

    .macro SEGMENTS data
    mov $\data, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
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

    /* 7: the instruction that switches. Behind it main goes on. */
    .macro END_OP
8:  int $VECTOR_MAIN
    .pushsection .rodata.tasks_ops, "a"
    .long 6b - tasks_start, 7b - tasks_start, 8b - tasks_start
    .popsection
    .endm

    .section .rodata.tasks, "a"
    .globl tasks_start, tasks_data, tasks_end, tasks_ops, tasks_codes, tasks_stubs
    .pushsection .rodata.tasks_ops, "a"
    .balign 4
tasks_ops:                              /* struct op, by enum op */
    .popsection
    .balign 16
tasks_start:                            /* rdi: where this is */
    .code64
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %edi, %ebx
    mov %rsp, AT(saved_rsp)(%rbx)
    sgdt AT(saved_gdtr)(%rbx)
    sidt AT(saved_idtr)(%rbx)
    mov %cr3, %rax
    mov %rax, AT(saved_cr3)(%rbx)
    mov AT(cr3_long)(%rbx), %eax
    mov %rax, %cr3
    lgdt AT(gdtr)(%rbx)
    ljmpl *AT(to_compat32)(%rbx)

    .code32
compat32:
    SEGMENTS FLAT
    PAGING 0
    LONG_MODE_ENABLE 0
    mov AT(cr4)(%ebx), %eax
    mov %eax, %cr4
    mov AT(cr3)(%ebx), %eax
    test %eax, %eax
    jz 1f
    mov %eax, %cr3
    PAGING 1
1:  lidt AT(idtr)(%ebx)
    mov $0xfff00000, %eax               /* local breakpoints where nobody comes */
    mov %eax, %dr0
    mov $0x655, %eax
    mov %eax, %dr7
    xor %eax, %eax
    mov %eax, %dr6
    mov %eax, %fs
    mov %eax, %gs
    lldt %ax
    mov $MAIN, %eax
    ltr %ax
    SEGMENTS TASKS_DATA
    mov $TOP_MAIN, %esp
    mov $(REGS + 1), %ecx
    mov $(REGS + 2), %edx
    mov $(REGS + 3), %ebx
    mov $(REGS + 5), %ebp
    mov $(REGS + 6), %esi
    mov $(REGS + 7), %edi
    ljmpl *AT(enter)

    /* ---- what main does, by enum op ---- */
6:
7:  ljmpl *AT(target)
    END_OP
6:
7:  lcall *AT(target)
    END_OP
6:  pushf
    orl $0x4000, (%esp)                 /* NT */
    popf
7:  iret
    END_OP
6:
7:  int $VECTOR_INT
    END_OP
6:
7:  ud2
    END_OP
6:  mov $0x7f8, %eax                    /* beyond the table */
7:  mov %eax, %fs
    END_OP
6:  mov $FLAT, %eax                     /* NMI to itself, twice */
    mov %eax, %gs
    mov $2, %eax
1:  movl $0, %gs:0xfee00310
7:  movl $0x4400, %gs:0xfee00300
    push %ecx
    mov $10000, %ecx
2:  loop 2b
    pop %ecx
    dec %eax
    jnz 1b
    END_OP
6:  mov $FLAT, %eax                     /* an interrupt to itself */
    mov %eax, %gs
    movl $(0x44000 + VECTOR_IRQ), %gs:0xfee00300
    sti
7:  jmp 7b
    END_OP

    /* ---- what the others do, by enum code ---- */
stop:
    int $VECTOR_STOP
back:
    iret
    int $VECTOR_BACK
count:
    incl AT_COUNTER
    iret
    jmp count
rescue:
    int $VECTOR_LAST
    .pushsection .rodata.tasks_codes, "a"
    .balign 4
tasks_codes:
    .long AT(stop), AT(back), AT(count), AT(rescue)
    .popsection

    /* ---- the end: a handler for each vector ---- */
    .set n, 0
    .balign 16
stubs:
    .rept N_VECTORS
    .balign 16
    .if (n <> 8) && ((n < 10) || (n > 14)) && (n <> 17)
    push $0
    .endif
    push $n
    jmp ended
    .set n, n + 1
    .endr
    .pushsection .rodata.tasks_codes
tasks_stubs:                            /* of vector 0; they are 16 bytes apart */
    .long AT(stubs)
    .popsection
    .balign 16

ended:
    pusha
    .irp s, ds, es, fs, gs
    push %\s
    .endr
    cld
    mov $TASKS_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    movzwl %sp, %esi                    /* a 16-bit TSS leaves the upper half undefined */
    mov $AT_RECORD, %edi
    mov $19, %ecx
    rep movsl %ss:(%esi), %es:(%edi)
    str %eax
    stosl
    sldt %eax
    stosl
    mov %cr0, %eax
    stosl
    mov %cr3, %eax
    stosl
    mov %dr7, %eax
    stosl
    mov $FLAT, %eax
    mov %eax, %fs
    mov %cr0, %eax
    and $0x80000000, %eax
    jz 1f
    mov %fs:WINDOW, %eax
1:  stosl
    mov %cr2, %eax
    stosl
    mov %dr6, %eax
    stosl
    mov AT(self), %ebx
    ljmpl *AT(to_flat32)

flat32:
    SEGMENTS FLAT
    mov $HOME, %eax                     /* a 16-bit TSS would keep it from long mode */
    ltr %ax
    PAGING 0
    mov AT(cr3_long)(%ebx), %eax
    mov %eax, %cr3
    mov $0x620, %eax
    mov %eax, %cr4
    LONG_MODE_ENABLE 1
    PAGING 1
    ljmpl *AT(to_back64)(%ebx)

    .code64
back64:
    mov AT(saved_rsp)(%rbx), %rsp
    push $2
    popfq
    clts
    mov $0x400, %eax
    mov %rax, %dr7
    mov AT(saved_cr3)(%rbx), %rax
    mov %rax, %cr3
    lgdt AT(saved_gdtr)(%rbx)
    lidt AT(saved_idtr)(%rbx)
    mov AT(saved_gdtr)+2(%rbx), %rax
    andb $~2, 0x2d(%rax)                /* the TSS is not busy */
    mov $0x28, %eax
    ltr %ax
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
tasks_data:                             /* struct tasks_data */
to_compat32:
    .long AT(compat32), CODE32
to_flat32:
    .long AT(flat32), CODE32
to_back64:
    .long AT(back64), CODE64
enter:
    .long 0, TASKS_CODE
target:
    .long 0, 0
self:
    .long 0
cr3_long:
    .long 0
cr3:
    .long 0
cr4:
    .long 0
saved_cr3:
    .quad 0
saved_rsp:
    .quad 0
gdtr:
    .word LIMIT
    .quad AT_GDT
idtr:
    .word 8 * N_VECTORS - 1
    .quad AT_IDT
saved_gdtr:
    .word 0
    .quad 0
saved_idtr:
    .word 0
    .quad 0
tasks_end:
    .section .note.GNU-stack, "", @progbits
