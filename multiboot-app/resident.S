/* Copied to conventional memory by resident.c, where it answers interrupt 15h's questions for memory by a table.
 * Source: ACPI 6.4, 15.1 "INT 15H, E820H - Query System Address Map"; Ralf Brown's Interrupt List, INT 15h AX=E801h "Get
 * Memory Size for >64M Configurations", AH=88h "Get Extended Memory Size". */
#include "resident_layout.h"

#define FLAGS    6                      /* from the frame: bp, ip, cs, flags */
#define FLAGS_CF 1

    .section .rodata.resident, "a"
    .globl resident_start, resident_end
    .hidden resident_start, resident_end
    .balign 16
resident_start:
    .skip RESIDENT_ENTRY                /* struct resident */

    .code16
    cmp $0xe820, %ax
    je e820
    cmp $0xe801, %ax
    je e801
    cmp $0x88, %ah
    je kib_88
other:
    ljmpw *%cs:RESIDENT_OLD

kib_88:
    mov %cs:RESIDENT_KIB_88, %ax
    jmp good

e801:
    mov %cs:RESIDENT_KIB_16, %ax
    mov %ax, %cx
    mov %cs:RESIDENT_BLOCKS, %bx
    mov %bx, %dx
    jmp good

    /* ebx: offset in the table, 0 at first. That is 1 too many for those who go on after the last, who get the end. */
e820:
    cmp $SMAP, %edx
    jne other
    cmp $RESIDENT_ENTRY_MIN, %ecx
    jb bad
    movzwl %cs:RESIDENT_N_BYTES, %eax
    cmp %eax, %ebx
    jae bad
    push %si
    push %di
    push %ds
    mov $RESIDENT_ENTRY_MAX, %ax        /* how much to copy: they ask for it, or for what was there before it */
    cmp %ax, %cx
    jae 1f
    mov $RESIDENT_ENTRY_MIN, %ax
1:  movzwl %ax, %ecx
    push %cs
    pop %ds
    lea RESIDENT_TABLE(%bx), %si
    push %cx
    cld
    rep movsb
    pop %cx
    add $RESIDENT_ENTRY_MAX, %bx
    cmp RESIDENT_N_BYTES, %bx
    jb 2f
    xor %ebx, %ebx
2:  pop %ds
    pop %di
    pop %si
    mov $SMAP, %eax
good:
    push %bp
    mov %sp, %bp
    andb $~FLAGS_CF, FLAGS(%bp)
    pop %bp
    iretw
bad:
    mov $0x86, %ah                      /* not supported */
    push %bp
    mov %sp, %bp
    orb $FLAGS_CF, FLAGS(%bp)
    pop %bp
    iretw
resident_end:
    .section .note.GNU-stack, "", @progbits
