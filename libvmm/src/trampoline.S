/* Where further processors start: copied to a reserved page below 1 MiB, which the guest can neither see nor change.
 * Real mode to 64-bit mode on our page tables, then to the stack of the processor with this APIC id. No locks: an INIT may
 * stop a processor anywhere in here, and it starts over. So does an NMI in real mode, by the table at 0, which is ours
 * (own_vectors) and whose stack is never looked at; from there to vmm_host_enter an NMI is the end of the machine,
 * because any other table would be the guest's. Source: APM Volume 2, 14.8 "Initializing Long Mode"; 16.5. */
    .section .rodata.vmm_trampoline, "a"
    .globl vmm_trampoline, vmm_trampoline_end, vmm_trampoline_data
    .hidden vmm_trampoline, vmm_trampoline_end, vmm_trampoline_data
    .balign 16
vmm_trampoline:
    .code16
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    movzwl %ax, %ebx
    shl $4, %ebx                        /* ebx: where we are */
    lgdtl gdtr - vmm_trampoline
    lidtl gdt - vmm_trampoline          /* the null descriptor: an empty table */
    mov $0x11, %eax                     /* PE, ET; caches on */
    mov %eax, %cr0
    ljmpl *(far32 - vmm_trampoline)

    .code32
in32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x20, %eax                     /* PAE */
    mov %eax, %cr4
    mov (cr3 - vmm_trampoline)(%ebx), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               /* EFER */
    rdmsr
    or $0x900, %eax                     /* LME, NXE */
    wrmsr
    mov $0x80010011, %eax               /* PG, WP, ET, PE */
    mov %eax, %cr0
    ljmpl *(far64 - vmm_trampoline)(%ebx)

    .code64
in64:
    mov %ebx, %r8d
    xor %eax, %eax
    cpuid
    cmp $0xb, %eax
    jb 1f
    mov $0xb, %eax
    xor %ecx, %ecx
    cpuid
    test %ebx, %ebx
    jnz 2f                              /* edx: the 32-bit x2APIC id */
1:  mov $1, %eax
    cpuid
    mov %ebx, %edx
    shr $24, %edx
2:  mov (slots - vmm_trampoline)(%r8), %rsi
    mov (n_slots - vmm_trampoline)(%r8), %ecx
3:  mov (%rsi), %eax
    cmp %edx, %eax
    je 5f
    cmp $-1, %eax
    jne 4f
    lock cmpxchg %edx, (%rsi)
    jne 3b                              /* somebody was faster: look again */
    jmp 5f
4:  add $16, %rsi
    dec %ecx
    jnz 3b
6:  hlt                                 /* more processors than configured: this one never joins */
    jmp 6b
5:  mov 8(%rsi), %rdi                   /* struct vmm_vcpu */
    mov 0xc0(%rdi), %rsp
    xor %ebp, %ebp
    push %rbp
    jmp *(entry - vmm_trampoline)(%r8)

    .balign 16
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            /* 08: 32-bit code */
    .quad 0x00cf93000000ffff            /* 10: data */
    .quad 0x00209b0000000000            /* 18: 64-bit code */
/* Filled in by vmm_smp_init: struct trampoline_data. */
    .balign 8
vmm_trampoline_data:
gdtr:
    .word 31
    .long gdt - vmm_trampoline          /* + page */
    .word 0
far32:
    .long in32 - vmm_trampoline         /* + page */
    .word 0x08, 0
far64:
    .long in64 - vmm_trampoline         /* + page */
    .word 0x18, 0
cr3:
    .quad 0
slots:
    .quad 0
n_slots:
    .quad 0
entry:
    .quad 0
vmm_trampoline_end:
    .section .note.GNU-stack, "", @progbits
