/* Copied to a block of conventional memory (low.h): from 64-bit mode to real mode, there to an interrupt of the BIOS and
 * back, or on to the next system for good. Runs on the bare machine and, after launch, as the guest.
 * Selectors: CODE32 and DATA32 are where the Linux boot protocol wants them.
 * Source: APM Volume 2, 14.4.1 "Protected Mode", 14.6 "Leaving Long Mode"; Intel SDM Volume 3A, 9.9.2 "Switching Back to
 * Real-Address Mode"; Linux kernel documentation, x86/boot, "32-bit Boot Protocol". */
#include "head.h"
#include "low_layout.h"

#define CODE64 0x08
#define CODE32 0x10
#define DATA32 0x18
#define CODE16 0x20                     /* base: the block */
#define DATA16 0x28                     /* base: 0; limit 64 KiB, as real mode has it */

#define CR0_PE    0x1
#define CR0_PG    0x80000000
#define EFER      0xc0000080
#define EFER_LME  0x100
#define FS_BASE   0xc0000100
#define IVT_LIMIT 0x3ff

    .section .rodata.low, "a"
    .globl low_start, low_end, low_real, low_in32, low_in64
    .hidden low_start, low_end, low_real, low_in32, low_in64
    .balign 16
low_start:
    .skip LOW_CALL                      /* struct low */

    .code64
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    lea low_start(%rip), %rbx
    mov %rsp, LOW_RSP(%rbx)
    mov %cr3, %rax
    mov %rax, LOW_CR3(%rbx)
    mov $FS_BASE, %ecx
    rdmsr
    mov %eax, LOW_FS_BASE(%rbx)
    mov %edx, LOW_FS_BASE + 4(%rbx)
    lgdt LOW_GDTR(%rbx)
    lea 1f(%rip), %rax
    push $CODE32
    push %rax
    lretq

    .code32
1:  mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0                      /* out of long mode */
    xor %eax, %eax
    xor %edx, %edx
    mov $EFER, %ecx
    wrmsr
    mov %eax, %cr3
    mov %eax, %cr4
    cmpb $LOW_WAY_CALL, LOW_WAY(%ebx)
    je 2f
    mov LOW_WIPE_BASE(%ebx), %edi
    mov LOW_WIPE_BYTES(%ebx), %ecx
    shr $2, %ecx
    rep stosl
    cmpb $LOW_WAY_LINUX, LOW_WAY(%ebx)
    jne 2f
    mov LOW_COPY_FROM(%ebx), %esi
    mov LOW_COPY_TO(%ebx), %edi
    mov LOW_COPY_BYTES(%ebx), %ecx
    rep movsb
    lea LOW_STACK_TOP(%ebx), %esp
    mov LOW_ESI(%ebx), %esi
    mov LOW_ENTRY(%ebx), %eax
    xor %ebx, %ebx
    xor %ebp, %ebp
    xor %edi, %edi
    jmp *%eax
2:  ljmp $CODE16, $(3f - low_start)

    .code16
3:  lidtl %cs:(ivt - low_start)
    mov $DATA16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov %cr0, %eax
    and $~CR0_PE, %al
    mov %eax, %cr0
    ljmpw *%cs:LOW_FAR_REAL

low_real:
    mov %cs, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $LOW_STACK_TOP, %esp
    xor %ax, %ax
    mov %ax, %fs
    mov %ax, %gs
    cmpb $LOW_WAY_SECTOR, LOW_WAY
    je leave_to_sector
    mov LOW_VECTOR, %al
    mov %al, (interrupt - low_start + 1)
    jmp 4f                              /* what follows has been changed */
4:  mov LOW_EBX, %ebx
    mov LOW_ECX, %ecx
    mov LOW_EDX, %edx
    mov LOW_ESI, %esi
    mov LOW_EDI, %edi
    mov LOW_EBP, %ebp
    mov LOW_ES, %es
    mov LOW_EAX, %eax
    mov LOW_DS, %ds
    sti
interrupt:
    int $0
    cli
    cld
    pushfl
    popl %cs:LOW_EFLAGS
    mov %eax, %cs:LOW_EAX
    mov %ebx, %cs:LOW_EBX
    mov %ecx, %cs:LOW_ECX
    mov %edx, %cs:LOW_EDX
    mov %esi, %cs:LOW_ESI
    mov %edi, %cs:LOW_EDI
    mov %es, %cs:LOW_ES

    xor %ebx, %ebx
    mov %cs, %bx
    shl $4, %ebx                        /* the block */
    lgdtl %cs:LOW_GDTR
    lidtl %cs:(no_idt - low_start)
    mov %cr0, %eax
    or $CR0_PE, %al
    mov %eax, %cr0
    ljmpl *%cs:LOW_FAR32

leave_to_sector:
    mov LOW_EDX, %edx
    pushl LOW_ENTRY
    pop %bp                             /* offset */
    pop %bx                             /* segment */
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %esp
    pushw %bx
    pushw %bp
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %eax, %eax
    sti
    lretw

    .code32
low_in32:
    mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $MULTIBOOT_CR4, %eax
    mov %eax, %cr4
    mov LOW_CR3(%ebx), %eax
    mov %eax, %cr3
    mov $EFER, %ecx
    xor %edx, %edx
    mov $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    ljmp *LOW_FAR64(%ebx)

    .code64
low_in64:
    mov %ebx, %ebx
    mov LOW_RSP(%rbx), %rsp
    mov $FS_BASE, %ecx
    mov LOW_FS_BASE(%rbx), %eax
    mov LOW_FS_BASE + 4(%rbx), %edx
    wrmsr
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .balign 4
    .word 0
ivt:
    .word IVT_LIMIT
    .long 0
    .word 0
no_idt:
    .word 0
    .long 0
low_end:
    .section .note.GNU-stack, "", @progbits
