/* The image's beginning: the two headers by which a loader knows it, and the way from the 32-bit protected mode it leaves
 * us in to C in 64-bit mode. Everything is addressed relative to where we run: nothing has been relocated yet.
 * Source: Multiboot Specification 0.6.96, 3.1 "OS image format", 3.2 "Machine state"; Multiboot2 Specification 2.0, 3.1,
 * 3.3 "I386 machine state"; APM Volume 2, 14.8 "Long-Mode Initialization Example". */
#include "head.h"

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x1                   /* modules on page boundaries */
#define MB2_MAGIC 0xe85250d6
#define MB2_I386  0
#define MB2_BYTES (mb2_end - mb2)

#define CODE64 0x08                     /* the same numbers as in low.S */
#define CODE32 0x10
#define DATA32 0x18

#define STACK_BYTES 0x8000

    .section .head, "ax"
    .globl _start
    .hidden _start
    .code32
head:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .balign 8
mb2:
    .long MB2_MAGIC, MB2_I386, MB2_BYTES, -(MB2_MAGIC + MB2_I386 + MB2_BYTES)
    .short 6, 0                         /* module alignment */
    .long 8
    .short 0, 0                         /* the end */
    .long 8
mb2_end:

    .org MULTIBOOT_ENTRY
_start:                                 /* eax: the loader's magic number; ebx: its information */
    cli
    cld
    mov %eax, %edi
    mov %ebx, %esi
    mov $MULTIBOOT_BASE + MULTIBOOT_ENTRY, %ebp
    lea (stack - _start + STACK_BYTES)(%ebp), %esp
    push %edi
    push %esi

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx                        /* LM */
    jnc no_long_mode

    /* The first 4 GiB 1:1, in pages of 2 MiB. */
    lea (tables - _start)(%ebp), %edi
    mov %edi, %cr3
    lea 0x1003(%edi), %eax
    mov %eax, (%edi)                    /* the level below, present and writable */
    lea 0x1000(%edi), %edx
    lea 0x2003(%edi), %eax
    mov $4, %ecx
1:  mov %eax, (%edx)
    add $0x1000, %eax
    add $8, %edx
    loop 1b
    lea 0x2000(%edi), %edx
    mov $0x83, %eax                     /* present, writable, large */
    mov $2048, %ecx
2:  mov %eax, (%edx)
    add $0x200000, %eax
    add $8, %edx
    loop 2b

    mov $MULTIBOOT_CR4, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx               /* EFER */
    rdmsr
    or $0x100, %eax                     /* LME */
    wrmsr
    mov $0x80000011, %eax               /* PG, ET, PE */
    mov %eax, %cr0
    lea (gdt - _start)(%ebp), %eax
    mov %eax, (gdtr - _start + 2)(%ebp)
    lgdt (gdtr - _start)(%ebp)
    pop %esi
    pop %edi
    lea (in64 - _start)(%ebp), %eax
    push $CODE64
    push %eax
    lret

no_long_mode:
    lea (sentence - _start)(%ebp), %esi
    mov $0xb8000, %edi                  /* the text screen */
    mov $0x0f, %ah
3:  lodsb
    stosw
    test %al, %al
    jnz 3b
4:  hlt
    jmp 4b

    .code64
in64:
    mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lldt %ax
    lidt gdt(%rip)                      /* the null descriptor: an empty table */
    lea stack + STACK_BYTES(%rip), %rsp
    mov $0xc0000100, %ecx               /* FS base: the stack protector's value is at 28h from it */
    lea canary(%rip), %rax
    xor %edx, %edx
    wrmsr
    rdtsc
    shl $8, %eax                        /* with a zero byte, which ends a string */
    mov %eax, canary + 0x28(%rip)
    mov %edx, canary + 0x2c(%rip)
    lea head(%rip), %rdx
    xor %ebp, %ebp
    push %rbp
    jmp multiboot_main                  /* (magic, information, image) */

    .balign 8
gdt:
    .quad 0
    .quad 0x00209b0000000000            /* CODE64 */
    .quad 0x00cf9b000000ffff            /* CODE32 */
    .quad 0x00cf93000000ffff            /* DATA32 */
gdtr:
    .word . - gdt - 1
    .quad 0
sentence:
    .asciz "sekisho: this processor has no 64-bit mode"

    .bss
    .balign 4096
tables:
    .skip 0x6000
stack:
    .skip STACK_BYTES
    .balign 16
canary:
    .skip 0x40
    .section .note.GNU-stack, "", @progbits
